//! Objects as the store keeps them, and their metadata.

use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::kind::Kind;

/// Namespace (empty for cluster-wide kinds) and name; ordered as lists are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

/// One version of an object, immutable. Without `apiVersion` and `kind`, which the kind knows.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) value: Value,
    /// The resource version, which is in the metadata too.
    pub(crate) revision: u64,
    /// Serialised once, however many lists and watches send it.
    json: OnceLock<Bytes>,
}

impl Object {
    pub(crate) fn new(value: Value, revision: u64) -> Self {
        Self { value, revision, json: OnceLock::new() }
    }

    /// As JSON, without `apiVersion` and `kind`.
    pub(crate) fn json(&self) -> &Bytes {
        self.json.get_or_init(|| serialize(&self.value))
    }
}

pub(crate) fn serialize(value: &Value) -> Bytes {
    serde_json::to_vec(value).expect("a JSON value has only string keys").into()
}

/// The JSON of an object (`{...}`) with `kind` and `apiVersion` written in front.
pub(crate) fn with_type(kind: &Kind, json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() + 64);
    out.extend_from_slice(format!(r#"{{"kind":"{}","apiVersion":"{}""#, kind.kind, kind.api_version()).as_bytes());
    let fields = &json[1..];
    if fields != b"}" {
        out.push(b',');
    }
    out.extend_from_slice(fields);
    out
}

/// The value with `kind` and `apiVersion` set.
pub(crate) fn typed(kind: &Kind, value: &Value) -> Value {
    let mut value = value.clone();
    value["kind"] = kind.kind.into();
    value["apiVersion"] = kind.api_version().into();
    value
}

/// A string of the metadata; empty when it is absent.
pub(crate) fn metadata<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

pub(crate) fn name(object: &Value) -> &str {
    metadata(object, "name")
}

pub(crate) fn key(object: &Value) -> Key {
    Key::new(metadata(object, "namespace"), name(object))
}

/// The metadata, created if it is missing. The object is known to be a JSON object.
pub(crate) fn metadata_mut(object: &mut Value) -> &mut Map<String, Value> {
    let metadata = &mut object["metadata"];
    if !metadata.is_object() {
        *metadata = Value::Object(Map::new());
    }
    metadata.as_object_mut().expect("made an object above")
}

/// Sets a field of the metadata, or removes it.
pub(crate) fn set_metadata(object: &mut Value, field: &str, value: Option<Value>) {
    let metadata = metadata_mut(object);
    match value {
        Some(value) => metadata.insert(field.to_owned(), value),
        None => metadata.remove(field),
    };
}

pub(crate) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Whether deletion has been asked for.
pub(crate) fn is_terminating(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// The UIDs of the owners.
pub(crate) fn owners(object: &Value) -> impl Iterator<Item = &str> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten().filter_map(|owner| owner["uid"].as_str())
}

/// The items of a list within an object, or none.
pub(crate) fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A string within an object; empty when it is absent.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind;

    #[test]
    fn the_type_is_written_in_front() {
        let secret = kind::find("", "v1", "secrets").unwrap();
        assert_eq!(with_type(secret, b"{}"), br#"{"kind":"Secret","apiVersion":"v1"}"#);
        assert_eq!(with_type(secret, br#"{"a":1}"#), br#"{"kind":"Secret","apiVersion":"v1","a":1}"#);
    }

    #[test]
    fn metadata_is_made_where_it_is_missing() {
        let mut object = json!({"spec": {}});
        set_metadata(&mut object, "name", Some("web".into()));
        assert_eq!(name(&object), "web");
        set_metadata(&mut object, "name", None);
        assert_eq!(object, json!({"metadata": {}, "spec": {}}));
    }
}
