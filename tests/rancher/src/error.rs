//! The errors of the API: a status, a code, and for validation the field.

use serde_json::{Value, json};

/// A refusal as the server words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code} (field {field:?}): {message:?}")]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: Option<String>,
    pub(crate) field: Option<String>,
}

pub(crate) type Result<T> = std::result::Result<T, ApiError>;

impl ApiError {
    /// A plain HTTP error: its text is code and message, there is no field.
    fn plain(status: u16, code: &'static str) -> Self {
        Self { status, code, message: Some(code.to_owned()), field: None }
    }

    pub(crate) fn invalid_body() -> Self {
        Self { status: 400, code: "InvalidBodyContent", message: None, field: None }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::plain(401, "Unauthorized")
    }

    pub(crate) fn forbidden() -> Self {
        Self::plain(403, "Forbidden")
    }

    pub(crate) fn not_found() -> Self {
        Self::plain(404, "Not Found")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::plain(405, "Method not allowed")
    }

    /// The 405 of a certificate that some load balancer has as its default.
    pub(crate) fn certificate_in_use(message: String) -> Self {
        Self { status: 405, code: "InvalidAction", message: Some(message), field: None }
    }

    pub(crate) fn conflict() -> Self {
        Self::plain(409, "Conflict")
    }

    /// A 422 without a message.
    pub(crate) fn invalid(code: &'static str, field: &str) -> Self {
        Self { status: 422, code, message: None, field: Some(field.to_owned()) }
    }

    /// A 422 with a message.
    pub(crate) fn invalid_because(code: &'static str, field: &str, message: String) -> Self {
        Self { message: Some(message), ..Self::invalid(code, field) }
    }

    pub(crate) fn action_not_in_schema() -> Self {
        Self { status: 422, code: "InvalidAction", message: None, field: None }
    }

    pub(crate) fn action_not_available() -> Self {
        Self::invalid("ActionNotAvailable", "action")
    }

    /// The body of the answer; a plain error has no `fieldName`.
    pub(crate) fn body(&self, id: &str) -> Value {
        let mut body = json!({
            "id": id, "type": "error", "baseType": "error", "links": {}, "actions": {},
            "status": self.status, "code": self.code, "message": self.message, "detail": null,
        });
        if self.status == 422 {
            body["fieldName"] = json!(self.field);
        }
        body
    }
}
