use lb_model::bindings::lb_controller::provider::key_reveal::Host;

use crate::call::CallContext;

impl Host for CallContext {
    async fn reveal(&mut self, certificate: String) -> wasmtime::Result<Option<String>> {
        self.budget.charge_host_call()?;
        Ok(self.granted.keys.private_key(&certificate).map(|key| key.reveal().to_owned()))
    }
}
