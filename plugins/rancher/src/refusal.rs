//! What a failed request means: who must act.

use lb_provider::{
    Error, ObjectRef, Rejection, RetryAfter,
    http::{self},
};

use crate::model::Refusal;

/// How much of Rancher's own words is shown.
const EXCERPT: usize = 200;

/// Nobody has to act; the host tries again with growing delay.
pub(crate) fn unavailable(message: String) -> Error {
    Error::Unavailable(RetryAfter { message, after: None })
}

/// A request that may fail for nobody's fault but the operator's.
pub(crate) fn of(error: http::Error) -> Error {
    let Some(status) = error.status() else { return error.into() };
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
        _ => error.into(),
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
    let message = format!("Rancher refuses the load balancer{}; nothing was changed", words(&refusal));
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

/// What Rancher says, as far as it says anything, in one line.
fn words(refusal: &Refusal) -> String {
    let Refusal { code, field_name, message } = refusal;
    let mut words = String::new();
    if !code.is_empty() {
        words += &format!(" {code}");
    }
    if !field_name.is_empty() {
        words += &format!(" of {field_name}");
    }
    if let Some(message) = message.as_deref().filter(|message| !message.is_empty() && message != code) {
        words += &format!(": {message}");
    }
    let line = words.chars().map(|character| if character.is_control() { ' ' } else { character });
    line.take(EXCERPT).collect()
}
