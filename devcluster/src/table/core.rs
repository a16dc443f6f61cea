//! The other kinds of the core group, and leases.

use serde_json::Value;

use super::{AGE, Column, NAME, Printer, age, column, since, wide};
use crate::object::{items, name, text};

pub(super) const CONFIG_MAP: Printer = Printer {
    columns: &[NAME, column("Data", "Data contains the configuration data."), AGE],
    cells: |object, now| {
        let count = entries(&object["data"]) + entries(&object["binaryData"]);
        vec![name(object).into(), count.into(), age(object, now)]
    },
};

pub(super) const SECRET: Printer = Printer {
    columns: &[
        NAME,
        column("Type", "Used to facilitate programmatic handling of secret data."),
        column("Data", "Data contains the secret data."),
        AGE,
    ],
    cells: |object, now| {
        vec![name(object).into(), text(object, "/type").into(), entries(&object["data"]).into(), age(object, now)]
    },
};

fn entries(map: &Value) -> usize {
    map.as_object().map_or(0, serde_json::Map::len)
}

pub(super) const NAMESPACE: Printer = Printer {
    columns: &[NAME, column("Status", "The status of the namespace"), AGE],
    cells: |object, now| vec![name(object).into(), text(object, "/status/phase").into(), age(object, now)],
};

pub(super) const SERVICE_ACCOUNT: Printer = Printer {
    columns: &[NAME, column("Secrets", "Secrets is a list of the secrets in the same namespace."), AGE],
    cells: |object, now| vec![name(object).into(), items(object, "/secrets").len().into(), age(object, now)],
};

pub(super) const LEASE: Printer = Printer {
    columns: &[NAME, column("Holder", "holderIdentity contains the identity of the holder of a current lease."), AGE],
    cells: |object, now| vec![name(object).into(), text(object, "/spec/holderIdentity").into(), age(object, now)],
};

const EVENT_NAME: Column = Column { priority: 1, ..NAME };

pub(super) const EVENT: Printer = Printer {
    columns: &[
        column("Last Seen", "The time at which the most recent occurrence of this event was recorded."),
        column("Type", "Type of this event (Normal, Warning), new types could be added in the future"),
        column("Reason", "This should be a short, machine understandable string that gives the reason."),
        column("Object", "The object that this event is about."),
        wide("Subobject", "If referring to a piece of an object instead of an entire object."),
        wide("Source", "The component reporting this event. Should be a short machine understandable string."),
        column("Message", "A human-readable description of the status of this operation."),
        wide("First Seen", "The time at which the event was first recorded."),
        wide("Count", "The number of times this event has occurred."),
        EVENT_NAME,
    ],
    cells: |event, now| {
        let first = &event["firstTimestamp"];
        let first = since(if first.is_string() { first } else { &event["eventTime"] }, now);
        let (last, count) = if let Some(series) = event.get("series") {
            (since(&series["lastObservedTime"], now), series["count"].as_i64())
        } else {
            let last = &event["lastTimestamp"];
            (if last.is_string() { since(last, now) } else { first.clone() }, event["count"].as_i64())
        };
        let count = count.filter(|count| *count != 0).unwrap_or(1);
        let object = &event["involvedObject"];
        let kind = text(object, "/kind").to_lowercase();
        let target = match text(object, "/name") {
            "" => kind,
            name => format!("{kind}/{name}"),
        };
        vec![
            last.into(),
            text(event, "/type").into(),
            text(event, "/reason").into(),
            target.into(),
            text(object, "/fieldPath").into(),
            source(event).into(),
            text(event, "/message").trim().into(),
            first.into(),
            count.into(),
            name(event).into(),
        ]
    },
};

/// Component and host, by the older or by the newer fields.
fn source(event: &Value) -> String {
    let component = text(event, "/source/component");
    let (component, host) = if component.is_empty() {
        (text(event, "/reportingComponent"), text(event, "/reportingInstance"))
    } else {
        (component, text(event, "/source/host"))
    };
    if host.is_empty() { component.to_owned() } else { format!("{component}, {host}") }
}
