//! The configuration file of a controller that drives the double.

use std::path::PathBuf;

use serde_json::{Value, json};

/// What is laid over the configuration that comes with the provider: this machine's own addresses are allowed, and events
/// are waited for a short time only.
#[derive(Debug, Clone)]
pub struct Configuration(Value);

impl Default for Configuration {
    fn default() -> Self {
        Self(json!({
            "settings": {},
            "grants": {
                "http": {"rancher": {"allow-addresses": ["loopback"]}},
                "subscriptions": {"rancher": {"debounce-ms": 20}},
            },
        }))
    }
}

impl Configuration {
    /// A setting of the provider.
    #[must_use]
    pub fn setting(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0["settings"][key] = value.into();
        self
    }

    /// A key of the HTTP grant.
    #[must_use]
    pub fn http(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0["grants"]["http"]["rancher"][key] = value.into();
        self
    }

    /// A key of the subscription's grant.
    #[must_use]
    pub fn subscription(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0["grants"]["subscriptions"]["rancher"][key] = value.into();
        self
    }

    /// A key at the top, such as `streams`.
    #[must_use]
    pub fn key(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0[key] = value.into();
        self
    }

    /// As a file; JSON is YAML too.
    pub(super) fn text(&self) -> String {
        format!("{:#}\n", self.0)
    }
}

/// One directory for all tests: the provider keeps nothing there, and is compiled once.
pub fn state_directory() -> PathBuf {
    std::env::temp_dir().join("lb-test-rancher-state")
}
