//! A host for native tests: `cargo test` runs a provider's logic without a sandbox.
//!
//! [`TestHost`] grants a temporary directory that behaves like the real one, keys that a test put in, and services that
//! are a [`Script`], or real processes with [`Programs`]. [`records`] builds change-sets. The functions here call a
//! provider the way the component does, settings as JSON included.
//!
//! [`Component`] is the other half: the built component in the real sandbox, put to the test clause by clause.
//!
//! Its functions panic where a test cannot go on.

mod component;
mod directory;
mod host;
mod http;
mod process;
mod programs;
pub mod records;
mod script;

use crate::{ChangeSet, Error, Host, Observed, Outcome, Provider, Removal, call};

pub use component::Component;
pub use directory::Directory;
pub use host::{LogLine, TestHost};
pub use http::json_response;
pub use programs::{Program, Programs, Reload};
pub use script::Script;

/// Calls `check-settings`.
pub fn check_settings<P: Provider>(settings: &str) -> Result<(), String> {
    call::settings::<P>(settings).map(drop)
}

/// Calls `apply`.
pub fn apply<P: Provider>(settings: &str, change: ChangeSet, host: &impl Host) -> Result<Outcome, Error> {
    call::apply::<P>(settings, change, host)
}

/// Calls `remove`.
pub fn remove<P: Provider>(settings: &str, load_balancer: &str, host: &impl Host) -> Result<Removal, Error> {
    call::remove::<P>(settings, load_balancer, host)
}

/// Calls `observe`.
pub fn observe<P: Provider>(settings: &str, host: &impl Host) -> Result<Vec<Observed>, Error> {
    call::observe::<P>(settings, host)
}
