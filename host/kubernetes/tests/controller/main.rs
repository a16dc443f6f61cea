//! The whole controller against an in-memory Kubernetes API and a provider that remembers.

mod leadership;
mod moves;
mod provider;
mod reconcile;
mod status;
mod trouble;
mod world;
