//! Providers as OCI artifacts: a component is pushed to a registry, pulled from one, and its signature is checked before
//! anything of it is compiled.
//!
//! ```text
//! Reference --resolve--> digest --Trust--> manifest --> component, in the Cache
//!               |                   |          |            |
//!               +-------------------+----------+------------+-- the registry, only for what the cache does not have
//! ```
//!
//! ```no_run
//! # async fn run() -> Result<(), lb_registry::Error> {
//! use lb_registry::{Options, Reference, Registry, Trust};
//!
//! let registry = Registry::new(Options::new("/var/lib/lb-controller/registry"))?;
//! let trust = Trust::from_files(&["team.pub".into()])?;
//! let reference = Reference::parse("oci://registry.example/team/nginx:1.2.0")?;
//! let pulled = registry.pull(&reference, Some(&trust)).await?;
//! println!("{} is at {}", pulled.digest(), pulled.path().display());
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - What is handed out has the digest that was asked for, and was read and checked just now: a cache that somebody
//!   damaged is a cache that misses.
//! - With a [`Trust`], nothing but the few kilobytes of signatures is downloaded before one of them verifies.
//! - Nothing larger than [`Options::max_component_bytes`] is downloaded, whatever the manifest says of its size.
//! - A configuration that comes with an artifact grants nothing: it is a [`Proposal`] for the operator.
//! - Credentials go to their registry and to the token server that it names over TLS, and into no log and no error.
//!
//! The protocol is a handful of requests (the OCI distribution specification, 1.0), so they are made here, on the HTTP
//! and TLS libraries that the sandbox uses.

mod cache;
mod client;
mod component;
mod credentials;
mod digest;
mod error;
mod manifest;
mod proposal;
mod reference;
mod registry;
mod signature;
mod trust;

pub use digest::Digest;
pub use error::Error;
pub use proposal::Proposal;
pub use reference::{InvalidReference, Reference};
pub use registry::{
    Options, Registry,
    pull::{Pulled, Resolution},
    push::{Package, Pushed},
};
pub use trust::{Trust, Verified, key::SigningKey, sign_file};
