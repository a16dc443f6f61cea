//! The two controllers that deletion needs: one empties namespaces, one follows owner references.

use std::sync::{Arc, Weak};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::remove::{DeleteOptions, FOREGROUND, ORPHAN, Propagation};
use super::{Change, Cluster, Write};
use crate::kind::{self, KINDS, Kind};
use crate::object::{self, Key, Object};
use crate::patch::Patch;
use crate::status::Status;

/// Something that may let another object go.
#[derive(Debug)]
pub(super) enum Work {
    /// Deletion was asked for, and something holds it.
    Terminating(&'static Kind, Key),
    Removed(Arc<Object>),
}

/// Does what is queued, for as long as the cluster is there.
#[derive(Debug)]
pub(crate) struct Collector {
    cluster: Weak<Cluster>,
    work: mpsc::UnboundedReceiver<Work>,
}

impl Collector {
    pub(super) fn new(cluster: &Arc<Cluster>, work: mpsc::UnboundedReceiver<Work>) -> Self {
        Self { cluster: Arc::downgrade(cluster), work }
    }

    /// Ends when the cluster is dropped.
    pub(crate) async fn run(mut self) {
        while let Some(work) = self.work.recv().await {
            let Some(cluster) = self.cluster.upgrade() else { return };
            cluster.collect(&work);
        }
    }
}

impl Cluster {
    fn collect(&self, work: &Work) {
        match work {
            Work::Terminating(kind, key) if kind.kind == "Namespace" => self.empty_namespace(kind, key),
            Work::Terminating(kind, key) => self.release(kind, key),
            Work::Removed(object) => {
                let uid = object::metadata(&object.value, "uid");
                for (kind, key) in self.store.dependents(uid) {
                    self.collect_dependent(kind, &key, uid);
                }
                let namespace = object::metadata(&object.value, "namespace");
                let namespaces = kind::find("", "v1", "namespaces").expect("namespaces are in the table of kinds");
                self.empty_namespace(namespaces, &Key::new("", namespace));
                for (kind, key) in object::items(&object.value, "/metadata/ownerReferences")
                    .iter()
                    .filter_map(|owner| owner_of(owner, namespace))
                {
                    self.release(kind, &key);
                }
            }
        }
    }

    /// Deletes everything in a terminating namespace, and the namespace once nothing is left.
    fn empty_namespace(&self, namespaces: &'static Kind, key: &Key) {
        let Some(namespace) = self.store.get(namespaces, key) else { return };
        if !object::is_terminating(&namespace.value) {
            return;
        }
        let mut left = false;
        let background = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
        for kind in KINDS.iter().filter(|kind| kind.namespaced && !kind.is_event_view()) {
            for object in self.store.snapshot(kind, Some(&key.name)).objects {
                if object::is_terminating(&object.value) && object::finalizers(&object.value).next().is_some() {
                    left = true;
                    continue;
                }
                let deleted = self.delete(kind, &object::key(&object.value), &background);
                left |= !matches!(deleted, Ok(super::Deleted { gone: true, .. }));
            }
        }
        let held = object::finalizers(&namespace.value).next().is_some();
        if !left && !held && self.remove_now(namespaces, key, namespace.revision).is_err() {
            self.enqueue(Work::Terminating(namespaces, key.clone()));
        }
    }

