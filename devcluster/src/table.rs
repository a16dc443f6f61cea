//! Tables: what `kubectl get` prints, column by column as a real server answers it.

mod core;
mod duration;
mod networking;
mod workload;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kind::Kind;
use crate::object;

const NAME_DESCRIPTION: &str = "Name must be unique within a namespace. Is required when creating resources, although \
                                some resources may allow a client to request the generation of an appropriate name \
                                automatically. Name is primarily intended for creation idempotence and configuration \
                                definition. Cannot be updated. More info: \
                                https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
const AGE_DESCRIPTION: &str = "CreationTimestamp is a timestamp representing the server time when this object was \
                               created. It is not guaranteed to be set in happens-before order across separate \
                               operations. Clients may not set this value. It is represented in RFC3339 form and is \
                               in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: \
                               https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// One column; those of priority 1 are shown by `-o wide` only.
#[derive(Debug, Clone, Copy)]
struct Column {
    name: &'static str,
    format: &'static str,
    description: &'static str,
    priority: u8,
}

const fn column(name: &'static str, description: &'static str) -> Column {
    Column { name, format: "", description, priority: 0 }
}

const fn wide(name: &'static str, description: &'static str) -> Column {
    Column { name, format: "", description, priority: 1 }
}

const NAME: Column = Column { name: "Name", format: "name", description: NAME_DESCRIPTION, priority: 0 };
const AGE: Column = column("Age", AGE_DESCRIPTION);

/// How a kind is printed.
struct Printer {
    columns: &'static [Column],
    cells: fn(&Value, Timestamp) -> Vec<Value>,
}

fn printer(kind: &Kind) -> Printer {
    match kind.kind {
        "Ingress" => networking::INGRESS,
        "IngressClass" => networking::INGRESS_CLASS,
        "Service" => networking::SERVICE,
        "Endpoints" => networking::ENDPOINTS,
        "EndpointSlice" => networking::ENDPOINT_SLICE,
        "ConfigMap" => core::CONFIG_MAP,
        "Secret" => core::SECRET,
        "Namespace" => core::NAMESPACE,
        "Event" => core::EVENT,
        "ServiceAccount" => core::SERVICE_ACCOUNT,
        "Lease" => core::LEASE,
        "Pod" => workload::POD,
        "Node" => workload::NODE,
        "Deployment" => workload::DEPLOYMENT,
        _ => GENERIC,
    }
}

const GENERIC: Printer =
    Printer { columns: &[NAME, AGE], cells: |object, now| vec![object::name(object).into(), age(object, now)] };

/// The column definitions of a kind.
pub(crate) fn column_definitions(kind: &Kind) -> Vec<Value> {
    let columns = printer(kind).columns.iter();
    let definition = |column: &Column| {
        json!({
            "name": column.name, "type": "string", "format": column.format,
            "description": column.description, "priority": column.priority
        })
    };
    columns.map(definition).collect()
}

/// The cells of one object, in the order of the columns.
pub(crate) fn cells(kind: &Kind, object: &Value, now: Timestamp) -> Vec<Value> {
    (printer(kind).cells)(object, now)
}

/// Time since a timestamp, or `<unknown>` when there is none.
fn since(timestamp: &Value, now: Timestamp) -> String {
    match timestamp.as_str().and_then(|text| text.parse::<Timestamp>().ok()) {
        Some(then) => duration::human(now.as_second() - then.as_second()),
        None => "<unknown>".to_owned(),
    }
}

fn age(object: &Value, now: Timestamp) -> Value {
    since(&object["metadata"]["creationTimestamp"], now).into()
}

/// At most three entries, then how many more there are.
fn abridged(entries: &[String]) -> String {
    const SHOWN: usize = 3;
    match entries.len().checked_sub(SHOWN) {
        None | Some(0) => entries.join(","),
        Some(more) => format!("{} + {more} more...", entries[..SHOWN].join(",")),
    }
}

fn or(text: String, fallback: &str) -> String {
    if text.is_empty() { fallback.to_owned() } else { text }
}

/// `a=b,c=d`, or `<none>`.
fn labels(labels: &Value) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    let pairs: Vec<String> =
        pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    or(pairs.join(","), "<none>")
}

#[cfg(test)]
mod tests;
