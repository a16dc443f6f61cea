use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use lb_model::bindings::lb_controller::provider::clock::Host;

use crate::call::CallContext;

/// What providers are told of the time of day: the system's, unless it was set. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct ProviderClock(Arc<AtomicU64>);

impl ProviderClock {
    /// From now on it is always this time, in milliseconds since 1970: for calls that are made again as they once were.
    pub fn set(&self, milliseconds: u64) {
        self.0.store(milliseconds.max(1), Ordering::Relaxed);
    }

    /// Milliseconds since 1970.
    pub fn now(&self) -> u64 {
        match self.0.load(Ordering::Relaxed) {
            0 => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
            }
            set => set,
        }
    }
}

impl Host for CallContext {
    async fn now(&mut self) -> wasmtime::Result<u64> {
        self.budget.charge_host_call()?;
        Ok(self.granted.clock.now())
    }

    async fn monotonic(&mut self) -> wasmtime::Result<u64> {
        self.budget.charge_host_call()?;
        Ok(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    async fn sleep(&mut self, milliseconds: u32) -> wasmtime::Result<()> {
        self.budget.charge_host_call()?;
        tokio::time::sleep(Duration::from_millis(milliseconds.into())).await;
        Ok(())
    }
}
