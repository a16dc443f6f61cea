//! The Kubernetes side of the host: it watches the cluster, keeps each load balancer as it should be, and tells users.
//!
//! ```text
//! API server --watch--> stores --changes--> translate --marks--> lanes --change-set--> Provider (the port)
//!     ^                                                            |                       |
//!     +------- status, Events (leader only) <------------------------------ outcome <------+
//! ```
//!
//! # Flow
//!
//! One task owns all state and reconciles in turns of four verbs: snapshot, translate, apply, status. Provider calls and
//! writes to the API server run beside it, bounded, and come back as its input.
//!
//! Several providers share the watches, the stores, the lead and the statuses; each has its own translation, lanes, calls
//! and observations. An Ingress that moves from one to another is served by both until its status shows the new one.
//!
//! # Guarantees
//!
//! - Level-triggered: what a turn does follows from the state of the cluster and of the lanes, never from the kind of event.
//! - Nothing is applied or removed before every watch has finished its first list.
//! - At most one call in flight for each load balancer; changes that arrive meanwhile merge into the next one.
//! - After a call whose effect is unknown, the next apply is complete.
//! - Only the leader writes status and Events; a `leader` provider is called by the leader only.
//! - An Ingress that moves between providers is served by the former one until the new one serves it, across restarts too.
//! - A provider that fails, and an API server that refuses a write, cost nobody else anything.
//! - All of it survives an API server that is not there yet, goes away, or comes back having forgotten.
//!
//! # Permissions
//!
//! | resource | verbs |
//! |---|---|
//! | `ingresses`, `services`, `endpointslices`, `secrets`, in the watched namespaces; `ingressclasses` | list, watch |
//! | `ingresses/status` | patch |
//! | `events` of `events.k8s.io` | create |
//! | `leases`, in the namespace of the Lease | get, create, update |

mod addresses;
mod backoff;
mod controller;
mod error;
mod error_policy;
mod events;
mod keys;
mod lane;
mod lease;
mod metrics;
mod options;
mod preview;
mod readiness;
mod status;
mod stores;
mod timers;
mod watch;

pub use controller::run;
pub use error::Error;
pub use keys::Keys;
pub use metrics::Metrics;
pub use options::{Binding, LeaseOptions, Options, Publish};
pub use preview::{Previews, Requests as PreviewRequests, previews};
pub use readiness::Readiness;
