//! `Status`: how a Kubernetes API server says no.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::kind::Kind;

/// A refusal, with the words and the shape of a real API server.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The HTTP status code.
    pub code: u16,
    /// The machine-readable reason, such as `NotFound` or `Conflict`; empty where a real server has none.
    pub reason: &'static str,
    /// The sentence for people.
    pub message: String,
    /// `details` of the answer: name, group, kind, causes.
    pub details: Option<Value>,
    /// A continue token that may be used in spite of the refusal (an expired list).
    pub continue_token: Option<String>,
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

/// One field that validation refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldError {
    reason: &'static str,
    field: String,
    message: String,
}

impl FieldError {
    fn new(reason: &'static str, field: impl Into<String>, what: &str, detail: &str) -> Self {
        let message = if detail.is_empty() { what.to_owned() } else { format!("{what}: {detail}") };
        Self { reason, field: field.into(), message }
    }

    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        Self::new("FieldValueRequired", field, "Required value", detail)
    }

    /// `value` is shown as JSON, as the real server does.
    pub(crate) fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::new("FieldValueInvalid", field, &format!("Invalid value: {value}"), detail)
    }

    pub(crate) fn unsupported(field: impl Into<String>, value: &Value, supported: &[&str]) -> Self {
        let supported: Vec<String> = supported.iter().map(|value| format!("{value:?}")).collect();
        let detail = format!("supported values: {}", supported.join(", "));
        Self::new("FieldValueNotSupported", field, &format!("Unsupported value: {value}"), &detail)
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self::new("FieldValueDuplicate", field, &format!("Duplicate value: {value}"), "")
    }

    pub(crate) fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new("FieldValueForbidden", field, "Forbidden", detail)
    }

    pub(crate) fn too_long(field: impl Into<String>, limit: usize) -> Self {
        Self::new("FieldValueTooLong", field, "Too long", &format!("may not be more than {limit} bytes"))
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.field, self.message)
    }
}

