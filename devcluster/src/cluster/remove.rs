//! Deletion: at once, or when the last finalizer is gone.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Cluster, SYSTEM_NAMESPACES, collector, now};
use crate::kind::Kind;
use crate::object::{self, Key, Object};
use crate::status::Status;
use crate::store::Lost;

pub(super) const ORPHAN: &str = "orphan";
pub(super) const FOREGROUND: &str = "foregroundDeletion";

/// What becomes of the objects that name this one as their owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// They stay, without an owner.
    Orphan,
    /// They go after it.
    Background,
    /// They go before it.
    Foreground,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) propagation: Option<Propagation>,
    pub(crate) dry_run: bool,
}

/// What a deletion came to.
#[derive(Debug)]
pub(crate) struct Deleted {
    /// The object as it was last, or as it waits for its finalizers.
    pub(crate) object: Arc<Object>,
    pub(crate) gone: bool,
}

impl Cluster {
    pub(crate) fn delete(&self, kind: &'static Kind, key: &Key, options: &DeleteOptions) -> Result<Deleted, Status> {
        if kind.kind == "Namespace" && SYSTEM_NAMESPACES.contains(&key.name.as_str()) {
            return Err(Status::forbidden(kind, &key.name, "this namespace may not be deleted"));
        }
        loop {
            let current = self.get(kind, key)?;
            check_preconditions(kind, &current.value, options)?;
            let finalizers = finalizers_after(&current.value, options.propagation);
            let waits = !finalizers.is_empty() || !object::items(&current.value, "/spec/finalizers").is_empty();
            if options.dry_run {
                return Ok(Deleted { object: current, gone: !waits });
            }
            let result = if waits {
                self.mark(kind, key, &current, &finalizers).map(|object| Deleted { object, gone: false })
            } else {
                self.remove_now(kind, key, current.revision).map(|object| Deleted { object, gone: true })
            };
            match result {
                Ok(deleted) => return Ok(deleted),
                Err(Lost::Changed) => {}
                Err(lost) => return Err(Self::refusal(lost, kind, key)),
            }
        }
    }

    /// Writes that deletion was asked for.
    fn mark(
        &self,
        kind: &'static Kind,
        key: &Key,
        current: &Arc<Object>,
        finalizers: &[String],
    ) -> Result<Arc<Object>, Lost> {
        let mut object = current.value.clone();
        if !object::is_terminating(&object) {
            object::set_metadata(&mut object, "deletionTimestamp", Some(now().into()));
            object::set_metadata(&mut object, "deletionGracePeriodSeconds", Some(0.into()));
            if let Some(generation) = object["metadata"]["generation"].as_i64() {
                object::set_metadata(&mut object, "generation", Some((generation + 1).into()));
            }
        }
        if kind.kind == "Namespace" {
            object["status"]["phase"] = "Terminating".into();
        }
        let finalizers = (!finalizers.is_empty()).then(|| json!(finalizers));
        object::set_metadata(&mut object, "finalizers", finalizers);
        let object = if object == current.value {
            current.clone()
        } else {
            self.store.put(kind, key.clone(), Some(current.revision), object)?
        };
        self.enqueue(collector::Work::Terminating(kind, key.clone()));
        Ok(object)
    }

    /// Removes the object if it is still at `revision`, and tells the collector.
    pub(super) fn remove_now(&self, kind: &'static Kind, key: &Key, revision: u64) -> Result<Arc<Object>, Lost> {
        let object = self.store.remove(kind, key, revision)?;
        self.enqueue(collector::Work::Removed(object.clone()));
        Ok(object)
    }

    /// Hands work to the collector; after the cluster was stopped for good there is nobody to do it, and no need.
    pub(super) fn enqueue(&self, work: collector::Work) {
        drop(self.collect.send(work));
    }
}

fn finalizers_after(object: &Value, propagation: Option<Propagation>) -> Vec<String> {
    let mut finalizers: Vec<String> = object::finalizers(object).map(str::to_owned).collect();
    let wanted = match propagation {
        None => return finalizers,
        Some(Propagation::Background) => None,
        Some(Propagation::Orphan) => Some(ORPHAN),
        Some(Propagation::Foreground) => Some(FOREGROUND),
    };
    finalizers.retain(|finalizer| finalizer != ORPHAN && finalizer != FOREGROUND);
    finalizers.extend(wanted.map(str::to_owned));
    finalizers
}

fn check_preconditions(kind: &Kind, object: &Value, options: &DeleteOptions) -> Result<(), Status> {
    for (what, field, wanted) in
        [("UID", "uid", &options.uid), ("ResourceVersion", "resourceVersion", &options.resource_version)]
    {
        let actual = object::metadata(object, field);
        if let Some(wanted) = wanted
            && wanted != actual
        {
            let detail =
                format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {actual}");
            return Err(Status::conflict(kind, object::name(object), &detail));
        }
    }
    Ok(())
}
