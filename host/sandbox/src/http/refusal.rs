use std::fmt;

/// Why something is not done, decided by the host alone.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// The kind of a refusal; the value of the `reason` label in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// There is no grant of this name.
    Grant,
    Method,
    /// The path, or the URL, is not granted or not safe.
    Path,
    /// A header that the host alone sets.
    Header,
    /// Not well-formed.
    Malformed,
    /// The request's body is too large.
    Size,
    /// A redirect that leads where a request may not.
    Redirect,
    /// The server's address.
    Address,
}

impl Reason {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Method => "method",
            Self::Path => "path",
            Self::Header => "header",
            Self::Malformed => "malformed",
            Self::Size => "size",
            Self::Redirect => "redirect",
            Self::Address => "address",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.label())
    }
}
