//! Whether the controller has done its first round.

use std::sync::Arc;

use tokio::sync::watch;

/// Becomes true once, when every load balancer that there was at the start has been applied, and stays true.
///
/// A load balancer of a single object does not hold the others up: it counts as soon as its first call ended, however.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<watch::Sender<bool>>);

impl Readiness {
    /// Not ready.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Whether the first complete apply is done.
    pub fn is_ready(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is.
    pub async fn ready(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|ready| *ready).await;
    }

    pub(crate) fn announce(&self) {
        self.0.send_if_modified(|ready| !std::mem::replace(ready, true));
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}
