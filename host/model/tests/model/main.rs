//! Tests of the model through its public interface. [`fixtures`] is where a behaviour of translation is written down.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod bindings;
mod certificate;
mod cluster;
mod endpoint;
mod fixtures;
mod manifest;
mod property;
mod tables;
