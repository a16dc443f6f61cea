use std::sync::{Arc, OnceLock};

use lb_model::bindings::lb_controller::provider::identity::Host;

use crate::call::CallContext;

/// Who the providers work for. It may be told after they are loaded, but before they are called. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct ControllerIdentity(Arc<OnceLock<String>>);

impl ControllerIdentity {
    /// Whether it was told.
    pub fn is_told(&self) -> bool {
        self.0.get().is_some()
    }

    /// Tells it. Only the first one counts: it stays the same for the life of the process.
    pub fn tell(&self, controller: String) {
        drop(self.0.set(controller));
    }
}

impl Host for CallContext {
    async fn controller(&mut self) -> wasmtime::Result<String> {
        self.budget.charge_host_call()?;
        let known = self.granted.controller.0.get();
        known
            .cloned()
            .ok_or_else(|| wasmtime::Error::msg("identity.controller: not known yet; this is a bug of the host"))
    }
}
