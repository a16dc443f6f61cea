//! The provider against the double of Rancher's API, in one process.

mod adoption;
mod certificates;
mod crash;
mod lifecycle;
mod limits;
mod observation;
mod requests;
mod weaknesses;
mod world;
