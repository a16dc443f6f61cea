//! The double over real sockets.

mod agent;
mod binary;
mod control;
mod events;
mod faults;
mod transport;
mod world;
