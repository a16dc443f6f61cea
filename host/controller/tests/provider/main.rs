//! `lb-controller provider` as it is run: what it says, and what it refuses.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod files;
mod recording;
mod registries;
mod running;
#[path = "../../../registry/tests/all/server.rs"]
#[allow(dead_code, reason = "the tests of the registry use all of it")]
mod server;
mod suite;
mod world;
