//! The place of a provider that can be swapped while it is called.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use futures::future::{BoxFuture, FutureExt};
use lb_model::{
    provider::{CallError, Provider},
    types::{ChangeSet, Descriptor, Observed, Outcome, Removal},
};
use tokio::sync::{Notify, OwnedRwLockReadGuard};

use crate::Plugin;

/// Holds the plugin that is called. Calls in flight end on the plugin that they began on; a plugin that was replaced is
/// shut down when its last call has ended, which leaves alone the services that its successor uses.
pub struct Slot {
    current: RwLock<Tenure>,
    swaps: AtomicU64,
    swapped: Notify,
}

#[derive(Clone)]
struct Tenure {
    plugin: Plugin,
    /// Read-locked by each call in flight.
    calls: Arc<tokio::sync::RwLock<()>>,
}

impl Tenure {
    fn of(plugin: Plugin) -> Self {
        Self { plugin, calls: Arc::default() }
    }

    async fn end(self) {
        let _all_ended = self.calls.write().await;
        self.plugin.shutdown().await;
    }
}

impl Slot {
    /// A slot with its first plugin.
    pub fn new(plugin: Plugin) -> Self {
        Self { current: RwLock::new(Tenure::of(plugin)), swaps: AtomicU64::new(0), swapped: Notify::new() }
    }

    /// The plugin that is called now.
    pub fn current(&self) -> Plugin {
        self.current.read().unwrap_or_else(PoisonError::into_inner).plugin.clone()
    }

    /// Puts another plugin in its place. Must be called within a Tokio runtime, in which the old one ends.
    pub fn swap(&self, plugin: Plugin) {
        let old = {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            let old = std::mem::replace(&mut *current, Tenure::of(plugin));
            self.swaps.fetch_add(1, Ordering::SeqCst);
            old
        };
        self.swapped.notify_one();
        tokio::spawn(old.end());
    }

    /// Shuts the plugin down once its last call has ended.
    pub async fn shutdown(&self) {
        let last = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        last.end().await;
    }

    /// Begins a call: the plugin stays as long as the guard lives.
    fn enter(&self) -> (Plugin, OwnedRwLockReadGuard<()>) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let calls = current.calls.clone().try_read_owned();
        (current.plugin.clone(), calls.expect("locked for writing only when it is no longer the current one"))
    }
}

impl Provider for Slot {
    fn descriptor(&self) -> Arc<Descriptor> {
        self.current().descriptor()
    }

    fn swaps(&self) -> u64 {
        self.swaps.load(Ordering::SeqCst)
    }

    fn apply(&self, change: ChangeSet) -> BoxFuture<'_, Result<Outcome, CallError>> {
        let (plugin, calling) = self.enter();
        async move {
            let _calling = calling;
            plugin.apply(change).await
        }
        .boxed()
    }

    fn remove<'a>(&'a self, load_balancer: &'a str) -> BoxFuture<'a, Result<Removal, CallError>> {
        let (plugin, calling) = self.enter();
        async move {
            let _calling = calling;
            plugin.remove(load_balancer).await
        }
        .boxed()
    }

    fn observe(&self) -> BoxFuture<'_, Result<Vec<Observed>, CallError>> {
        let (plugin, calling) = self.enter();
        async move {
            let _calling = calling;
            plugin.observe().await
        }
        .boxed()
    }

    fn woken(&self) -> BoxFuture<'_, ()> {
        async move {
            let plugin = self.current();
            tokio::select! {
                () = plugin.woken() => {}
                // A swap is worth a look, too.
                () = self.swapped.notified() => {}
            }
        }
        .boxed()
    }
}
