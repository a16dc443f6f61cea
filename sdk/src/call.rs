//! From the contract's call to the provider's function.

use serde::de::Error as _;
use serde_json::Value;

use crate::{ChangeSet, Error, Host, Observed, Outcome, Provider, Removal};

/// Reads the settings; the message names the key.
pub(crate) fn settings<P: Provider>(json: &str) -> Result<P::Settings, String> {
    let parsed = serde_json::from_str::<Value>(json).and_then(|value| match value {
        Value::Object(_) => Ok(value),
        _ => Err(serde_json::Error::custom("must be an object")),
    });
    let value = parsed.map_err(|error| format!("settings: {error}"))?;
    serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string().as_str() {
        "." => format!("settings: {}", error.inner()),
        path => format!("settings: `{path}`: {}", error.inner()),
    })
}

pub(crate) fn apply<P: Provider>(json: &str, change: ChangeSet, host: &impl Host) -> Result<Outcome, Error> {
    P::apply(&settings::<P>(json).map_err(Error::Denied)?, change, host)
}

pub(crate) fn remove<P: Provider>(json: &str, load_balancer: &str, host: &impl Host) -> Result<Removal, Error> {
    P::remove(&settings::<P>(json).map_err(Error::Denied)?, load_balancer, host)
}

pub(crate) fn observe<P: Provider>(json: &str, host: &impl Host) -> Result<Vec<Observed>, Error> {
    P::observe(&settings::<P>(json).map_err(Error::Denied)?, host)
}

#[cfg(test)]
mod tests;
