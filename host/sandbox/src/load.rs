//! From a file to a plugin that can be called.

mod bytes;
pub(crate) mod imports;
mod inspect;
mod source;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use lb_model::{
    bindings::PluginPre,
    provider::{KeySource, Provider as _},
    types::Descriptor,
};
use tokio::task::spawn_blocking;
use wasmtime::{Engine, component::Component};

use crate::{
    Error, Metrics, Plugin, ProviderConfiguration, Sandbox,
    call::{CallContext, Caller},
    configuration::{Grants, HttpGrant, Limits},
    grants::{self, Granted, GrantedDirectory, http::HttpClients},
    http::HttpClient,
    subscription::Subscriptions,
};
use bytes::ComponentFile;
use imports::Imports;

pub use inspect::Inspection;
pub use source::Source;

/// A component that may become a provider: it is compiled, and nothing of it has run.
struct Compiled {
    engine: Engine,
    component: Component,
    imports: Imports,
    /// SHA-256 of its bytes, in hexadecimal.
    digest: String,
    size: u64,
}

impl Compiled {
    /// A linker with what it imports, and the proof that it exports what a provider has to.
    fn link(&self, name: &Path) -> Result<PluginPre<CallContext>, Error> {
        let linked = grants::link(&self.engine, &self.imports);
        let linked = linked.and_then(|linker| linker.instantiate_pre(&self.component)).and_then(PluginPre::new);
        linked.map_err(|error| Error::World { path: name.to_owned(), reason: format!("{error:#}") })
    }
}

impl Sandbox {
    /// Loads a provider: reads its file, checks its imports against the grants before any of it runs, compiles it or
    /// takes it from the cache, has it describe itself and check its settings.
    ///
    /// Two plugins on one granted directory share its services, so that a new version takes over without a restart.
    ///
    /// # Errors
    /// Says what is wrong and what to do; see [`Error`]. Nothing of what runs is changed.
    pub async fn load(
        &self,
        source: impl Into<Source<'_>>,
        configuration: ProviderConfiguration,
        keys: Arc<dyn KeySource>,
        metrics: Arc<Metrics>,
    ) -> Result<Plugin, Error> {
        let source = source.into();
        let path = source.name;
        configuration.validate()?;
        let ProviderConfiguration { settings, grants, limits } = configuration;
        let compiled = self.compile(source, &limits).await?;
        compiled.imports.check(path, &grants)?;
        let component = compiled.link(path)?;
        let Compiled { engine, imports, digest, .. } = compiled;
        let granted = Arc::new(self.grant(&grants, keys, &metrics).await?);
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
        let failed = |function| move |source| Error::Call { path: path.to_owned(), function, source };
        let descriptor = caller.describe().await.map_err(failed("describe"))?;
        check_descriptor(path, &descriptor)?;
        imports::check_wanted(path, &descriptor, &grants)?;
        caller.provider = descriptor.name.as_str().into();
        caller.version = descriptor.version.as_str().into();
        let settings = settings.to_string();
        let checked = caller.check_settings(&settings).await.map_err(failed("check-settings"))?;
        checked.map_err(|message| Error::Settings { provider: descriptor.name.clone(), message })?;
        let http = &caller.granted.http;
        let subscriptions = Subscriptions::open(&caller.provider, &grants.subscriptions, http, &caller.metrics)?;
        Ok(Plugin::new(caller, descriptor, settings, digest, grants, subscriptions))
    }

    /// Reads a component, makes sure that it is the one that is meant, and compiles it or takes it from the cache.
    async fn compile(&self, source: Source<'_>, limits: &Limits) -> Result<Compiled, Error> {
        // A stack of 64 MiB at most was checked with the configuration.
        let engine = self.engine(usize::try_from(limits.stack_bytes).unwrap_or(usize::MAX))?;
        let Source { path, name, digest } = source;
        let file = blocking({
            let (path, name, expected) = (path.to_owned(), name.to_owned(), digest.map(str::to_owned));
            move || ComponentFile::read(&path, &name, expected.as_deref())
        })
        .await?;
        let (digest, size) = (file.digest.clone(), file.bytes.len() as u64);
        let component = blocking({
            let (engine, path) = (engine.clone(), name.to_owned());
            move || {
                let compiled = Component::from_binary(&engine, &file.bytes);
                compiled.map_err(|error| Error::Compile { path, reason: format!("{error:#}") })
            }
        })
        .await?;
        let imports = Imports::read(name, &component.component_type(), &engine)?;
        Ok(Compiled { engine, component, imports, digest, size })
    }

