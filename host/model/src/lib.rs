//! The generic load-balancer model.
//!
//! ```text
//!             translate                 changes_since                  Provider
//! Cluster ---------------> Configuration -------------> ChangeSet ----------------> Outcome
//! Ingress, IngressClass,   desired: four tables         what is new, changed        readiness, addresses,
//! Service, EndpointSlice,  of shared records            or gone since the last      rejections
//! Secret                      |                         that was applied
//!                             +---> Notices: what owners of objects are told
//! ```
//!
//! 1. [`cluster`] is what translation may look up, and how it is told what changed.
//! 2. [`translate`] follows the cluster: each update computes anew what the changes touch, and says which load balancers
//!    and which Ingresses came out different. [`certificate`] reads TLS Secrets for it, and parts the private key off.
//! 3. [`tables`] holds the desired state and the one that was last applied, and finds the difference.
//! 4. [`provider`] is the port that the difference is handed to.
//!
//! Pure: no clock, no I/O, no async runtime. The WIT types of [`bindings`] are the model, there is no twin of them.

pub mod bindings;
pub mod certificate;
pub mod cluster;
pub mod provider;
pub mod tables;
pub mod translate;

pub use bindings::types;
