//! The core against the facts of the API, one behaviour each.
#![allow(clippy::unwrap_used, reason = "a test that unwraps nothing fails, as it should")]

#[path = "core/balancers.rs"]
mod balancers;
#[path = "core/certificates.rs"]
mod certificates;
#[path = "core/collections.rs"]
mod collections;
#[path = "core/endpoints.rs"]
mod endpoints;
#[path = "core/lifecycle.rs"]
mod lifecycle;
#[path = "core/scene.rs"]
mod scene;
#[path = "core/stacks.rs"]
mod stacks;
#[path = "core/transport.rs"]
mod transport;
#[path = "core/writes.rs"]
mod writes;
