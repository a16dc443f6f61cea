//! Replacing, patching and applying: read, change, check, and write if nobody was faster; else again.

use std::sync::Arc;

use serde_json::Value;

use super::create::check_namespace;
use super::{
    Cluster, Write, Written, check_type, collector, restore_spec, same_spec, set_or_remove, undecodable,
    without_managers,
};
use crate::event;
use crate::object::{self, Key, Object};
use crate::ownership::Managers;
use crate::patch::Patch;
use crate::schema::object_type;
use crate::status::{FieldError, Status};
use crate::store::Lost;
use crate::{defaults, validation};

/// Metadata that no writer changes.
const KEPT: [&str; 10] = [
    "name",
    "namespace",
    "generateName",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
];

/// What a writer wants of an object.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Replace(Value),
    Patch(Patch),
}

/// A changed object, decoded but not yet admitted, and who owns its fields.
struct Proposal {
    object: Value,
    managers: Managers,
    /// Whether `managers` accounts for the change already.
    applied: bool,
}

impl Cluster {
    /// Changes the object at `key`, or creates it where PUT or apply do so.
    pub(crate) fn modify(&self, write: &Write, key: &Key, change: &Change) -> Result<Written, Status> {
        loop {
            let mut warnings = Vec::new();
            let Some(current) = self.store.get(write.kind, key) else {
                match self.create_by(write, key, change) {
                    Err(status) if status.reason == "AlreadyExists" => continue,
                    result => return result,
                }
            };
            let proposal = propose(write, key, &current, change, &mut warnings)?;
            let object = self.admit(write, &current, proposal)?;
            let Some(object) = object else { return Ok(Written { object: current, created: false, warnings }) };
            if write.dry_run {
                let object = Arc::new(Object::new(object, current.revision));
                return Ok(Written { object, created: false, warnings });
            }
            match self.commit(write, key, &current, object) {
                Ok(object) => return Ok(Written { object, created: false, warnings }),
                Err(Lost::Changed) => {}
                Err(lost) => return Err(Self::refusal(lost, write.kind, key)),
            }
        }
    }

    fn commit(&self, write: &Write, key: &Key, current: &Object, object: Value) -> Result<Arc<Object>, Lost> {
        let terminating = object::is_terminating(&object);
        // A namespace goes only when it is empty, which the collector sees to.
        let held = object::finalizers(&object).next().is_some() || write.kind.kind == "Namespace";
        if terminating && !held {
            return self.remove_now(write.kind, key, current.revision);
        }
        let object = self.store.put(write.kind, key.clone(), Some(current.revision), object)?;
        if terminating {
            self.enqueue(collector::Work::Terminating(write.kind, key.clone()));
        }
        Ok(object)
    }

    fn create_by(&self, write: &Write, key: &Key, change: &Change) -> Result<Written, Status> {
        let missing = || Status::not_found(write.kind, &key.name);
        if write.status {
            return Err(missing());
        }
        match change {
            Change::Replace(body) if write.kind.put_creates => {
                check_type(write.kind, body)?;
                check_names(key, body)?;
                self.create(write, &key.namespace, body.clone())
            }
            Change::Patch(Patch::Apply { configuration, force }) => {
                let mut object = decode_configuration(write, key, configuration)?;
                if !object::metadata(&object, "resourceVersion").is_empty() {
                    return Err(Status::stale(write.kind, &key.name));
                }
                check_namespace(write.kind, &mut object, &key.namespace)?;
                let mut managers = Managers::default();
                let ty = object_type(write.kind.kind);
                managers.apply(&write.writer(), &ty, None, &object, *force)?;
                let object = self.create_decoded(write, &key.namespace, object, |_| managers.clone())?;
                Ok(Written { object, created: true, warnings: Vec::new() })
            }
            _ => Err(missing()),
        }
    }

    /// The object as it will be stored, or `None` when nothing changes.
    fn admit(&self, write: &Write, current: &Object, proposal: Proposal) -> Result<Option<Value>, Status> {
        let (kind, before) = (write.kind, &current.value);
        let Proposal { mut object, mut managers, applied } = proposal;
        let name = object::name(before).to_owned();
        check_preconditions(write, current, &object)?;

        for field in KEPT {
            object::set_metadata(&mut object, field, before["metadata"].get(field).cloned());
        }
        object::set_metadata(&mut object, "managedFields", None);
        if write.status {
            restore_spec(&mut object, before);
        } else if kind.status {
            set_or_remove(&mut object, "status", before.get("status"));
        }
        defaults::fill(kind, &mut object, Some(before), &self.addresses);
        if kind.generation && !same_spec(before, &object) {
            let generation = before["metadata"]["generation"].as_i64().unwrap_or_default() + 1;
            object::set_metadata(&mut object, "generation", Some(generation.into()));
        }
        let errors = if write.status {
            validation::check_status(kind, &object, before)
        } else {
            validation::check(kind, &object, Some(before))
        };
        if !errors.is_empty() {
            return Err(Status::invalid(kind, &name, &errors));
        }
        let before_plain = without_managers(before);
        if !applied {
            managers.update(&write.writer(), &object_type(kind.kind), &before_plain, &object);
        }
        if object == before_plain && managers.same_fields(&Managers::read(before)) {
            return Ok(None);
        }
        managers.write(&mut object);
        Ok(Some(object))
    }
}

