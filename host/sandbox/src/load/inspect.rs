use std::{path::PathBuf, sync::Arc};

use lb_model::{
    provider::{KeySource, PrivateKey},
    types::Descriptor,
};
use prometheus_client::registry::Registry;
use serde_json::Value;

use super::{Compiled, Source, check_descriptor, imports};
use crate::{
    Error, Metrics, Sandbox,
    call::Caller,
    configuration::{Grants, Limits},
};

/// What a component is, without anything being granted to it.
pub struct Inspection {
    /// SHA-256 of the component, in hexadecimal.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// The version of the contract that it was built for.
    pub contract: String,
    /// What it imports that has functions, as it stands in the component.
    pub imports: Vec<String>,
    /// The capabilities among that, each of which needs a grant: `files`, `services`, `keys`, `key-reveal`, `http`.
    pub capabilities: Vec<&'static str>,
    /// Whether it imports WASI, of which it is given clocks, random numbers and the error stream.
    pub uses_wasi: bool,
    /// What it says of itself.
    pub descriptor: Descriptor,
    name: PathBuf,
    needs: imports::Imports,
    caller: Caller,
}

impl Sandbox {
    /// Reads and compiles a component and has it describe itself. Of what it imports only the log does anything.
    ///
    /// # Errors
    /// What makes [`Sandbox::load`] fail whatever it is granted.
    pub async fn inspect(&self, source: impl Into<Source<'_>>) -> Result<Inspection, Error> {
        let source = source.into();
        let path = source.name;
        let limits = Limits::default();
        let compiled = self.compile(source, &limits).await?;
        let component = compiled.link(path)?;
        let Compiled { engine, imports, digest, size, .. } = compiled;
        let metrics = Metrics::register(&mut Registry::default());
        let granted = Arc::new(self.grant(&Grants::default(), Arc::new(NoKeys), &metrics).await?);
        let mut caller = Caller {
            engine,
            component,
            granted,
            limits: Arc::new(limits),
            metrics,
            provider: imports::provider_name(path).into(),
            version: "".into(),
            uses_wasi: imports.wasi,
            asks_identity: imports.identity,
        };
        let failed = |source| Error::Call { path: path.to_owned(), function: "describe", source };
        let descriptor = caller.describe().await.map_err(failed)?;
        check_descriptor(path, &descriptor)?;
        imports::check_capabilities(path, &descriptor)?;
        caller.provider = descriptor.name.as_str().into();
        caller.version = descriptor.version.as_str().into();
        Ok(Inspection {
            digest,
            size,
            contract: imports.contract.clone(),
            imports: imports.names.clone(),
            capabilities: imports.capabilities.iter().map(|capability| capability.name()).collect(),
            uses_wasi: imports.wasi,
            descriptor,
            name: path.to_owned(),
            needs: imports,
            caller,
        })
    }
}

impl Inspection {
    /// Whether some grants are all that it needs: what it imports, and what it asks for by name.
    ///
    /// # Errors
    /// [`Error::NotGranted`], with the configuration that would grant the rest.
    pub fn check_grants(&self, grants: &Grants) -> Result<(), Error> {
        imports::check_all(&self.name, &self.needs, &self.descriptor, grants)
    }

    /// Capabilities that it imports and does not ask for in its descriptor, so that no operator is told what for.
    pub fn undeclared(&self) -> Vec<&'static str> {
        let declared = |name: &&&str| !self.descriptor.grants.iter().any(|wanted| wanted.capability == **name);
        self.capabilities.iter().filter(declared).copied().collect()
    }

    /// Has the component check some settings.
    ///
    /// # Errors
    /// [`Error::Settings`] if it refuses them, [`Error::Call`] if it fails.
    pub async fn check_settings(&self, settings: &Value) -> Result<(), Error> {
        let failed = |source| Error::Call { path: self.name.clone(), function: "check-settings", source };
        let checked = self.caller.check_settings(&settings.to_string()).await.map_err(failed)?;
        checked.map_err(|message| Error::Settings { provider: self.descriptor.name.clone(), message })
    }
}

/// For a component that is given none.
struct NoKeys;

impl KeySource for NoKeys {
    fn private_key(&self, _certificate: &str) -> Option<PrivateKey> {
        None
    }
}
