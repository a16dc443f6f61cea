//! The provider with a real nginx, real sockets and the services of its own sidecar file.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod churn;
mod client;
mod data_plane;
mod endpoints;
mod http;
mod policy;
mod refusal;
mod spread;
mod stream;
mod tls;
