//! The harness of the end-to-end tests: the real binary, the real provider, a real nginx, and a Kubernetes API. With
//! `LB_TEST_PROVIDER=caddy` the tests that are not about nginx run with a real Caddy.
//!
//! The API is an in-memory one in this process, or a real cluster's where `LB_TEST_KUBECONFIG` names a kubeconfig. Each
//! test has a [`World`] of its own (namespace, class, ports, state directory), so tests can run side by side. Backends
//! are servers of this process, bound to `LB_TEST_BACKEND_ADDRESS` (127.0.0.1 unless set; a real API refuses loopback
//! endpoints), and reach the API as EndpointSlices of Services without selector.

pub mod certificates;
pub mod client;
pub mod cluster;
pub mod controller;
pub mod echo;
pub mod log;
pub mod objects;
pub mod plugins;
pub mod ports;
pub mod processes;
pub mod provider;
pub mod rancher;
pub mod traffic;
pub mod wait;
pub mod workload;
pub mod world;

pub use client::{Client, Request, Response};
pub use controller::Controller;
pub use objects::{exact, implementation_specific, ingress, prefix};
pub use traffic::Traffic;
pub use wait::eventually;
pub use workload::Workload;
pub use world::World;
