//! Where everything is in the granted directory.
//!
//! ```text
//! edge/caddy.json, router/caddy.json     what each Caddy starts with: the configuration that it took last
//! router/<listener>.sock                 where the edge hands requests to the router
//! certificates/<certificate>.crt, .key
//! caddy/, storage/                       Caddy's own
//! state/                                 what the provider has to remember
//! ```
//!
//! Both run in this directory, so relative paths are enough.

use sha2::{Digest, Sha256};

/// One of the two Caddys. Its name is that of its service and of its API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    /// Has the ports and the certificates.
    Edge,
    /// Has the hosts, the routes and the endpoints.
    Router,
}

impl Tier {
    pub(crate) const BOTH: [Self; 2] = [Self::Edge, Self::Router];

    /// The granted service, the granted API, and the directory.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Router => "router",
        }
    }

    /// What it starts with.
    pub(crate) fn start(self) -> &'static str {
        match self {
            Self::Edge => "edge/caddy.json",
            Self::Router => "router/caddy.json",
        }
    }
}

/// A configuration that Caddy is asked about.
pub(crate) const CANDIDATE: &str = "state/candidate.json";
/// The directory of certificates and keys.
pub(crate) const CERTIFICATES: &str = "certificates";
/// What Caddy is told to keep its own files in.
pub(crate) const STORAGE: &str = "storage";
/// What Caddy keeps its own files in without being told.
pub(crate) const OWN: &str = "caddy";

/// A name for whatever an object is called: 32 hexadecimal digits.
pub(crate) fn digest(name: impl AsRef<[u8]>) -> String {
    let mut digits = hex::encode(Sha256::digest(name));
    digits.truncate(32);
    digits
}

/// Where the edge hands over the requests of a listener.
pub(crate) fn socket(listener: &str) -> String {
    format!("unix/{}/{}.sock", Tier::Router.name(), digest(listener))
}

/// The path of a certificate's chain.
pub(crate) fn chain_path(certificate: &str) -> String {
    format!("{CERTIFICATES}/{}.crt", digest(certificate))
}

/// The path of a certificate's private key.
pub(crate) fn key_path(certificate: &str) -> String {
    format!("{CERTIFICATES}/{}.key", digest(certificate))
}
