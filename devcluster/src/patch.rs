//! The four ways to patch an object, apart from server-side apply, which `ownership` holds.

mod strategic;

use json_patch::PatchOperation;
use serde_json::Value;

use crate::kind::Kind;
use crate::object;
use crate::schema::object_type;
use crate::status::{FieldError, Status};

/// A patch as its media type says.
#[derive(Debug, Clone)]
pub(crate) enum Patch {
    /// RFC 6902.
    Json(Vec<PatchOperation>),
    /// RFC 7386.
    Merge(Value),
    Strategic(Value),
    /// Server-side apply: a configuration rather than a patch.
    Apply {
        configuration: Value,
        force: bool,
    },
}

impl Patch {
    /// The patched object, not yet decoded. Apply is not for here.
    pub(crate) fn patched(&self, kind: &Kind, current: &Value) -> Result<Value, Status> {
        let mut patched = current.clone();
        match self {
            Self::Json(operations) => {
                json_patch::patch(&mut patched, operations).map_err(|error| {
                    tracing::debug!(kind = kind.kind, name = object::name(current), %error, "a JSON patch does not apply");
                    Status::patch_does_not_apply()
                })?;
            }
            Self::Merge(patch) => json_patch::merge(&mut patched, patch),
            Self::Strategic(patch) => {
                patched = strategic::merge(&object_type(kind.kind), &patched, patch).map_err(Status::bad_request)?;
            }
            Self::Apply { .. } => return Err(Status::internal("an apply is no patch of the current object")),
        }
        Ok(patched)
    }

    /// The refusal of a patch that gives an object which cannot be decoded.
    pub(crate) fn undecodable(&self, error: &str) -> Status {
        let shown = match self {
            Self::Json(operations) => serde_json::to_value(operations).unwrap_or_default(),
            Self::Merge(patch) | Self::Strategic(patch) => patch.clone(),
            Self::Apply { .. } => return Status::internal(error),
        };
        let shown = Value::String(shown.to_string());
        Status::invalid_named("", "", "", &[FieldError::invalid("patch", &shown, error)])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind;

    #[test]
    fn a_failing_test_operation_is_unprocessable() {
        let kind = kind::find("", "v1", "configmaps").unwrap();
        let operations = json!([{"op": "test", "path": "/data/a", "value": "2"}]);
        let patch = Patch::Json(serde_json::from_value(operations).unwrap());
        let refused = patch.patched(kind, &json!({"metadata": {"name": "c"}, "data": {"a": "1"}})).unwrap_err();
        assert_eq!((refused.code, refused.reason), (422, "Invalid"));
        assert_eq!(refused.message, "the server rejected our request due to an error in our request");
    }

    #[test]
    fn merge_patches_remove_by_null() {
        let kind = kind::find("", "v1", "configmaps").unwrap();
        let patch = Patch::Merge(json!({"data": {"a": null, "b": "2"}}));
        let patched = patch.patched(kind, &json!({"data": {"a": "1"}})).unwrap();
        assert_eq!(patched, json!({"data": {"b": "2"}}));
    }

    #[test]
    fn a_patch_that_breaks_the_object_is_shown() {
        let patch = Patch::Merge(json!({"data": 1}));
        let refused = patch.undecodable("json: cannot unmarshal");
        assert_eq!(refused.message, r#" "" is invalid: patch: Invalid value: "{\"data\":1}": json: cannot unmarshal"#);
    }
}