    /// A plugin that was shut down, ready to be called again: the same component with the same configuration. What the
    /// grants name in files and variables is read anew.
    ///
    /// # Errors
    /// If what was granted cannot be had any more.
    pub async fn reopen(&self, plugin: &Plugin) -> Result<Plugin, Error> {
        let grants = plugin.grants().clone();
        let caller = plugin.caller();
        let granted = self.grant(&grants, caller.granted.keys.clone(), &caller.metrics).await?;
        let caller = Caller { granted: Arc::new(granted), ..caller.clone() };
        let http = &caller.granted.http;
        let subscriptions = Subscriptions::open(&caller.provider, &grants.subscriptions, http, &caller.metrics)?;
        let descriptor = (*plugin.descriptor()).clone();
        Ok(Plugin::new(
            caller,
            descriptor,
            plugin.settings().to_owned(),
            plugin.digest().to_owned(),
            grants,
            subscriptions,
        ))
    }

    /// Opens what is granted.
    async fn grant(&self, grants: &Grants, keys: Arc<dyn KeySource>, metrics: &Arc<Metrics>) -> Result<Granted, Error> {
        let http = blocking({
            let grants = grants.http.clone();
            move || http_clients(grants)
        })
        .await?;
        let Some(files) = &grants.files else {
            let services = Arc::default();
            let controller = self.controller();
            let clock = self.clock();
            return Ok(Granted { controller, clock, files: None, services, http, keys, rehearsal: None });
        };
        let directory = blocking({
            let (sandbox, path) = (self.clone(), files.path.clone());
            move || sandbox.directories().open(&path)
        })
        .await?;
        let service = |(name, grant): (&String, _)| (name.clone(), directory.service(name, grant, metrics));
        let services = Arc::new(grants.services.iter().map(service).collect());
        let files = Some(GrantedDirectory { directory, max_bytes: files.max_bytes });
        Ok(Granted { controller: self.controller(), clock: self.clock(), files, services, http, keys, rehearsal: None })
    }
}

/// Reads the files and variables that the grants name.
fn http_clients(grants: BTreeMap<String, HttpGrant>) -> Result<HttpClients, Error> {
    let client = |(name, grant): (String, _)| {
        let client = HttpClient::new(&name, grant)?;
        Ok((name, Arc::new(client)))
    };
    grants.into_iter().map(client).collect()
}

/// Metrics and logs carry the name, and an annotation prefix decides what the provider is shown.
fn check_descriptor(path: &Path, descriptor: &Descriptor) -> Result<(), Error> {
    let wrong = |reason: String| Err(Error::Descriptor { path: path.to_owned(), reason });
    let name = &descriptor.name;
    let is_label = (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    if !is_label {
        return wrong(format!("its name `{}` is no DNS label: a-z 0-9 - only", name.escape_debug()));
    }
    let version = &descriptor.version;
    let is_version = (1..=64).contains(&version.len())
        && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+'));
    if !is_version {
        return wrong(format!("its version `{}` is no semantic version", version.escape_debug()));
    }
    for prefix in &descriptor.annotation_prefixes {
        let whole_cluster = prefix.trim_matches(['.', '/']).is_empty();
        if whole_cluster || prefix.chars().any(|character| character.is_control() || character.is_whitespace()) {
            return wrong(format!("`{}` is no annotation key and no prefix of one", prefix.escape_debug()));
        }
    }
    Ok(())
}

async fn blocking<R: Send + 'static>(
    operation: impl FnOnce() -> Result<R, Error> + Send + 'static,
) -> Result<R, Error> {
    match spawn_blocking(operation).await {
        Ok(result) => result,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(cancelled) => Err(Error::Engine(format!("the runtime shuts down: {cancelled}"))),
        },
    }
}
