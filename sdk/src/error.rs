//! What a failed capability means for the call: who must act.

use crate::{Error, FileError, HttpError, KeyError, RetryAfter, ServiceError};

fn unavailable(message: String) -> Error {
    Error::Unavailable(RetryAfter { message, after: None })
}

/// A path that is invalid is the provider's own mistake, a file that is too large needs a larger grant: neither goes away
/// by itself. What the operating system refused may.
impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::InvalidPath(message) => Self::Denied(format!("files: invalid path: {message}")),
            FileError::TooLarge(message) => Self::Denied(format!("files: {message}; raise the grant's limit")),
            FileError::NotFound(message) => unavailable(format!("files: not found: {message}")),
            FileError::Io(message) => unavailable(format!("files: {message}")),
        }
    }
}

/// Only time can help a service that did not answer in time; all else is for the operator.
impl From<ServiceError> for Error {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::NotGranted(message) => Self::Denied(format!("services: not granted: {message}")),
            ServiceError::Failed(message) => Self::Denied(format!("services: {message}")),
            ServiceError::Timeout(message) => unavailable(format!("services: timed out: {message}")),
        }
    }
}

/// A certificate that the host knows no more is about to be replaced by the next change.
impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::UnknownCertificate(message) => unavailable(format!("keys: unknown certificate: {message}")),
            KeyError::File(error) => error.into(),
        }
    }
}

/// Whatever the network did may pass; what the grant forbids does not. The host's message names the request.
impl From<HttpError> for Error {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Denied(message) | HttpError::InvalidRequest(message) | HttpError::TooLarge(message) => {
                Self::Denied(message)
            }
            HttpError::Timeout(message) | HttpError::Connect(message) | HttpError::Io(message) => unavailable(message),
        }
    }
}
