use std::{error::Error as StdError, io, iter::successors};

use lb_model::bindings::lb_controller::provider::http::HttpError;
use rustls::CertificateError;

use super::refusal::{Reason, Refusal};
use crate::line::printable;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("this is a rehearsal, which changes nothing")]
    Rehearsal,
    #[error("{0}")]
    TooLarge(String),
    #[error("{0}")]
    Timeout(String),
    #[error("{0}")]
    Connect(String),
    #[error("{0}")]
    Io(String),
}

impl Failure {
    /// The value of the `outcome` label in metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Refused(Refusal { reason: Reason::Header | Reason::Malformed, .. }) => "invalid_request",
            Self::Refused(Refusal { reason: Reason::Size, .. }) | Self::TooLarge(_) => "too_large",
            Self::Refused(_) | Self::Rehearsal => "denied",
            Self::Timeout(_) => "timeout",
            Self::Connect(_) => "connect",
            Self::Io(_) => "io",
        }
    }

    /// As the contract has it. `what` names the request.
    pub(crate) fn into_contract(self, what: &str) -> HttpError {
        let text = printable(&format!("{what}: {self}"));
        match self {
            Self::Refused(Refusal { reason: Reason::Header | Reason::Malformed, .. }) => {
                HttpError::InvalidRequest(text)
            }
            Self::Refused(Refusal { reason: Reason::Size, .. }) | Self::TooLarge(_) => HttpError::TooLarge(text),
            Self::Refused(_) | Self::Rehearsal => HttpError::Denied(text),
            Self::Timeout(_) => HttpError::Timeout(text),
            Self::Connect(_) => HttpError::Connect(text),
            Self::Io(_) => HttpError::Io(text),
        }
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        // Its text would show the query.
        let error = error.without_url();
        if let Some(refusal) = find::<Refusal>(&error) {
            return Self::Refused(refusal.clone());
        }
        if error.is_connect() {
            return Self::Connect(if error.is_timeout() {
                "cannot connect in time (`connect-timeout-ms`)".to_owned()
            } else {
                format!("cannot connect: {}", cause(&error))
            });
        }
        Self::Io(format!("the connection broke: {}", cause(&error)))
    }
}

/// What went wrong, with what to do about it where that is known.
fn cause(error: &(dyn StdError + 'static)) -> String {
    let hint = match find::<rustls::Error>(error) {
        Some(rustls::Error::InvalidCertificate(reason)) => match reason {
            // A CA of the same name and another key is seen by the signature alone.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "; the server's certificate comes from a CA that is not trusted here: set `ca-file` to that CA"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "; the server's certificate is for another name than that of `base-url`"
            }
            _ => "",
        },
        Some(rustls::Error::InvalidMessage(_)) => "; the server does not speak TLS: does `base-url` begin with http?",
        _ => "",
    };
    format!("{}{hint}", chain(error))
}

/// What the layers of the client say of a request that cannot be sent, and their sources say better.
const LAYERS: [&str; 5] =
    ["error sending request", "client error (", "tcp connect error", "dns error", "error resolving DNS"];

/// The texts of an error and its sources, without those that say the same again.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for text in sources(error).map(ToString::to_string) {
        if !LAYERS.iter().any(|layer| text.starts_with(layer)) && !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
    }
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    sources(error).find_map(|error| error.downcast_ref())
}

/// An error and its sources; what an `io::Error` wraps is not its source and is shown instead of it.
fn sources<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        let error: &'a (dyn StdError + 'static) = *error;
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match wrapped {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}
