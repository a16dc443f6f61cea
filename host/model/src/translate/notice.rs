//! What the owners of objects are told.

use crate::types::{ObjectRef, Rejection};

/// Something the owner of an object must be told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Notice {
    /// What sort of thing; becomes the reason of the Event.
    pub kind: NoticeKind,
    /// Whom to tell, about which field, and what.
    pub rejection: Rejection,
}

/// What sort of thing a notice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub enum NoticeKind {
    /// It cannot be served as it is written.
    Rejected,
    /// An older object, or the operator, has it already.
    Conflict,
    /// The provider, or the controller, cannot do it.
    Unsupported,
    /// It is served, and probably not as meant.
    Warning,
}

/// Gathers the notices of one object.
pub(super) struct Report {
    object: ObjectRef,
    notices: Vec<Notice>,
}

impl Report {
    pub(super) fn new(object: ObjectRef) -> Self {
        Self { object, notices: Vec::new() }
    }

    pub(super) fn rejected(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.add(NoticeKind::Rejected, field, message);
    }

    pub(super) fn unsupported(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.add(NoticeKind::Unsupported, field, message);
    }

    /// Adds a notice, unless the object was told the same of another field already: a Service that is used by a
    /// hundred paths is wrong once.
    pub(super) fn unsupported_once(&mut self, field: &str, message: String) {
        if !self.notices.iter().any(|notice| notice.rejection.message == message) {
            self.unsupported(field, message);
        }
    }

    pub(super) fn conflict(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.add(NoticeKind::Conflict, field, message);
    }

    pub(super) fn warning(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.add(NoticeKind::Warning, field, message);
    }

    pub(super) fn into_notices(self) -> Vec<Notice> {
        self.notices
    }

    fn add(&mut self, kind: NoticeKind, field: impl Into<String>, message: impl Into<String>) {
        let rejection = Rejection { object: self.object.clone(), field: field.into(), message: message.into() };
        self.notices.push(Notice { kind, rejection });
    }
}

/// Text of a user in a message: in quotes, control characters escaped, cut after 100 characters.
pub(super) fn quote(text: &str) -> String {
    const LONGEST: usize = 100;
    let mut quoted = String::from("\"");
    quoted.extend(text.chars().take(LONGEST).flat_map(char::escape_debug));
    if text.chars().nth(LONGEST).is_some() {
        quoted.push_str("...");
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn quoted_text_holds_no_control_character_and_is_bounded() {
        assert_eq!(quote("a\nb\u{1b}[31m\"\u{202e}"), r#""a\nb\u{1b}[31m\"\u{202e}""#);
        let long = quote(&"x".repeat(101));
        assert_eq!(long.len(), 100 + 5);
        assert!(long.ends_with("...\""));
    }
}
