//! The component that `--provider` names: found in a plugin directory, at a path, or pulled from a registry; and trusted,
//! if the operator said whom to trust.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use lb_model::provider::KeySource;
use lb_registry::{Pulled, Reference, Registry, Trust, Verified};
use lb_sandbox::{Metrics, Plugin, ProviderConfiguration, Sandbox, Source};
use serde_json::{Map, Value};

use crate::config::{Options, Usage};

/// Where distributions put providers.
const SYSTEM_PLUGIN_DIR: &str = "/usr/lib/lb-controller/plugins";

/// A component that may be loaded: nothing of it was compiled, and its signature was checked if one is wanted.
#[derive(Debug)]
pub(crate) struct Component {
    /// Where its bytes are.
    path: PathBuf,
    /// What people call it.
    name: PathBuf,
    /// The SHA-256 of what was checked, in hexadecimal.
    digest: Option<String>,
    signed_by: Option<PathBuf>,
    /// Set if it came from a registry; while it is held, the file stays where it is.
    pulled: Option<Pulled>,
}

impl Component {
    /// The one that the options name. It is brought here, if need be, and its signature is checked.
    pub(crate) async fn find(options: &Options) -> anyhow::Result<Self> {
        let provider = named(options)?;
        let trust = trust(options)?;
        if Reference::is_meant_by(provider) {
            let reference = Reference::parse(provider).map_err(|error| Usage(format!("--provider: {error}")))?;
            let pulled = registry(options)?.pull(&reference, trust.as_ref()).await?;
            let signed_by = pulled.signed_by().map(|verified| verified.key.clone());
            return Ok(Self {
                path: pulled.path().to_owned(),
                name: PathBuf::from(reference.at(pulled.digest()).to_string()),
                digest: Some(pulled.component_digest().hex()),
                signed_by,
                pulled: Some(pulled),
            });
        }
        let path = local(provider, options)?;
        let verified = match trust {
            Some(trust) => Some(verify(trust, path.clone()).await?),
            None => None,
        };
        let digest = verified.as_ref().map(|verified| verified.digest.hex());
        Ok(Self { name: path.clone(), path, digest, signed_by: verified.map(|verified| verified.key), pulled: None })
    }

    /// What to call it in messages: its path, or where it was pulled from, with the digest.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// The public key by which it was verified, if one was asked for.
    pub(crate) fn signed_by(&self) -> Option<&Path> {
        self.signed_by.as_deref()
    }

    /// What was pulled, if it came from a registry.
    pub(crate) fn pulled(&self) -> Option<&Pulled> {
        self.pulled.as_ref()
    }

    /// The operator's file beside it, `nginx.yaml` for `nginx.wasm`. What was pulled has none.
    pub(crate) fn sidecar(&self) -> Option<PathBuf> {
        let beside = self.path.with_extension("yaml");
        (self.pulled.is_none() && beside.is_file()).then_some(beside)
    }

    /// What it is configured with before the operator says more: the file beside it; or, of what was pulled, the settings
    /// that its author proposes, which only go back to the component. Grants never come from a registry.
    pub(crate) fn configuration(&self) -> anyhow::Result<Value> {
        if let Some(proposal) = self.pulled.as_ref().and_then(Pulled::proposal) {
            return Ok(serde_json::json!({ "settings": proposal.settings() }));
        }
        let Some(sidecar) = self.sidecar() else { return Ok(Value::Object(Map::new())) };
        let invalid = |error: &dyn std::fmt::Display| Usage(format!("{} is not valid: {error}", sidecar.display()));
        let text = std::fs::read_to_string(&sidecar).map_err(|error| invalid(&error))?;
        // Read as what it is first: those errors name the line.
        let _typed: ProviderConfiguration = serde_saphyr::from_str(&text).map_err(|error| invalid(&error))?;
        let value: Value = serde_saphyr::from_str(&text).map_err(|error| invalid(&error))?;
        Ok(if value.is_null() { Value::Object(Map::new()) } else { value })
    }

