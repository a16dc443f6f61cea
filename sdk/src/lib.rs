//! What the author of a load-balancer provider imports.
//!
//! A provider is a WebAssembly component that makes a load balancer look like the generic configuration that the host
//! hands it. Write one type, implement [`Provider`] for it and export it:
//!
//! ```
//! use lb_provider::{
//!     BackendDetail, ChangeKind, ChangeSet, Descriptor, Error, Host, Observed, Outcome, Placement, Provider, Readiness, Removal, Scope,
//! };
//!
//! struct Quiet;
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields, rename_all = "kebab-case")]
//! struct Settings {}
//!
//! impl Provider for Quiet {
//!     type Settings = Settings;
//!
//!     fn describe() -> Descriptor {
//!         Descriptor {
//!             name: "quiet".to_owned(),
//!             version: env!("CARGO_PKG_VERSION").to_owned(),
//!             scope: Scope::PerClass,
//!             placement: Placement::Leader,
//!             change_sets: ChangeKind::Incremental,
//!             backend_detail: BackendDetail::Endpoints,
//!             features: vec![],
//!             annotation_prefixes: vec![],
//!             observe_interval: 0,
//!             settings_schema: r#"{"type": "object", "additionalProperties": false}"#.to_owned(),
//!             grants: vec![],
//!         }
//!     }
//!
//!     fn apply(_: &Settings, change: ChangeSet, host: &impl Host) -> Result<Outcome, Error> {
//!         host.log().info("applied", &[("load balancer", &change.load_balancer.id)]);
//!         Ok(Outcome { readiness: Readiness::Ready, addresses: vec![], rejections: vec![] })
//!     }
//!
//!     fn remove(_: &Settings, _load_balancer: &str, _host: &impl Host) -> Result<Removal, Error> {
//!         Ok(Removal::Removed)
//!     }
//!
//!     fn observe(_: &Settings, _host: &impl Host) -> Result<Vec<Observed>, Error> {
//!         Ok(vec![])
//!     }
//! }
//!
//! lb_provider::export_provider!(Quiet);
//! # fn main() {}
//! ```
//!
//! Build it as a `cdylib` for `wasm32-unknown-unknown` with the linker `wasm-component-ld`: the component imports what
//! the provider uses and nothing else, so the host can prove what it reaches. A capability comes from [`Host`]; in a
//! native `cargo test` the doubles of `testing` stand in for it. [`http`] has a client for a provider that calls an API.
//!
//! The records are those of `wit/types.wit`, where each of them is documented.

#[doc(hidden)]
pub mod bindings;
mod call;
#[doc(hidden)]
#[cfg(target_family = "wasm")]
pub mod component;
mod error;
mod host;
pub mod http;
mod provider;
mod settings;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use bindings::lb_controller::provider::{
    files::{FileError, PutOutcome},
    http::{HttpError, Request, Response},
    keys::KeyError,
    log::Level,
    services::{Report, ServiceError, StartOutcome},
    types::{
        Address, Affinity, Annotation, Auth, Backend, BackendChanges, BackendDetail, BackendProtocol, BasicAuth,
        Certificate, CertificateChanges, ChangeKind, ChangeSet, CookieAffinity, CookieMode, Cors, Descriptor, Endpoint,
        Error, ExternalAuth, Feature, HeaderChanges, HostMatch, HostService, Listener, ListenerChanges, LoadBalancer,
        Mirror, NamedMatch, ObjectRef, Observed, Outcome, PathMatch, PathRewrite, Placement, Policy, Protocol,
        RateLimit, Readiness, Redirect, Rejection, Removal, Retry, RetryAfter, Rewrite, Route, RouteAction, Scope,
        SourceRanges, Timeouts, ValueMatch, VirtualHost, VirtualHostChanges, WantedGrant, WeightedBackend,
    },
};
pub use host::{Clock, Files, Host, Http, Identity, KeyReveal, Keys, Log, Random, Services};
pub use provider::Provider;
pub use schemars::{self, JsonSchema};
pub use settings::{Within, settings_schema};
