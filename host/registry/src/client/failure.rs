use std::{error::Error as StdError, io, iter::successors};

use reqwest::{Response, StatusCode};
use rustls::CertificateError;
use serde::Deserialize;

use super::transfer;
use crate::{Error, credentials::Credential, error::one_line};

/// Why there is no answer.
pub(super) fn of_request(error: &reqwest::Error, registry: &str) -> Error {
    let registry = registry.to_owned();
    if error.is_redirect() {
        let answer = format!("a redirect that is not followed: {}", chain(error));
        return Error::Unexpected { registry, action: "something".to_owned(), answer };
    }
    let hint = match find::<rustls::Error>(error) {
        None => return Error::Unavailable { registry, reason: chain(error) },
        Some(rustls::Error::InvalidCertificate(reason)) => match reason {
            CertificateError::UnknownIssuer => {
                "its certificate comes from an authority that is not trusted here. Give that authority's certificate \
                 by --registry-ca"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for another name. Use the name that the certificate has"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired. Renew it there, or set this machine's clock"
            }
            _ => "its certificate is refused",
        },
        Some(rustls::Error::InvalidMessage(_)) => {
            "it does not speak TLS. If it is meant to be used without, name it by --registry-plain-http"
        }
        Some(_) => "the handshake failed",
    };
    Error::Tls { registry, reason: format!("{hint} ({})", chain(error)) }
}

/// Whether the other side does not know what TLS is.
pub(super) fn is_no_tls(error: &reqwest::Error) -> bool {
    matches!(find(error), Some(rustls::Error::InvalidMessage(_)))
}

/// What an answer means that is no success.
pub(super) async fn of_answer(
    response: Response,
    registry: &str,
    action: &str,
    credential: Option<&Credential>,
    knows_file: bool,
) -> Error {
    let status = response.status();
    // The text is for people only; without it the status tells enough.
    let body = transfer::read_all(response, action, registry, transfer::SMALL).await.unwrap_or_default();
    let (registry, action, answer) = (registry.to_owned(), action.to_owned(), told(status, &body));
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Denied {
            registry,
            action,
            credential: credential.map_or_else(|| "anonymously".to_owned(), ToString::to_string),
            answer,
            advice: match (credential, knows_file) {
                (Some(_), _) => {
                    "Check that this user may do it, that the password or token has not expired, and that the \
                     repository exists"
                }
                (None, true) => {
                    "The file of --registry-config has no credential for this registry; log in, or check that the \
                     repository exists and is public"
                }
                (None, false) => {
                    "Give a docker config.json with a credential by --registry-config, or check that the repository \
                     exists and is public"
                }
            },
        },
        StatusCode::NOT_FOUND => Error::NotFound { registry, what: action },
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Error::Unavailable { registry, reason: format!("asked for {action}, it answered {answer}") }
        }
        status if status.is_server_error() => {
            Error::Unavailable { registry, reason: format!("asked for {action}, it answered {answer}") }
        }
        _ => Error::Unexpected { registry, action, answer },
    }
}

/// The status and what a registry says to it, fit for one line.
fn told(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Answer {
        errors: Vec<Reason>,
    }
    #[derive(Deserialize)]
    struct Reason {
        code: String,
        #[serde(default)]
        message: String,
    }
    let text = match serde_json::from_slice::<Answer>(body) {
        Ok(answer) => {
            let reasons = answer.errors.iter().map(|reason| format!("{}: {}", reason.code, reason.message));
            reasons.collect::<Vec<_>>().join("; ")
        }
        Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
    };
    let text = one_line(&text);
    if text.is_empty() { status.to_string() } else { format!("{status} ({text})") }
}

/// The texts of an error and its sources, without those that say the same again and without the URL, whose query may
/// let somebody in.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for error in sources(error).skip(1) {
        let text = error.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
    }
    if texts.is_empty() { "the request failed".to_owned() } else { texts.join(": ") }
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    sources(error).find_map(|error| error.downcast_ref())
}

/// An error and its sources; what an `io::Error` wraps is not its source and is shown instead of it.
fn sources<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        let error: &'a (dyn StdError + 'static) = *error;
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::told;

    #[test]
    fn what_a_registry_says_fits_one_line() {
        let body = br#"{"errors":[{"code":"DENIED","message":"not\nallowed","detail":[1]},{"code":"OTHER"}]}"#;
        assert_eq!(told(StatusCode::FORBIDDEN, body), "403 Forbidden (DENIED: not allowed; OTHER: )");
        assert_eq!(told(StatusCode::BAD_GATEWAY, b""), "502 Bad Gateway");
        assert_eq!(told(StatusCode::BAD_GATEWAY, b" <html>\x1b[0m "), "502 Bad Gateway (<html> [0m)");
        assert!(told(StatusCode::BAD_GATEWAY, &[b'x'; 5000]).len() < 400);
    }
}
