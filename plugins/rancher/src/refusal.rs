//! What a failed request means: who must act, in one sentence that says what, where, and what to do.

use lb_provider::{Error, ObjectRef, Rejection, RetryAfter, http};

use crate::model::Refusal;

/// How many characters of Rancher's own words are shown.
const MOST_WORDS: usize = 200;

/// Nobody has to act; the host tries again with growing delay.
pub(crate) fn unavailable(message: String) -> Error {
    Error::Unavailable(RetryAfter { message, after: None })
}

/// A request that may fail for nobody's fault but the operator's.
pub(crate) fn of(error: http::Error) -> Error {
    let Some(status) = error.status() else { return unanswered(error) };
    let refusal = error.body::<Refusal>().unwrap_or_default();
    let words = words(&refusal);
    match status {
        401 => Error::Denied(
            "Rancher does not know the API key (401); check CATTLE_ACCESS_KEY and CATTLE_SECRET_KEY".to_owned(),
        ),
        403 => Error::Denied(
            "Rancher refuses the project (403): it is unknown, inactive, or not this key's; check the project in \
             CATTLE_URL and the API key"
                .to_owned(),
        ),
        405 => {
            Error::Denied(format!("this API key may not do that in Rancher (405{words}); use one of the environment"))
        }
        409 => Error::Conflict(format!("Rancher could not do that in the state that it found (409{words})")),
        422 => match &*refusal.code {
            "InvalidReference" if refusal.field_name == "imageUuid" => {
                Error::Denied(format!("Rancher cannot use the image of the setting `image` (422{words})"))
            }
            // Something that was there when it was looked up is gone.
            "InvalidReference" | "ActionNotAvailable" => {
                Error::Conflict(format!("something changed in Rancher meanwhile (422{words})"))
            }
            "InvalidState" => unavailable(format!("Rancher is not ready for that yet (422{words})")),
            _ => Error::Denied(format!("Rancher refuses the request (422{words})")),
        },
        _ => unserved(error, &refusal),
    }
}

/// There is no answer, or none of Rancher's.
fn unanswered(error: http::Error) -> Error {
    let text = match &error {
        http::Error::Connect(text) => format!("{text}; check CATTLE_URL, and that Rancher is up"),
        http::Error::Timeout(text) | http::Error::Io(text) => format!("Rancher did not answer: {text}"),
        http::Error::Decode { request, path, message, .. } => {
            format!("what answers {request} is not Rancher's API, at `{path}`: {message}; check CATTLE_URL")
        }
        _ => return error.into(),
    };
    unavailable(text)
}

/// An answer that does not tell whose fault it is. What stands between us and Rancher answers in no words of Rancher's, and
/// is not quoted.
fn unserved(error: http::Error, refusal: &Refusal) -> Error {
    let Some(answer) = error.answer() else { return error.into() };
    let said = said(refusal);
    let colon = if said.is_empty() { "" } else { ": " };
    let text = format!("the Rancher API answers {} to {}{colon}{said}", answer.status_line(), answer.request());
    match error.into() {
        Error::Unavailable(retry) => Error::Unavailable(RetryAfter { message: text, ..retry }),
        Error::Conflict(_) => Error::Conflict(text),
        Error::Denied(_) | Error::Invalid(_) => Error::Denied(text),
    }
}

/// A write of a load balancer: what Rancher does not take may be the fault of the Ingress.
pub(crate) fn of_load_balancer(error: http::Error, owner: &ObjectRef) -> Error {
    let refusal = error.body::<Refusal>().unwrap_or_default();
    if error.status() != Some(422)
        || matches!(&*refusal.code, "InvalidReference" | "ActionNotAvailable" | "InvalidState")
    {
        return of(error);
    }
    let annotation = |key: &str| format!("metadata.annotations[\"{key}\"]");
    let field = match &*refusal.field_name {
        "config" => annotation("config"),
        "cookie" | "domain" | "mode" | "indirect" | "nocache" | "postonly" | "stickinessPolicy" => {
            annotation("io.rancher.stickiness.policy")
        }
        "scale" => annotation("scale"),
        "hostname" | "path" => "spec.rules".to_owned(),
        "labels" => "metadata.annotations".to_owned(),
        _ => String::new(),
    };
    let message = format!("Rancher refuses the load balancer (422{}); nothing was changed", words(&refusal));
    Error::Invalid(vec![Rejection { object: owner.clone(), field, message }])
}

/// A write of a certificate. Neither body is shown: one holds a key, the other one may repeat it.
pub(crate) fn of_certificate(error: http::Error, name: &str) -> Error {
    let refusal = error.body::<Refusal>().unwrap_or_default();
    match error {
        http::Error::Decode { .. } => {
            unavailable(format!("the answer to the certificate {name} is not what it should be"))
        }
        error => match error.status() {
            None | Some(401 | 403) => of(error),
            Some(405) => Error::Denied("this API key may not keep certificates in Rancher (405)".to_owned()),
            Some(status @ (409 | 422)) => {
                let refusal = Refusal { message: None, ..refusal };
                Error::Conflict(format!("Rancher could not take the certificate {name} ({status}{})", words(&refusal)))
            }
            Some(status) => unavailable(format!("Rancher failed over the certificate {name} ({status})")),
        },
    }
}

/// Whether a name is taken.
pub(crate) fn is_not_unique(error: &http::Error) -> bool {
    error.status() == Some(422) && error.body::<Refusal>().is_some_and(|refusal| refusal.code == "NotUnique")
}

/// What Rancher says, to be put behind a status.
fn words(refusal: &Refusal) -> String {
    let said = said(refusal);
    if said.is_empty() { said } else { format!(" {said}") }
}

/// What Rancher says, as far as it says anything, in one line: `NotUnique of name: a service has it`.
fn said(refusal: &Refusal) -> String {
    let Refusal { code, field_name, message } = refusal;
    let field = (!field_name.is_empty()).then(|| format!("of {field_name}"));
    let code: Vec<_> = [code.clone()].into_iter().chain(field).filter(|part| !part.is_empty()).collect();
    let message = message.clone().filter(|message| message != &refusal.code);
    let parts: Vec<_> = [code.join(" ")].into_iter().chain(message).filter(|part| !part.is_empty()).collect();
    let line = parts.join(": ");
    line.chars().map(|character| if character.is_control() { ' ' } else { character }).take(MOST_WORDS).collect()
}

#[cfg(test)]
mod tests;
