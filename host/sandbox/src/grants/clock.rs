use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lb_model::bindings::lb_controller::provider::clock::Host;

use crate::call::CallContext;

impl Host for CallContext {
    async fn now(&mut self) -> wasmtime::Result<u64> {
        self.budget.charge_host_call()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
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
