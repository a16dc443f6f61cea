use std::fmt;

use tokio::sync::{Mutex, MutexGuard};

use crate::Digest;

/// The place of one content in the cache.
pub(crate) struct Slot {
    digest: Digest,
    filling: Mutex<()>,
}

impl Slot {
    pub(crate) fn new(digest: Digest) -> Self {
        Self { digest, filling: Mutex::new(()) }
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// Waits until nobody else looks for the content or downloads it, so that it is downloaded once.
    pub(crate) async fn fill(&self) -> MutexGuard<'_, ()> {
        self.filling.lock().await
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.digest, formatter)
    }
}
