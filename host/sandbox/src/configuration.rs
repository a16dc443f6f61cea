//! What the operator configures for one provider: its settings, what it may reach, and how much it may use.

mod http;
mod limits;
mod scalar;
mod service;
mod subscription;

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

pub use http::{AddressKind, Basic, Credentials, Header, HttpGrant, Rewrite, ValueFrom};
pub use limits::{CircuitLimits, Limits};
pub use scalar::{Pattern, Signal};
pub use service::{Reload, ServiceGrant, Stop};
pub use subscription::SubscriptionGrant;

/// The configuration of one provider. Every key is optional and an unknown one is an error.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ProviderConfiguration {
    /// The provider's own settings, a JSON object that the host does not interpret. The provider checks it at load.
    pub settings: serde_json::Value,
    /// What the provider may reach. Nothing by default.
    pub grants: Grants,
    /// What one call may use.
    pub limits: Limits,
}

impl Default for ProviderConfiguration {
    fn default() -> Self {
        Self {
            settings: serde_json::Value::Object(serde_json::Map::new()),
            grants: Grants::default(),
            limits: Limits::default(),
        }
    }
}

/// Capabilities by name; what is left out is not granted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Grants {
    /// One directory to keep files in.
    pub files: Option<FilesGrant>,
    /// Local programs that the host supervises, by the name that the provider knows. They need `files`.
    pub services: BTreeMap<String, ServiceGrant>,
    /// Private keys of the certificates that the provider was told of.
    pub keys: KeysGrant,
    /// HTTP APIs, by the name that the provider knows.
    pub http: BTreeMap<String, HttpGrant>,
    /// What wakes the provider, by the name that it knows. Each needs one of `http`.
    pub subscriptions: BTreeMap<String, SubscriptionGrant>,
}

/// One directory, and nothing above it. It belongs to one provider of one running controller at a time.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FilesGrant {
    /// Where it is; made if it is not there. A relative path starts at the controller's working directory.
    pub path: PathBuf,
    /// The most that all files together may hold: a number of bytes, or one with `KiB`, `MiB` or `GiB`. Each file and
    /// each directory counts as whole blocks of 4 KiB. 1 GiB by default.
    #[serde(default = "default_max_bytes", deserialize_with = "scalar::bytes")]
    pub max_bytes: u64,
}

/// What the provider may do with private keys.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct KeysGrant {
    /// Have the host write keys into the granted directory, unseen by the provider. It needs `files`.
    pub store: bool,
    /// See keys. Only for a provider that has to send them to a remote API.
    pub reveal: bool,
}

/// A value that cannot be used, however well it is spelled.
#[derive(Debug, thiserror::Error)]
#[error("`{key}`: {message}")]
pub struct InvalidConfiguration {
    /// The path of the key, for example `limits.stack-bytes`.
    pub key: String,
    /// What is wrong with it and what would be right.
    pub message: String,
}

impl InvalidConfiguration {
    pub(crate) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

impl ProviderConfiguration {
    /// Checks what the types alone cannot. [`crate::Sandbox::load`] does this too.
    pub fn validate(&self) -> Result<(), InvalidConfiguration> {
        if !self.settings.is_object() {
            return Err(InvalidConfiguration::new("settings", "must be a mapping of keys to values"));
        }
        self.grants.validate()?;
        self.limits.validate()
    }
}

impl Grants {
    fn validate(&self) -> Result<(), InvalidConfiguration> {
        if let Some(files) = &self.files
            && files.path.as_os_str().is_empty()
        {
            return Err(InvalidConfiguration::new("grants.files.path", "must name a directory"));
        }
        if self.files.is_none() {
            let needed = "needs `grants.files`: name a directory with `grants.files.path`";
            if let Some(name) = self.services.keys().next() {
                return Err(InvalidConfiguration::new(format!("grants.services.{name}"), needed));
            }
            if self.keys.store {
                return Err(InvalidConfiguration::new("grants.keys.store", needed));
            }
        }
        for (name, service) in &self.services {
            service.validate(&format!("grants.services.{name}"), name)?;
        }
        for (name, grant) in &self.http {
            grant.validate(&format!("grants.http.{name}"), name)?;
        }
        for (name, subscription) in &self.subscriptions {
            subscription.validate(&format!("grants.subscriptions.{name}"), name, self.http.keys())?;
        }
        Ok(())
    }
}

/// The name of a grant stands in metrics, logs and files.
fn check_name(key: &str, name: &str) -> Result<(), InvalidConfiguration> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '_';
    if name.is_empty() || name.len() > 63 || !name.chars().all(is_name) {
        return Err(InvalidConfiguration::new(key, "the name must be 1 to 63 of A-Z a-z 0-9 - _"));
    }
    Ok(())
}

fn default_max_bytes() -> u64 {
    1 << 30
}

#[cfg(test)]
mod tests;
