use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use regex::Regex;
use serde::{Deserialize, Deserializer, de};

use super::{InvalidConfiguration, scalar};

mod credentials;
mod value;

pub use credentials::{Basic, Credentials, Header};
pub use value::ValueFrom;

/// One HTTP API that the provider may use. The host resolves names, connects, and adds the credentials; the provider
/// sees neither them nor anything outside `base-url`.
///
/// Redirects, proxies and compression are not left to a library's defaults: no proxy is taken from the environment, no
/// answer is decompressed, and a redirect is checked as a request is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HttpGrant {
    /// Where the API is: `http` or `https`, without user information, query or fragment. Read once at load.
    pub base_url: ValueFrom,
    /// Applied to the path of `base-url` in this order, once at load.
    #[serde(default)]
    pub base_url_rewrites: Vec<Rewrite>,
    /// What the host adds to each request. None by default.
    #[serde(default)]
    pub credentials: Option<Credentials>,
    /// PEM file of the CA certificates that the server's certificate may come from. Those of the system by default. Read
    /// once at load.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The methods that may be used. GET alone by default.
    #[serde(default = "get")]
    pub methods: BTreeSet<String>,
    /// Prefixes of the path below `base-url`, by whole path elements: `/stacks` allows `/stacks/1` and not
    /// `/stackspace`. All by default.
    #[serde(default)]
    pub paths: Option<Vec<String>>,
    /// Milliseconds until a connection must stand, name resolution and TLS included. 5000.
    #[serde(default = "five_seconds")]
    pub connect_timeout_ms: u64,
    /// Milliseconds for a whole exchange, the wait for its turn included. 30000.
    #[serde(default = "half_a_minute")]
    pub timeout_ms: u64,
    /// Requests in flight at once, over all calls of the provider. 16.
    #[serde(default = "sixteen")]
    pub concurrency: u32,
    /// Requests a second in the long run, over all calls of the provider. 50.
    #[serde(default = "fifty")]
    pub requests_per_second: u32,
    /// Requests at once after a pause, before `requests-per-second` holds. 100.
    #[serde(default = "hundred")]
    pub burst: u32,
    /// The largest body of a request: a number of bytes, or one with `KiB`, `MiB` or `GiB`. 1 MiB.
    #[serde(default = "one_mebibyte", deserialize_with = "scalar::bytes")]
    pub request_max_bytes: u64,
    /// The largest body of an answer, and the largest frame of a subscription. 16 MiB.
    #[serde(default = "sixteen_mebibytes", deserialize_with = "scalar::bytes")]
    pub response_max_bytes: u64,
    /// Redirects that are followed, for GET and HEAD, each only if a request to there were allowed. 0.
    #[serde(default)]
    pub redirects: u32,
    /// Addresses that the host of `base-url` may have, beyond public and private ones. None by default.
    #[serde(default)]
    pub allow_addresses: BTreeSet<AddressKind>,
}

/// One rewrite of a path.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rewrite {
    /// A regular expression; its first match is replaced.
    #[serde(rename = "match", deserialize_with = "regex")]
    pub pattern: Regex,
    /// What the match is replaced by; `$1` is the first group.
    pub replace: String,
}

/// Addresses that a public name has no reason to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddressKind {
    /// This machine: 127.0.0.0/8, ::1.
    Loopback,
    /// This network segment: 169.254.0.0/16, fe80::/10.
    LinkLocal,
    /// Where clouds tell a machine its credentials, for example 169.254.169.254.
    Metadata,
}

const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

impl HttpGrant {
    /// Time until a connection stands.
    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    /// Time for a whole exchange.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(crate) fn validate(&self, key: &str, name: &str) -> Result<(), InvalidConfiguration> {
        const HOUR: u64 = 60 * 60 * 1000;
        const GIBIBYTE: u64 = 1 << 30;

        super::check_name(key, name)?;
        let invalid = |field: &str, message: String| Err(InvalidConfiguration::new(format!("{key}.{field}"), message));
        if self.methods.is_empty() {
            return invalid("methods", "must name a method; GET is the default".to_owned());
        }
        if let Some(method) = self.methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
            let methods = METHODS.join(", ");
            return invalid("methods", format!("`{}` is none of {methods}", method.escape_debug()));
        }
        for path in self.paths.iter().flatten() {
            if let Err(reason) = crate::http::target::Elements::of(path) {
                return invalid("paths", format!("`{}` {reason}; write it as in /stacks", path.escape_debug()));
            }
        }
        if self.paths.as_ref().is_some_and(Vec::is_empty) {
            return invalid("paths", "must name a path; leave the key out to allow all".to_owned());
        }
        let numbers = [
            ("connect-timeout-ms", self.connect_timeout_ms, 1, HOUR),
            ("timeout-ms", self.timeout_ms, 1, HOUR),
            ("concurrency", self.concurrency.into(), 1, 1_000),
            ("requests-per-second", self.requests_per_second.into(), 1, 100_000),
            ("burst", self.burst.into(), 1, 100_000),
            ("request-max-bytes", self.request_max_bytes, 0, GIBIBYTE),
            ("response-max-bytes", self.response_max_bytes, 0, GIBIBYTE),
            ("redirects", self.redirects.into(), 0, 10),
        ];
        for (field, value, least, most) in numbers {
            if !(least..=most).contains(&value) {
                return invalid(field, format!("is {value}; must be from {least} to {most}"));
            }
        }
        Ok(())
    }
}

fn regex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Regex, D::Error> {
    Regex::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn get() -> BTreeSet<String> {
    BTreeSet::from(["GET".to_owned()])
}

fn five_seconds() -> u64 {
    5_000
}

fn half_a_minute() -> u64 {
    30_000
}

fn sixteen() -> u32 {
    16
}

fn fifty() -> u32 {
    50
}

fn hundred() -> u32 {
    100
}

fn one_mebibyte() -> u64 {
    1 << 20
}

fn sixteen_mebibytes() -> u64 {
    16 << 20
}
