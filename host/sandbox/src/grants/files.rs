use std::sync::Arc;

use lb_model::bindings::lb_controller::provider::files::{FileError, Host, PutOutcome};
use tokio::{runtime::Handle, task::spawn_blocking};

use crate::{
    call::CallContext,
    directory::{Directory, FILE_MODE},
};

/// Single files are small and are read and written in place; a hop to another thread would cost more than the write.
/// What walks over a whole tree runs where blocking harms nobody.
impl Host for CallContext {
    async fn read(&mut self, path: String) -> wasmtime::Result<Result<Vec<u8>, FileError>> {
        self.budget.charge_host_call()?;
        Ok(self.granted_directory().directory.read(&path))
    }

    async fn list(&mut self, path: String) -> wasmtime::Result<Result<Vec<String>, FileError>> {
        self.budget.charge_host_call()?;
        Ok(self.granted_directory().directory.list(&path))
    }

    async fn put(&mut self, path: String, content: Vec<u8>) -> wasmtime::Result<Result<PutOutcome, FileError>> {
        self.budget.charge_host_call()?;
        let granted = self.granted_directory();
        Ok(granted.directory.put(&path, &content, FILE_MODE, granted.max_bytes))
    }

    async fn remove(&mut self, path: String) -> wasmtime::Result<Result<(), FileError>> {
        self.budget.charge_host_call()?;
        blocking(self.directory(), move |directory| directory.remove(&path)).await
    }

    async fn stage(&mut self, tree: String) -> wasmtime::Result<Result<String, FileError>> {
        self.budget.charge_host_call()?;
        let directory = self.directory();
        let copy = match directory.reserve(&tree) {
            Ok(copy) => copy,
            Err(error) => return Ok(Err(error)),
        };
        // Before it is made, so that a call that is dropped while it is made leaves nothing.
        self.staged.add(directory, copy.clone());
        let reserved = copy.clone();
        let staged = blocking(self.directory(), move |directory| directory.stage(&tree, &reserved)).await?;
        Ok(staged.map(|()| copy))
    }

    async fn activate(&mut self, tree: String, staged: String) -> wasmtime::Result<Result<Option<String>, FileError>> {
        self.budget.charge_host_call()?;
        let copy = staged.clone();
        let activated = blocking(self.directory(), move |directory| directory.activate(&tree, &staged)).await?;
        if activated.is_ok() {
            self.staged.keep(&copy);
        }
        Ok(activated)
    }

    async fn discard(&mut self, staged: String) -> wasmtime::Result<Result<(), FileError>> {
        self.budget.charge_host_call()?;
        blocking(self.directory(), move |directory| directory.discard(&staged)).await
    }
}

impl CallContext {
    fn directory(&self) -> Arc<Directory> {
        self.granted_directory().directory.clone()
    }
}

async fn blocking<R: Send + 'static>(
    directory: Arc<Directory>,
    operation: impl FnOnce(&Directory) -> R + Send + 'static,
) -> wasmtime::Result<R> {
    Ok(spawn_blocking(move || operation(&directory)).await?)
}

/// The copies that a call made and did not activate. They go when the call ends, however it ends.
#[derive(Default)]
pub(crate) struct StagedCopies(Vec<(Arc<Directory>, String)>);

impl StagedCopies {
    fn add(&mut self, directory: Arc<Directory>, copy: String) {
        self.0.push((directory, copy));
    }

    fn keep(&mut self, activated: &str) {
        self.0.retain(|(_, copy)| copy != activated);
    }
}

impl Drop for StagedCopies {
    fn drop(&mut self) {
        let copies = std::mem::take(&mut self.0);
        if copies.is_empty() {
            return;
        }
        let discard = move || {
            for (directory, copy) in copies {
                match directory.discard(&copy) {
                    // It went live while the call was dropped.
                    Ok(()) | Err(FileError::InvalidPath(_)) => {}
                    Err(error) => tracing::warn!(%copy, ?error, "a staged copy stays until the next start"),
                }
            }
        };
        // Without a runtime the process is about to end, or this is a test; either way blocking is fine.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(discard)),
            Err(_) => discard(),
        }
    }
}