    /// Lets a terminating object go when what its deletion waits for has happened to its dependents.
    fn release(&self, kind: &'static Kind, key: &Key) {
        let Some(object) = self.store.get(kind, key) else { return };
        if !object::is_terminating(&object.value) {
            return;
        }
        let uid = object::metadata(&object.value, "uid");
        let dependents = self.store.dependents(uid);
        if object::finalizers(&object.value).any(|finalizer| finalizer == ORPHAN) {
            for (kind, key) in dependents {
                self.disown(kind, &key, uid);
            }
            self.drop_finalizer(kind, key, &object.value, ORPHAN);
        } else if object::finalizers(&object.value).any(|finalizer| finalizer == FOREGROUND) {
            let mut blocked = false;
            for (kind, key) in dependents {
                let Some(dependent) = self.store.get(kind, &key) else { continue };
                blocked |= object::items(&dependent.value, "/metadata/ownerReferences")
                    .iter()
                    .any(|owner| owner["uid"] == uid && owner["blockOwnerDeletion"] == true);
                if !object::is_terminating(&dependent.value) {
                    let options =
                        DeleteOptions { propagation: Some(Propagation::Foreground), ..DeleteOptions::default() };
                    self.log("delete a dependent", self.delete(kind, &key, &options).map(|_| ()));
                }
            }
            if !blocked {
                self.drop_finalizer(kind, key, &object.value, FOREGROUND);
            }
        }
    }

    /// Deletes an object whose owner is gone, unless another owner is left.
    fn collect_dependent(&self, kind: &'static Kind, key: &Key, gone: &str) {
        let Some(dependent) = self.store.get(kind, key) else { return };
        let others = object::items(&dependent.value, "/metadata/ownerReferences").iter().any(|owner| {
            owner["uid"] != gone
                && owner_of(owner, &key.namespace)
                    .and_then(|(kind, key)| self.store.get(kind, &key))
                    .is_some_and(|found| found.value["metadata"]["uid"] == owner["uid"])
        });
        if others {
            self.disown(kind, key, gone);
        } else {
            let uid = object::metadata(&dependent.value, "uid").to_owned();
            let options = DeleteOptions {
                uid: Some(uid),
                propagation: Some(Propagation::Background),
                ..DeleteOptions::default()
            };
            self.log("delete a dependent", self.delete(kind, key, &options).map(|_| ()));
        }
    }

    fn disown(&self, kind: &'static Kind, key: &Key, owner: &str) {
        let Some(object) = self.store.get(kind, key) else { return };
        let owners = object::items(&object.value, "/metadata/ownerReferences");
        let kept: Vec<&Value> = owners.iter().filter(|reference| reference["uid"] != owner).collect();
        let patch = json!([{"op": "replace", "path": "/metadata/ownerReferences", "value": kept}]);
        self.log("take an owner from an object", self.patch(kind, key, &patch));
    }

    fn drop_finalizer(&self, kind: &'static Kind, key: &Key, object: &Value, finalizer: &str) {
        let kept: Vec<&str> = object::finalizers(object).filter(|name| *name != finalizer).collect();
        let patch = json!([{"op": "replace", "path": "/metadata/finalizers", "value": kept}]);
        self.log("take a finalizer from an object", self.patch(kind, key, &patch));
    }

    fn patch(&self, kind: &'static Kind, key: &Key, operations: &Value) -> Result<(), Status> {
        let operations = serde_json::from_value(operations.clone()).expect("the operations are written above");
        let mut write = Write::system(kind);
        "kube-controller-manager".clone_into(&mut write.manager);
        self.modify(&write, key, &Change::Patch(Patch::Json(operations))).map(|_| ())
    }

    /// The collector has nobody to answer to; an object that went in the meantime is what it wanted.
    fn log(&self, what: &str, result: Result<(), Status>) {
        if let Err(status) = result.or_else(|status| if status.code == 404 { Ok(()) } else { Err(status) }) {
            tracing::warn!(error = %status, revision = self.store.revision(), "the collector could not {what}");
        }
    }
}

/// The object that an owner reference names, seen from a namespace.
fn owner_of(owner: &Value, namespace: &str) -> Option<(&'static Kind, Key)> {
    let kind = kind::find_by_name(owner["apiVersion"].as_str()?, owner["kind"].as_str()?)?;
    let namespace = if kind.namespaced { namespace } else { "" };
    Some((kind, Key::new(namespace, owner["name"].as_str()?)))
}