fn propose(
    write: &Write,
    key: &Key,
    current: &Object,
    change: &Change,
    warnings: &mut Vec<String>,
) -> Result<Proposal, Status> {
    let kind = write.kind;
    let live = Managers::read(&current.value);
    let (object, decoded) = match change {
        Change::Replace(body) => {
            check_type(kind, body)?;
            check_names(key, body)?;
            let decoded = write.decode(body.clone(), warnings).map_err(|error| undecodable(kind, &error))?;
            (body.clone(), decoded)
        }
        Change::Patch(Patch::Apply { configuration, force }) => {
            let configuration = decode_configuration(write, key, configuration)?;
            let ty = object_type(kind.kind);
            let before = without_managers(&current.value);
            let mut managers = live;
            let object = managers.apply(&write.writer(), &ty, Some(&before), &configuration, *force)?;
            let object = write.decode(object, warnings).map_err(Status::internal)?;
            return Ok(Proposal { object, managers, applied: true });
        }
        Change::Patch(patch) => {
            let shown =
                if kind.is_event_view() { event::to_view(current.value.clone()) } else { current.value.clone() };
            let patched = patch.patched(kind, &object::typed(kind, &shown))?;
            check_type(kind, &patched)?;
            let decoded = write.decode(patched.clone(), warnings).map_err(|error| patch.undecodable(&error))?;
            (patched, decoded)
        }
    };
    // A writer may drop or edit the record of owners, as `kubectl apply --server-side` does when it takes over.
    let managers = match object.pointer("/metadata/managedFields").and_then(Value::as_array) {
        None => live,
        Some(entries) if entries.iter().all(|entry| entry.as_object().is_none_or(serde_json::Map::is_empty)) => {
            Managers::default()
        }
        Some(_) => Managers::read(&object),
    };
    Ok(Proposal { object: decoded, managers, applied: false })
}

/// A configuration of server-side apply in its stored form.
fn decode_configuration(write: &Write, key: &Key, configuration: &Value) -> Result<Value, Status> {
    let kind = write.kind;
    check_type(kind, configuration)?;
    check_names(key, configuration)?;
    if configuration.pointer("/metadata/managedFields").is_some_and(|entries| !entries.is_null()) {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    let about = format!(
        "failed to create typed patch object ({}/{}; {}, Kind={}): ",
        key.namespace,
        key.name,
        kind.api_version(),
        kind.kind
    );
    let decoded =
        write.decode_any(configuration.clone()).map_err(|error| Status::internal(format!("{about}{error}")))?;
    match decoded.unknown.as_slice() {
        [] => Ok(decoded.object),
        unknown => {
            let problems: Vec<String> =
                unknown.iter().map(|field| format!(".{field}: field not declared in schema")).collect();
            Err(Status::internal(format!("{about}{}", problems.join("\n"))))
        }
    }
}

/// The name and namespace of a body are those of the URL, or absent.
fn check_names(key: &Key, body: &Value) -> Result<(), Status> {
    let name = object::name(body);
    if !name.is_empty() && name != key.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            key.name
        )));
    }
    let namespace = object::metadata(body, "namespace");
    if !namespace.is_empty() && namespace != key.namespace {
        return Err(Status::bad_request(format!(
            "the namespace of the object ({namespace}) does not match the namespace on the URL ({})",
            key.namespace
        )));
    }
    Ok(())
}

/// The writer saw this very version, if it says which one it saw, and means this very object.
fn check_preconditions(write: &Write, current: &Object, object: &Value) -> Result<(), Status> {
    let kind = write.kind;
    let before = &current.value;
    let name = object::name(before);
    for field in ["name", "namespace"] {
        let (old, new) = (object::metadata(before, field), object::metadata(object, field));
        if !new.is_empty() && new != old {
            let error = FieldError::invalid(format!("metadata.{field}"), &new.into(), "field is immutable");
            return Err(Status::invalid(kind, name, &[error]));
        }
    }
    let uid = object::metadata(object, "uid");
    if !uid.is_empty() && uid != object::metadata(before, "uid") {
        let detail = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            before["metadata"]["uid"].as_str().unwrap_or_default()
        );
        return Err(Status::conflict(kind, name, &detail));
    }
    match object::metadata(object, "resourceVersion") {
        "" if kind.unconditional => Ok(()),
        "" => {
            let detail = "must be specified for an update";
            let error = FieldError::invalid("metadata.resourceVersion", &0.into(), detail);
            Err(Status::invalid(kind, name, &[error]))
        }
        version if version == current.revision.to_string() => Ok(()),
        _ => Err(Status::stale(kind, name)),
    }
}
