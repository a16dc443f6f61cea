//! Runs providers: WebAssembly components that hold nothing but what the operator granted them.
//!
//! ```text
//! Sandbox --load--> Plugin --call--> fresh Store + instance, under Limits
//!    |                 |                  |
//!    |                 |                  +-- grants/: log, clock, random, files, keys, services
//!    +-- engines,      +-- Directory: the granted files, staged trees
//!        disk cache    +-- services: supervised programs
//! ```
//!
//! # Guarantees
//!
//! - A component that imports what it was not granted is refused before any of it runs.
//! - A trap or a breach of a limit ends one call. No state is shared between two calls.
//! - Dropping a call's future ends the call; what it staged and did not activate is discarded.
//! - A service outlives a host that is killed, and the next host takes it over while it runs.

mod call;
pub mod configuration;
mod directory;
mod engine;
mod error;
mod grants;
mod limits;
mod line;
mod load;
mod metrics;
mod plugin;
mod service;

pub use configuration::ProviderConfiguration;
pub use engine::{Sandbox, SandboxOptions};
pub use error::Error;
pub use metrics::Metrics;
pub use plugin::Plugin;

/// The version of the contract that providers are built against.
pub const CONTRACT_VERSION: &str = "0.1.0";