    /// For the sandbox: the very bytes that were checked, or none.
    pub(crate) fn source(&self) -> Source<'_> {
        Source { path: &self.path, name: &self.name, digest: self.digest.as_deref() }
    }

    /// Loads it.
    pub(crate) async fn load(
        &self,
        sandbox: &Sandbox,
        configuration: ProviderConfiguration,
        keys: Arc<dyn KeySource>,
        metrics: Arc<Metrics>,
    ) -> Result<Plugin, lb_sandbox::Error> {
        sandbox.load(self.source(), configuration, keys, metrics).await
    }
}

/// The files that [`Component::find`] and [`Component::configuration`] read, to be watched: the component, the file and the
/// signature beside it. None for a provider of a registry.
pub(crate) fn files(options: &Options) -> Vec<PathBuf> {
    let Ok(provider) = named(options) else { return Vec::new() };
    if Reference::is_meant_by(provider) {
        return Vec::new();
    }
    let Ok(path) = local(provider, options) else { return Vec::new() };
    let mut files = vec![path.with_extension("yaml")];
    if !options.provider_trust.is_empty() {
        let mut signature = OsString::from(&path);
        signature.push(".sig");
        files.push(signature.into());
        files.extend(options.provider_trust.iter().cloned());
    }
    files.insert(0, path);
    files
}

/// Registries, by way of the cache below the state directory.
pub(crate) fn registry(options: &Options) -> anyhow::Result<Registry> {
    let mut registry = lb_registry::Options::new(options.state_dir().join("registry"));
    registry.docker_config.clone_from(&options.registry_config);
    registry.ca_file.clone_from(&options.registry_ca);
    registry.plain_http.clone_from(&options.registry_plain_http);
    if let Some(bytes) = options.registry_max_bytes {
        registry.max_component_bytes = bytes;
    }
    Ok(Registry::new(registry)?)
}

/// Whom the operator trusts; `None` if it was not asked for.
fn trust(options: &Options) -> anyhow::Result<Option<Trust>> {
    if options.provider_trust.is_empty() {
        return Ok(None);
    }
    Trust::from_files(&options.provider_trust).map(Some).context("--provider-trust")
}

async fn verify(trust: Trust, path: PathBuf) -> anyhow::Result<Verified> {
    let verified = tokio::task::spawn_blocking(move || trust.verify_file(&path)).await;
    Ok(verified.context("the check of a signature was cut short")??)
}

fn named(options: &Options) -> anyhow::Result<&str> {
    options.provider.as_deref().filter(|provider| !provider.is_empty()).ok_or_else(|| {
        let known = known(&plugin_dirs(options));
        Usage(format!("--provider is missing; {known}")).into()
    })
}

/// The file that a name or a path means.
fn local(provider: &str, options: &Options) -> anyhow::Result<PathBuf> {
    if provider.contains('/') || Path::new(provider).extension().is_some_and(|extension| extension == "wasm") {
        return Ok(PathBuf::from(provider));
    }
    let directories = plugin_dirs(options);
    let candidates = directories.iter().map(|directory| directory.join(format!("{provider}.wasm")));
    candidates.clone().find(|path| path.is_file()).ok_or_else(|| {
        let tried: Vec<_> = candidates.map(|path| path.display().to_string()).collect();
        Usage(format!(
            "there is no provider {provider:?}: looked for {}; {}, or choose another --plugin-dir",
            tried.join(" and "),
            known(&directories)
        ))
        .into()
    })
}

/// The directories to look in, first one first.
fn plugin_dirs(options: &Options) -> Vec<PathBuf> {
    if let Some(directory) = &options.plugin_dir {
        return vec![directory.clone()];
    }
    let program = std::env::current_exe().ok();
    let beside = program.iter().flat_map(|path| path.ancestors().skip(1).take(2)).map(|parent| parent.join("plugins"));
    beside.chain([PathBuf::from(SYSTEM_PLUGIN_DIR)]).collect()
}

/// What could be named, for an error message.
fn known(directories: &[PathBuf]) -> String {
    let entries = directories.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "wasm"))
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    names.dedup();
    if names.is_empty() { "no providers are installed".to_owned() } else { format!("known are: {}", names.join(", ")) }
}

#[cfg(test)]
mod tests;
