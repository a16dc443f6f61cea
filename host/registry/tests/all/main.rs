//! The crate against a real registry (Debian's `docker-registry`), and what that one does not do against a double.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod access;
mod cache;
mod damage;
mod double;
mod pull;
mod server;
mod trust;
mod world;
