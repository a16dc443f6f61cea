//! A double of the Rancher 1.x API (`v2-beta`): as strict as the server, so that a wrong client fails.
//!
//! The core is synchronous and deterministic. [`Rancher::handle`] answers one request; what the server does by itself
//! afterwards happens only in [`Rancher::advance`], the stepping clock. There are no sockets and no real time here.

mod agent;
mod certificate;
mod collection;
mod dispatch;
mod endpoint;
mod error;
mod events;
mod faults;
mod filter;
mod http;
mod inspection;
mod intervention;
mod link;
mod machine;
mod options;
mod people;
mod placement;
mod rancher;
mod recording;
mod resource;
mod schema;
mod scope;
mod server;
mod service;
mod setting;
mod stack;
mod store;
mod surroundings;
mod validate;
mod world;
mod write;

pub use agent::{Agent, AgentOptions};
pub use events::EventOptions;
pub use faults::{Chaos, Fault, Faults, Hook, Route, Rule, RuleId};
pub use http::{Request, Response};
pub use intervention::Reschedule;
pub use options::{Delays, Options};
pub use people::{Key, KeyKind, Role};
pub use rancher::{Rancher, Subscriber};
pub use recording::{Exchange, Exchanges, Mark, Recording, holds};
pub use server::{Clock, Error as ServerError, Identity, Latency, Observer, Proxy, Server, ServerOptions};
pub use surroundings::Host;

/// One change of a resource that the server announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Grows by one with each change of this server.
    pub sequence: u64,
    /// Id of the project that the resource belongs to; only its subscribers hear of the change.
    pub project: String,
    /// Type of the resource in camelCase, such as `loadBalancerService`.
    pub resource_type: String,
    /// Id of the resource.
    pub id: String,
}
