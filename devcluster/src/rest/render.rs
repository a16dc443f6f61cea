//! Objects, lists and watch events as bytes, in the form that was asked for.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::media::{Form, list_kind};
use super::{Call, Status};
use crate::kind::Kind;
use crate::object::{Object, serialize, typed, with_type};
use crate::{event, table};

/// What a row of a table carries of its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Include {
    Nothing,
    Metadata,
    Object,
}

/// Writes objects of one kind for one request.
#[derive(Debug, Clone)]
pub(super) struct Renderer {
    kind: &'static Kind,
    form: Form,
    include: Include,
}

impl Renderer {
    pub(super) fn new(call: &Call, kind: &'static Kind) -> Result<Self, Status> {
        let form = call.form()?;
        let include = match call.query.text("includeObject") {
            "None" => Include::Nothing,
            "" | "Metadata" => Include::Metadata,
            "Object" => Include::Object,
            other => return Err(Status::bad_request(format!("unrecognized includeObject value: {other:?}"))),
        };
        Ok(Self { kind, form, include })
    }

    /// Whole objects, whatever the client accepts: what writing answers with.
    pub(super) fn whole(kind: &'static Kind) -> Self {
        Self { kind, form: Form::Object, include: Include::Metadata }
    }

    /// One object.
    pub(super) fn object(&self, object: &Object) -> Vec<u8> {
        match self.form {
            Form::Object => self.whole_object(object),
            Form::Metadata(version) => serialize(&metadata_only(version, &object.value)).to_vec(),
            Form::Table(version) => {
                let revision = object.value["metadata"]["resourceVersion"].clone();
                self.table(version, &json!({"resourceVersion": revision}), &[object], true)
            }
        }
    }

    /// A list with its metadata.
    pub(super) fn list(&self, metadata: &Value, objects: &[Arc<Object>]) -> Vec<u8> {
        let (kind, api_version) = match self.form {
            Form::Object => (list_kind(self.kind), self.kind.api_version()),
            Form::Metadata(version) => ("PartialObjectMetadataList".to_owned(), format!("meta.k8s.io/{version}")),
            Form::Table(version) => {
                let objects: Vec<&Object> = objects.iter().map(AsRef::as_ref).collect();
                return self.table(version, metadata, &objects, true);
            }
        };
        let head = format!(r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{metadata},"items":["#);
        let mut out = head.into_bytes();
        for (index, object) in objects.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            // Items of a list carry no type, that of the list says it.
            match self.form {
                Form::Metadata(version) => out.extend_from_slice(&serialize(&metadata_only(version, &object.value))),
                _ if self.kind.is_event_view() => {
                    out.extend_from_slice(&serialize(&event::to_view(object.value.clone())));
                }
                _ => out.extend_from_slice(object.json()),
            }
        }
        out.extend_from_slice(b"]}");
        out
    }

    /// A line of a watch. Tables carry their columns in the `first` line only.
    pub(super) fn event(&self, event: &str, object: &Object, first: bool) -> Vec<u8> {
        let object = match self.form {
            Form::Table(version) => {
                let revision = object.value["metadata"]["resourceVersion"].clone();
                self.table(version, &json!({"resourceVersion": revision}), &[object], first)
            }
            _ => self.object(object),
        };
        line(event, &object)
    }

    /// A line of a watch that says how far it has come, and whether everything that was there at first is sent.
    pub(super) fn bookmark(&self, revision: u64, initial_events_end: bool) -> Vec<u8> {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if initial_events_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let (kind, api_version) = match self.form {
            Form::Object => (self.kind.kind, self.kind.api_version()),
            Form::Metadata(version) => ("PartialObjectMetadata", format!("meta.k8s.io/{version}")),
            Form::Table(version) => ("Table", format!("meta.k8s.io/{version}")),
        };
        let mut object = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
        if let Form::Table(_) = self.form {
            object["columnDefinitions"] = Value::Null;
            object["rows"] = json!([]);
        }
        line("BOOKMARK", &serialize(&object))
    }

    fn whole_object(&self, object: &Object) -> Vec<u8> {
        if self.kind.is_event_view() {
            with_type(self.kind, &serialize(&event::to_view(object.value.clone())))
        } else {
            with_type(self.kind, object.json())
        }
    }

    fn table(&self, version: &str, metadata: &Value, objects: &[&Object], columns: bool) -> Vec<u8> {
        let now = Timestamp::now();
        let row = |object: &&Object| {
            let mut row = json!({"cells": table::cells(self.kind, &object.value, now)});
            match self.include {
                Include::Nothing => {}
                Include::Metadata => row["object"] = metadata_only(version, &object.value),
                Include::Object if self.kind.is_event_view() => {
                    row["object"] = typed(self.kind, &event::to_view(object.value.clone()));
                }
                Include::Object => row["object"] = typed(self.kind, &object.value),
            }
            row
        };
        let columns = if columns { Value::Array(table::column_definitions(self.kind)) } else { Value::Null };
        let rows: Vec<Value> = objects.iter().map(row).collect();
        let table = json!({
            "kind": "Table", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata,
            "columnDefinitions": columns, "rows": rows
        });
        serialize(&table).to_vec()
    }
}

fn metadata_only(version: &str, object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": object["metadata"]
    })
}

/// A line of a watch that ends it.
pub(super) fn error(status: &Status) -> Vec<u8> {
    line("ERROR", &serialize(&status.to_json()))
}

fn line(event: &str, object: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(object.len() + 40);
    out.extend_from_slice(format!(r#"{{"type":"{event}","object":"#).as_bytes());
    out.extend_from_slice(object);
    out.extend_from_slice(b"}\n");
    out
}
