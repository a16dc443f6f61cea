//! The provider against the double of Rancher's API, in one process.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod adoption;
mod certificates;
mod crash;
mod lifecycle;
mod limits;
mod observation;
mod requests;
mod weaknesses;
mod world;
