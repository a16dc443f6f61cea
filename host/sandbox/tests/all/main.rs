//! The sandbox with real components: what is refused at load, what each limit stops, what each grant gives.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::needless_pass_by_value, reason = "JSON reads best where it is passed on")]

mod events;
mod grants;
mod http;
mod limits;
mod load;
mod services;
mod swap;
mod world;
