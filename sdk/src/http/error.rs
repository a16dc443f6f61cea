use serde::de::DeserializeOwned;

use super::Answer;
use crate::{HttpError, RetryAfter};

/// Why there is no answer that can be used. Each is a sentence that names its request by method and path, once. Of a body it
/// shows at most 200 bytes, and of an API's error its message alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The grant does not allow it.
    #[error("{0}")]
    Denied(String),
    /// The request is not well-formed.
    #[error("{0}")]
    InvalidRequest(String),
    /// Request or answer exceed the grant's sizes, or a list has too many pages.
    #[error("{0}")]
    TooLarge(String),
    /// Nothing, or not all, within the time.
    #[error("{0}")]
    Timeout(String),
    /// No connection: name, route, refused, TLS.
    #[error("{0}")]
    Connect(String),
    /// The connection broke.
    #[error("{0}")]
    Io(String),
    /// An answer that is no 2xx.
    #[error("{} is answered {}{}", .0.request(), .0.status_line(), shown(&.0.words()))]
    Status(Box<Answer>),
    /// An answer that is not the JSON that was expected.
    #[error("the answer to {request} is not what was expected, at `{path}`: {message}{}", shown(excerpt))]
    Decode {
        /// Method and path.
        request: String,
        /// Where in the document, for example `data[3].state`; `.` is all of it.
        path: String,
        /// What is wrong there.
        message: String,
        /// The beginning of the body.
        excerpt: String,
    },
}

fn shown(excerpt: &str) -> String {
    if excerpt.is_empty() { String::new() } else { format!(": {excerpt}") }
}

impl Error {
    /// The host's message names the request.
    pub(super) fn of_host(error: HttpError) -> Self {
        match error {
            HttpError::Denied(message) => Self::Denied(message),
            HttpError::InvalidRequest(message) => Self::InvalidRequest(message),
            HttpError::TooLarge(message) => Self::TooLarge(message),
            HttpError::Timeout(message) => Self::Timeout(message),
            HttpError::Connect(message) => Self::Connect(message),
            HttpError::Io(message) => Self::Io(message),
        }
    }

    /// The status, if there was an answer that is no 2xx.
    pub fn status(&self) -> Option<u16> {
        self.answer().map(Answer::status)
    }

    /// The answer that is no 2xx.
    pub fn answer(&self) -> Option<&Answer> {
        if let Self::Status(answer) = self { Some(answer) } else { None }
    }

    /// The body of an answer that is no 2xx, if it is of this form: what the API itself says of the error.
    pub fn body<T: DeserializeOwned>(&self) -> Option<T> {
        self.answer()?.json().ok()
    }

    /// Whether the request may have been carried out nevertheless. After a write in doubt, look before writing again.
    pub fn in_doubt(&self) -> bool {
        match self {
            Self::Denied(_) | Self::InvalidRequest(_) | Self::Connect(_) => false,
            Self::Status(answer) => answer.status() >= 500,
            Self::TooLarge(_) | Self::Timeout(_) | Self::Io(_) | Self::Decode { .. } => true,
        }
    }
}

/// Who must act, as far as that can be said without knowing the API:
///
/// | error | becomes |
/// |---|---|
/// | not granted, invalid or too large | denied |
/// | timeout, no connection, broken connection, not the expected JSON | unavailable |
/// | 401, 403 | denied |
/// | 409, 412 | conflict |
/// | 404, 408, 410, 423, 425, 429 and 5xx | unavailable, and not before `retry-after` |
/// | any other status | denied: it does not pass by itself |
impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        let unavailable = |message, after| Self::Unavailable(RetryAfter { message, after });
        match error {
            Error::Denied(_) | Error::InvalidRequest(_) | Error::TooLarge(_) => Self::Denied(message),
            Error::Timeout(_) | Error::Connect(_) | Error::Io(_) | Error::Decode { .. } => unavailable(message, None),
            Error::Status(answer) => match answer.status() {
                409 | 412 => Self::Conflict(message),
                404 | 408 | 410 | 423 | 425 | 429 | 500.. => {
                    let after = answer.retry_after();
                    let after = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
                    unavailable(message, after)
                }
                _ => Self::Denied(message),
            },
        }
    }
}
