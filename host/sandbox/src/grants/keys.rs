use lb_model::bindings::lb_controller::provider::{
    files::PutOutcome,
    keys::{Host, KeyError},
};

use crate::{call::CallContext, directory::KEY_MODE};

impl Host for CallContext {
    async fn store(&mut self, certificate: String, path: String) -> wasmtime::Result<Result<PutOutcome, KeyError>> {
        self.budget.charge_host_call()?;
        let Some(key) = self.granted.keys.private_key(&certificate) else {
            return Ok(Err(KeyError::UnknownCertificate(certificate)));
        };
        let granted = self.granted_directory();
        let stored = granted.directory.put(&path, key.reveal().as_bytes(), KEY_MODE, granted.max_bytes);
        Ok(stored.map_err(KeyError::File))
    }
}