impl Status {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, continue_token: None }
    }

    /// About the object `name` of a resource, as `details` names it.
    fn about(mut self, group: &str, kind: &str, name: &str, more: &[(&str, Value)]) -> Self {
        let mut details = Map::new();
        for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
            if !value.is_empty() {
                details.insert(key.to_owned(), value.into());
            }
        }
        details.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        self.details = Some(Value::Object(details));
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", kind.qualified_plural())).about(
            kind.group,
            kind.plural,
            name,
            &[],
        )
    }

    /// No such resource in a group that exists.
    pub(crate) fn no_such_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").about("", "", "", &[])
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {name:?} already exists", kind.qualified_plural())).about(
            kind.group,
            kind.plural,
            name,
            &[],
        )
    }

    pub(crate) fn conflict(kind: &Kind, name: &str, detail: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {detail}", kind.qualified_plural());
        Self::new(409, "Conflict", message).about(kind.group, kind.plural, name, &[])
    }

    /// The writer saw an older version of the object.
    pub(crate) fn stale(kind: &Kind, name: &str) -> Self {
        let detail = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(kind, name, detail)
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, errors: &[FieldError]) -> Self {
        Self::invalid_named(kind.group, kind.kind, name, errors)
    }

    /// As `invalid`, for a request that names no kind.
    pub(crate) fn invalid_named(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let listed: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let listed = if let [only] = listed.as_slice() { only.clone() } else { format!("[{}]", listed.join(", ")) };
        let causes: Vec<Value> = errors
            .iter()
            .map(|error| json!({"reason": error.reason, "message": error.message, "field": error.field}))
            .collect();
        Self::new(422, "Invalid", format!("{qualified} {name:?} is invalid: {listed}")).about(
            group,
            kind,
            name,
            &[("causes", Value::Array(causes))],
        )
    }

    /// A JSON Patch that is well formed but does not apply. A real server keeps to itself why.
    pub(crate) fn patch_does_not_apply() -> Self {
        Self::new(422, "Invalid", "the server rejected our request due to an error in our request").about(
            "",
            "",
            "",
            &[],
        )
    }

    /// `conflicts` are (manager, field) pairs of a server-side apply.
    pub(crate) fn apply_conflict(message: String, conflicts: &[(String, String)]) -> Self {
        let causes: Vec<Value> = conflicts
            .iter()
            .map(|(manager, field)| {
                json!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": field})
            })
            .collect();
        Self::new(409, "Conflict", message).about("", "", "", &[("causes", Value::Array(causes))])
    }

    pub(crate) fn namespace_terminating(kind: &Kind, name: &str, namespace: &str) -> Self {
        let message = format!(
            "{} {name:?} is forbidden: unable to create new content in namespace {namespace} because it is being \
             terminated",
            kind.qualified_plural()
        );
        let causes = json!([{"reason": "NamespaceTerminating", "field": "metadata.namespace",
            "message": format!("namespace {namespace} is being terminated")}]);
        Self::new(403, "Forbidden", message).about(kind.group, kind.plural, name, &[("causes", causes)])
    }

    pub(crate) fn forbidden(kind: &Kind, name: &str, detail: &str) -> Self {
        Self::new(403, "Forbidden", format!("{} {name:?} is forbidden: {detail}", kind.qualified_plural())).about(
            kind.group,
            kind.plural,
            name,
            &[],
        )
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource").about(
            "",
            "",
            "",
            &[],
        )
    }

    pub(crate) fn not_acceptable() -> Self {
        Self::new(406, "NotAcceptable", "only the following media types are accepted: application/json")
    }

    pub(crate) fn unsupported_media_type(accepted: &str) -> Self {
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(crate) fn body_too_large(limit: usize) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {limit}"))
    }

    /// History before `oldest` is forgotten.
    pub(crate) fn too_old(requested: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {requested} ({oldest})"))
    }

    /// A continue token whose snapshot is forgotten; `fresh` continues on the state of now.
    pub(crate) fn continue_expired(fresh: String) -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result. You can start a \
                       new list without the continue parameter, or use the continue token in this response to retrieve \
                       the remainder of the results. Continuing with the provided token results in an inconsistent list \
                       - objects that were created, modified, or deleted between the time the first chunk was returned \
                       and now may show up in the list.";
        Self { continue_token: Some(fresh), ..Self::new(410, "Expired", message) }
    }

    /// A resource version of the future: written by another server, or before this one was started anew.
    pub(crate) fn too_large(requested: u64, current: u64) -> Self {
        let causes = json!([{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]);
        let message = format!("Timeout: Too large resource version: {requested}, current: {current}");
        Self::new(504, "Timeout", message).about("", "", "", &[("causes", causes), ("retryAfterSeconds", json!(1))])
    }

    /// An error that a real server has no reason for.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    /// The answer's body.
    pub(crate) fn to_json(&self) -> Value {
        let mut body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"});
        if let Some(token) = &self.continue_token {
            body["metadata"]["continue"] = token.as_str().into();
        }
        body["message"] = self.message.as_str().into();
        if !self.reason.is_empty() {
            body["reason"] = self.reason.into();
        }
        if let Some(details) = &self.details {
            body["details"] = details.clone();
        }
        body["code"] = self.code.into();
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind;

    #[test]
    fn one_invalid_field_is_told_bare_and_several_in_brackets() {
        let ingress = kind::find("networking.k8s.io", "v1", "ingresses").unwrap();
        let one = FieldError::required("spec.rules[0].http.paths", "");
        let two = FieldError::invalid("spec.rules[0].host", &json!("A"), "no");
        let status = Status::invalid(ingress, "web", std::slice::from_ref(&one));
        assert_eq!(
            status.message,
            r#"Ingress.networking.k8s.io "web" is invalid: spec.rules[0].http.paths: Required value"#
        );
        let status = Status::invalid(ingress, "web", &[one, two]);
        assert!(
            status
                .message
                .ends_with(r#"[spec.rules[0].http.paths: Required value, spec.rules[0].host: Invalid value: "A": no]"#)
        );
        assert_eq!(status.to_json()["details"]["causes"][1]["field"], "spec.rules[0].host");
        assert_eq!(status.to_json()["details"]["kind"], "Ingress");
    }

    #[test]
    fn not_found_has_the_shape_that_clients_read() {
        let lease = kind::find("coordination.k8s.io", "v1", "leases").unwrap();
        assert_eq!(
            Status::not_found(lease, "leader").to_json(),
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "leases.coordination.k8s.io \"leader\" not found", "reason": "NotFound",
                "details": {"name": "leader", "group": "coordination.k8s.io", "kind": "leases"}, "code": 404
            })
        );
    }
}
