//! Runs providers: WebAssembly components that hold nothing but what the operator granted them.
//!
//! ```text
//! Sandbox --load--> Plugin --call--> fresh Store + instance, under Limits
//!    |                 |                  |
//!    |                 |                  +-- grants/: log, clock, random, files, keys, services, http
//!    +-- engines,      +-- Directory: the granted files, staged trees
//!        disk cache    +-- services: supervised programs
//!                      +-- HttpClient: one API with its credentials
//!                      +-- subscriptions: websockets that wake
//! ```
//!
//! # Guarantees
//!
//! - A component that imports what it was not granted is refused before any of it runs.
//! - A trap or a breach of a limit ends one call. No state is shared between two calls.
//! - A provider that keeps breaking its limits for a load balancer is not called for it for a while; what it applied
//!   last stays live. The pause ends by itself.
//! - Dropping a call's future ends the call; what it staged and did not activate is discarded.
//! - A credential of a granted API is read by the host and sent to that API. It reaches no guest, log, error or metric.
//! - A service outlives a host that is killed, and the next host takes it over while it runs.

mod call;
mod circuit;
pub mod configuration;
mod directory;
mod engine;
mod error;
mod grants;
mod http;
mod limits;
mod line;
mod load;
mod metrics;
mod plugin;
mod service;
mod slot;
mod statistics;
mod subscription;

pub use configuration::ProviderConfiguration;
pub use engine::{Sandbox, SandboxOptions};
pub use error::Error;
pub use grants::{clock::ProviderClock, identity::ControllerIdentity};
pub use load::{Inspection, Source};
pub use metrics::Metrics;
pub use plugin::{Change, Plan, PlanError, Plugin};
pub use slot::Slot;
pub use statistics::Statistics;

/// The version of the contract that providers are built against.
pub const CONTRACT_VERSION: &str = "0.1.0";
