use lb_model::bindings::lb_controller::provider::random::Host;

use crate::call::CallContext;

const MOST: u32 = 65536;

impl Host for CallContext {
    async fn bytes(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        self.budget.charge_host_call()?;
        if len > MOST {
            return Err(wasmtime::Error::msg(format!("random.bytes: {len} bytes asked for, {MOST} at most")));
        }
        let mut bytes = vec![0; len as usize];
        getrandom::fill(&mut bytes).map_err(|error| wasmtime::Error::msg(format!("random.bytes: {error}")))?;
        Ok(bytes)
    }
}
