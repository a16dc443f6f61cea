use std::time::Duration;

use lb_provider::{
    Error, Host, RetryAfter,
    http::{Client, Error as HttpError, RequestBuilder, target},
};
use serde::{Deserialize, de::IgnoredAny};

use crate::{names::Tier, render::Rendered, settings::Settings};

/// How long Caddy may take to build a configuration.
const LOAD: Duration = Duration::from_mins(1);

/// A Caddy's admin endpoint.
pub(crate) struct Admin<'a>(Client<'a>);

/// What Caddy says of a configuration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Loaded {
    /// It is served.
    Taken,
    /// What was served before still is; the reason in Caddy's words.
    Refused(String),
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl<'a> Admin<'a> {
    /// The one that the operator granted. Caddy takes no order from a web page, which could not forge this header.
    pub(crate) fn new(tier: Tier, settings: &Settings, host: &'a impl Host) -> Self {
        let origin = format!("http://{}", settings.admin_address(tier));
        Self(Client::new(host, tier.name()).header("origin", origin))
    }

    /// Whether Caddy serves the configuration of this name. It does not if nobody answers.
    pub(crate) fn serves(&self, name: &str) -> Result<bool, Error> {
        match self.0.get::<IgnoredAny>(target(&["id", name], &[])) {
            Ok(_) => Ok(true),
            Err(HttpError::Connect(_)) => Ok(false),
            Err(error) if error.status() == Some(404) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Has Caddy serve a configuration. It builds all of it beside the one that it serves, and finishes what it began with
    /// the old one.
    pub(crate) fn load(&self, configuration: &Rendered) -> Result<Loaded, Error> {
        let request = RequestBuilder::post("/load").body("application/json", configuration.json.clone());
        match self.0.send(request.timeout(LOAD).idempotent()) {
            Ok(answer) if answer.body().is_empty() => Ok(Loaded::Taken),
            // Caddy has nothing to say of what it took.
            Ok(_) => Err(no_caddy()),
            Err(error) if error.status() == Some(400) => {
                let said = error.body().map_or_else(|| error.to_string(), |refusal: Refusal| refusal.error);
                Ok(Loaded::Refused(said))
            }
            Err(error @ HttpError::Connect(_)) => Err(unreachable(&error)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Somebody else answers.
fn no_caddy() -> Error {
    let message = "what answers a configuration at the admin address is no Caddy".to_owned();
    Error::Unavailable(RetryAfter { message, after: None })
}

/// Caddy runs, so its admin endpoint is likely elsewhere.
fn unreachable(error: &HttpError) -> Error {
    let message = format!(
        "http: {error}; do the admin addresses in the settings name the ports of the HTTP grants' `base-url`s?"
    );
    Error::Unavailable(RetryAfter { message, after: None })
}
