use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::InvalidConfiguration;

/// A websocket that the host holds open for the provider. What comes over it wakes the provider and never reaches it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SubscriptionGrant {
    /// The HTTP grant whose base URL, credentials, CA, address rules and connect timeout it uses.
    pub http: String,
    /// Path and query below the grant's base URL. The grant's `paths` need not allow it: the provider never asks for it.
    pub path: String,
    /// Which frames wake: for each JSON pointer the values that may stand there; all must match. A frame that does not
    /// match, or is no JSON, is ignored. Every JSON frame wakes by default.
    #[serde(default)]
    pub wake_on: BTreeMap<String, Vec<Value>>,
    /// Milliseconds without any frame after which the connection is taken for dead. 60000.
    #[serde(default = "one_minute")]
    pub idle_timeout_ms: u64,
    /// Milliseconds between a frame and the wake, in which further frames add no wake. 500.
    #[serde(default = "half_a_second")]
    pub debounce_ms: u64,
}

impl SubscriptionGrant {
    /// Time without a frame after which a connection is dead.
    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    /// Time from the first frame to the wake.
    pub(crate) fn debounce(&self) -> Duration {
        Duration::from_millis(self.debounce_ms)
    }

    pub(super) fn validate<'a>(
        &self,
        key: &str,
        name: &str,
        mut http: impl Iterator<Item = &'a String>,
    ) -> Result<(), InvalidConfiguration> {
        const HOUR: u64 = 60 * 60 * 1000;

        super::check_name(key, name)?;
        let invalid = |field: &str, message: String| Err(InvalidConfiguration::new(format!("{key}.{field}"), message));
        if !http.any(|grant| *grant == self.http) {
            let message = format!("there is no `grants.http.{}`; name one that there is", self.http.escape_debug());
            return invalid("http", message);
        }
        if let Err(refusal) = crate::http::target::check(&self.path) {
            return invalid("path", format!("{refusal}; write it as in /subscribe?eventNames=resource.change"));
        }
        for (pointer, values) in &self.wake_on {
            let pointer_text = pointer.escape_debug();
            if !pointer.is_empty() && !pointer.starts_with('/') {
                return invalid("wake-on", format!("`{pointer_text}` is no JSON pointer; write it as in /name"));
            }
            if values.is_empty() {
                return invalid("wake-on", format!("`{pointer_text}` needs a value that may stand there"));
            }
        }
        for (field, value, most) in
            [("idle-timeout-ms", self.idle_timeout_ms, 24 * HOUR), ("debounce-ms", self.debounce_ms, HOUR)]
        {
            if !(1..=most).contains(&value) {
                return invalid(field, format!("is {value}; must be from 1 to {most}"));
            }
        }
        Ok(())
    }
}

fn one_minute() -> u64 {
    60_000
}

fn half_a_second() -> u64 {
    500
}
