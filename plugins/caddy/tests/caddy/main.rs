//! The provider with a real Caddy, real sockets and the services of its own sidecar file.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod admin;
mod churn;
mod client;
mod data_plane;
mod endpoints;
mod hostile;
mod http;
mod policy;
mod refusal;
mod tls;
