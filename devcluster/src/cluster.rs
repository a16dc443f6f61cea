//! What happens to an object between a request and the store: decoding, defaults, validation, ownership, deletion.

mod collector;
mod create;
mod modify;
mod remove;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

pub(crate) use collector::Collector;
pub(crate) use modify::Change;
pub(crate) use remove::{DeleteOptions, Deleted, Propagation};

use crate::defaults::Addresses;
use crate::event;
use crate::kind::{self, Kind};
use crate::object::{self, Key, Object};
use crate::ownership::Writer;
use crate::schema::{self, Decoded};
use crate::status::Status;
use crate::store::{Lost, Store};

/// Namespaces that are there from the start, and that cannot be deleted.
const SYSTEM_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// What to do about fields that a kind does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    Ignore,
    Warn,
    Strict,
}

/// How and by whom an object is written.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) kind: &'static Kind,
    /// Whether the status is written, and nothing else, or everything but the status.
    pub(crate) status: bool,
    pub(crate) manager: String,
    pub(crate) dry_run: bool,
    pub(crate) validation: FieldValidation,
}

/// An object as it was written.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) object: Arc<Object>,
    pub(crate) created: bool,
    /// For the people who sent it.
    pub(crate) warnings: Vec<String>,
}

/// The store and the rules of writing to it.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) store: Store,
    addresses: Addresses,
    collect: mpsc::UnboundedSender<collector::Work>,
}

impl Cluster {
    /// An empty cluster with its system namespaces, and the collector that must run beside it.
    pub(crate) fn new(watch_history: usize) -> (Arc<Self>, Collector) {
        let (collect, work) = mpsc::unbounded_channel();
        let cluster = Self { store: Store::new(watch_history), addresses: Addresses::default(), collect };
        let namespaces = kind::find("", "v1", "namespaces").expect("namespaces are in the table of kinds");
        let write = Write::system(namespaces);
        for name in SYSTEM_NAMESPACES {
            let namespace = json!({"metadata": {"name": name}});
            cluster.create(&write, "", namespace).expect("a system namespace is valid, and the store is empty");
        }
        let cluster = Arc::new(cluster);
        let collector = Collector::new(&cluster, work);
        (cluster, collector)
    }

    pub(crate) fn get(&self, kind: &Kind, key: &Key) -> Result<Arc<Object>, Status> {
        self.store.get(kind, key).ok_or_else(|| Status::not_found(kind, &key.name))
    }

    fn refusal(lost: Lost, kind: &Kind, key: &Key) -> Status {
        match lost {
            Lost::Changed => Status::stale(kind, &key.name),
            Lost::NamespaceMissing => namespace_not_found(&key.namespace),
            Lost::NamespaceTerminating => Status::namespace_terminating(kind, &key.name, &key.namespace),
        }
    }
}

fn namespace_not_found(name: &str) -> Status {
    let namespaces = kind::find("", "v1", "namespaces").expect("namespaces are in the table of kinds");
    Status::not_found(namespaces, name)
}

impl Write {
    /// Written by the cluster itself.
    pub(crate) fn system(kind: &'static Kind) -> Self {
        let manager = "kube-apiserver".to_owned();
        Self { kind, status: false, manager, dry_run: false, validation: FieldValidation::Ignore }
    }

    fn writer(&self) -> Writer {
        Writer {
            manager: self.manager.clone(),
            api_version: self.kind.api_version(),
            subresource: if self.status { "status" } else { "" },
            time: now(),
        }
    }

    /// Decodes an object of the written kind into its stored form.
    fn decode(&self, object: Value, warnings: &mut Vec<String>) -> Result<Value, String> {
        let Decoded { object, unknown } = self.decode_any(object)?;
        let mut unknown = unknown.into_iter().map(|field| format!("unknown field {field:?}"));
        match self.validation {
            FieldValidation::Ignore => {}
            FieldValidation::Warn => warnings.extend(unknown),
            FieldValidation::Strict => {
                if let Some(first) = unknown.next() {
                    let listed: Vec<String> = std::iter::once(first).chain(unknown).collect();
                    return Err(format!("strict decoding error: {}", listed.join(", ")));
                }
            }
        }
        Ok(object)
    }

    fn decode_any(&self, object: Value) -> Result<Decoded, String> {
        let object = if self.kind.is_event_view() { event::to_core(object) } else { object };
        schema::decode(self.kind.kind, object)
    }
}

/// Checks that a body is of the kind that the URL names; an absent type is taken for granted where a real server does.
pub(crate) fn check_type(kind: &Kind, body: &Value) -> Result<(), Status> {
    let Some(fields) = body.as_object() else {
        return Err(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {})",
            kind.kind
        )));
    };
    let text = |field: &str| fields.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, name) = (text("apiVersion"), text("kind"));
    let expected = kind.api_version();
    if !api_version.is_empty() && api_version != expected {
        return Err(Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({expected})"
        )));
    }
    if !name.is_empty() && name != kind.kind {
        let version = kind.version;
        return Err(Status::bad_request(format!(
            "{name} in version {version:?} cannot be handled as a {}: the kind in the data does not match the resource",
            kind.kind
        )));
    }
    Ok(())
}

/// The refusal of a body that cannot be decoded.
fn undecodable(kind: &Kind, error: &str) -> Status {
    let (name, version) = (kind.kind, kind.version);
    Status::bad_request(format!("{name} in version {version:?} cannot be handled as a {name}: {error}"))
}

/// RFC 3339, to the second.
fn now() -> String {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// A random UUID.
fn new_uid() -> String {
    let random = (fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{random:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Replaces all but the metadata and the status with what `from` has.
fn restore_spec(object: &mut Value, from: &Value) {
    let status = object["status"].take();
    let metadata = object["metadata"].take();
    *object = from.clone();
    object["metadata"] = metadata;
    set_or_remove(object, "status", Some(&status).filter(|status| !status.is_null()));
}

fn set_or_remove(object: &mut Value, field: &str, value: Option<&Value>) {
    if let Value::Object(fields) = object {
        match value {
            Some(value) => fields.insert(field.to_owned(), value.clone()),
            None => fields.remove(field),
        };
    }
}

/// Whether anything but metadata and status differs.
fn same_spec(one: &Value, two: &Value) -> bool {
    let specification = |object: &Value| {
        let fields = object.as_object().into_iter().flatten();
        let fields = fields.filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status"));
        fields.map(|(name, value)| (name.clone(), value.clone())).collect::<std::collections::BTreeMap<_, _>>()
    };
    specification(one) == specification(two)
}

/// The object without what says who wrote it.
fn without_managers(object: &Value) -> Value {
    let mut object = object.clone();
    object::set_metadata(&mut object, "managedFields", None);
    object
}

#[cfg(test)]
mod tests;
