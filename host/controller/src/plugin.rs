//! Finds a provider's component and puts its configuration together.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use lb_kubernetes::Keys;
use lb_sandbox::{ControllerIdentity, Metrics, Plugin, ProviderConfiguration, Sandbox, SandboxOptions};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::config::{Options, Usage};

/// Where distributions put providers.
const SYSTEM_PLUGIN_DIR: &str = "/usr/lib/lb-controller/plugins";

/// Loads the provider that the options name, as often as it is asked to.
pub(crate) struct Loader {
    options: Options,
    sandbox: Sandbox,
    keys: Arc<Keys>,
    metrics: Arc<Metrics>,
}

/// A provider, and what tells it from another one.
pub(crate) struct Loaded {
    pub(crate) plugin: Plugin,
    /// Equal for the same component with the same configuration.
    pub(crate) fingerprint: String,
}

impl Loader {
    /// Sets the sandbox up.
    pub(crate) fn new(
        options: Options,
        keys: Arc<Keys>,
        metrics: Arc<Metrics>,
        controller: ControllerIdentity,
    ) -> anyhow::Result<Self> {
        let cache_dir = Some(options.state_dir().join("cache"));
        let sandbox = Sandbox::new(SandboxOptions { cache_dir, controller })?;
        Ok(Self { options, sandbox, keys, metrics })
    }

    /// Loads the component and its configuration as they are now.
    pub(crate) async fn load(&self) -> anyhow::Result<Loaded> {
        let component = find(&self.options)?;
        let (configuration, text) = configuration(&self.options.reread()?, &component)?;
        let plugin = self.sandbox.load(&component, configuration, self.keys.clone(), self.metrics.clone()).await?;
        tracing::info!(
            provider = plugin.name(),
            version = plugin.version(),
            digest = plugin.digest(),
            component = %component.display(),
            "provider loaded"
        );
        let fingerprint = format!("{}-{}", plugin.digest(), hex::encode(Sha256::digest(text)));
        Ok(Loaded { plugin, fingerprint })
    }

    /// Makes a plugin that was replaced ready to be called again.
    pub(crate) async fn reopen(&self, plugin: &Plugin) -> anyhow::Result<Plugin> {
        Ok(self.sandbox.reopen(plugin).await?)
    }

    /// The files that the next load reads.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let component = find(&self.options).ok();
        let sidecar = component.as_ref().map(|path| path.with_extension("yaml"));
        component.into_iter().chain(sidecar).chain(self.options.config.clone()).collect()
    }
}

/// The path of the component.
fn find(options: &Options) -> anyhow::Result<PathBuf> {
    let Some(provider) = options.provider.as_deref() else {
        let known = known(&plugin_dirs(options));
        return Err(Usage(format!("--provider is missing; {known}")).into());
    };
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

/// The configuration beside the component (`nginx.yaml` for `nginx.wasm`), overridden key by key by the operator's file.
/// Also as text, by which two can be told apart.
fn configuration(options: &Options, component: &Path) -> anyhow::Result<(ProviderConfiguration, String)> {
    let sidecar = component.with_extension("yaml");
    let mut merged = Value::Object(serde_json::Map::new());
    if sidecar.is_file() {
        let invalid = |error: &dyn std::fmt::Display| Usage(format!("{} is not valid: {error}", sidecar.display()));
        let text = std::fs::read_to_string(&sidecar).map_err(|error| invalid(&error))?;
        // Read as what it is first: those errors name the line.
        let _typed: ProviderConfiguration = serde_saphyr::from_str(&text).map_err(|error| invalid(&error))?;
        merged = serde_saphyr::from_str(&text).map_err(|error| invalid(&error))?;
    }
    if options.provider_part.is_object() {
        merge(&mut merged, &options.provider_part);
    }
    let text = merged.to_string();
    let mut configuration: ProviderConfiguration = serde_json::from_value(merged)
        .map_err(|error| Usage(format!("settings, grants and limits of {}: {error}", component.display())))?;
    if let Some(files) = &mut configuration.grants.files {
        files.path = options.state_dir().join(&files.path);
    }
    Ok((configuration, text))
}

/// A JSON merge patch (RFC 7396): `null` takes a key away.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(object) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            object.remove(key);
        } else {
            merge(object.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_merge_key_by_key() {
        let mut target = serde_json::json!({"a": 1, "b": {"c": 2, "d": 3}});
        merge(&mut target, &serde_json::json!({"b": {"c": null, "e": 4}, "f": 5}));
        assert_eq!(target, serde_json::json!({"a": 1, "b": {"d": 3, "e": 4}, "f": 5}));
    }

    #[test]
    fn a_provider_that_is_not_there_is_told_with_what_is() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("other.wasm"), b"").unwrap();
        let options = Options {
            provider: Some("nginx".to_owned()),
            plugin_dir: Some(directory.path().to_owned()),
            ..Options::default()
        };
        let error = find(&options).unwrap_err().to_string();
        assert!(error.contains("nginx.wasm") && error.contains("known are: other"), "{error}");
    }
}
