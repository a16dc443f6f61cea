//! Names, labels, annotations and finalizers.

use serde_json::{Map, Value};

use super::name::{check_name, label_value, qualified};
use crate::kind::Kind;
use crate::object;
use crate::status::FieldError;

/// All annotations of one object together.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

pub(super) fn check(kind: &Kind, object: &Value, before: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = object::name(object);
    if before.is_none() {
        if name.is_empty() {
            errors.push(FieldError::required("metadata.name", "name or generateName is required"));
        } else {
            let problems = check_name(kind.name, name);
            errors.extend(problems.iter().map(|problem| invalid("metadata.name", name, problem)));
        }
    }
    for (key, value) in entries(object, "labels") {
        errors.extend(qualified(key).iter().map(|problem| invalid("metadata.labels", key, problem)));
        let value = value.as_str().unwrap_or_default();
        errors.extend(label_value(value).iter().map(|problem| invalid("metadata.labels", value, problem)));
    }
    let mut size = 0;
    for (key, value) in entries(object, "annotations") {
        // Keys of annotations may be in upper case, even before the slash.
        let problems = qualified(&key.to_lowercase());
        errors.extend(problems.iter().map(|problem| invalid("metadata.annotations", key, problem)));
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_LIMIT {
        errors.push(FieldError::too_long("metadata.annotations", ANNOTATIONS_LIMIT));
    }
    for finalizer in object::finalizers(object) {
        errors.extend(qualified(finalizer).iter().map(|problem| invalid("metadata.finalizers", finalizer, problem)));
    }
    if let Some(before) = before.filter(|before| object::is_terminating(before)) {
        let known: Vec<&str> = object::finalizers(before).collect();
        let added: Vec<&str> = object::finalizers(object).filter(|finalizer| !known.contains(finalizer)).collect();
        if !added.is_empty() {
            let detail = "no new finalizers can be added if the object is being deleted, found new finalizers ";
            let added = format!(
                "{detail}[]string{{{}}}",
                added.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
            );
            errors.push(FieldError::forbidden("metadata.finalizers", &added));
        }
    }
    errors
}

fn invalid(field: &str, value: &str, problem: &str) -> FieldError {
    FieldError::invalid(field, &value.into(), problem)
}

fn entries<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object["metadata"][field].as_object().into_iter().flat_map(Map::iter)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind;

    fn messages(metadata: &Value, before: Option<&Value>) -> Vec<String> {
        let kind = kind::find("", "v1", "secrets").unwrap();
        let wrap = |metadata: &Value| json!({ "metadata": metadata });
        let before = before.map(wrap);
        check(kind, &wrap(metadata), before.as_ref()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_and_labels_are_checked() {
        let found = messages(&json!({"name": "Web", "labels": {"a b": "c d"}, "annotations": {"X.io/Y": "z"}}), None);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with(r#"metadata.name: Invalid value: "Web": a lowercase RFC 1123 subdomain"#));
        assert!(found[2].starts_with(r#"metadata.labels: Invalid value: "c d": a valid label must be"#));
        assert_eq!(messages(&json!({}), None), ["metadata.name: Required value: name or generateName is required"]);
    }

    #[test]
    fn a_terminating_object_takes_no_new_finalizers() {
        let before = json!({"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x.io/a"]});
        let after = json!({"name": "a", "finalizers": ["x.io/a", "x.io/b"]});
        let found = messages(&after, Some(&before));
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with(r#"found new finalizers []string{"x.io/b"}"#), "{found:?}");
    }

    #[test]
    fn annotations_have_a_limit() {
        let found = messages(&json!({"name": "a", "annotations": {"k": "v".repeat(ANNOTATIONS_LIMIT)}}), None);
        assert_eq!(found, ["metadata.annotations: Too long: may not be more than 262144 bytes"]);
    }
}
