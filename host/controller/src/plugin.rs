//! Loads a provider: its component, with its configuration put together.

use std::{path::PathBuf, sync::Arc};

use lb_kubernetes::Keys;
use lb_sandbox::{ControllerIdentity, Metrics, Plugin, ProviderConfiguration, Sandbox, SandboxOptions};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    component::{self, Component},
    config::{Bound, Options, Usage},
};

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
        let sandbox = Sandbox::new(SandboxOptions { cache_dir, controller, ..SandboxOptions::default() })?;
        Ok(Self { options, sandbox, keys, metrics })
    }

    /// Loads the component and its configuration as they are now.
    pub(crate) async fn load(&self) -> anyhow::Result<Loaded> {
        let component = Component::find(&self.options).await?;
        let (configuration, text) = configuration(&self.options.reread()?, &component)?;
        let plugin = component.load(&self.sandbox, configuration, self.keys.clone(), self.metrics.clone()).await?;
        tracing::info!(
            provider = plugin.name(),
            binding = self.options.bound.as_ref().map(Bound::name),
            version = plugin.version(),
            digest = plugin.digest(),
            component = %component.name().display(),
            signed_by = component.signed_by().map(|key| tracing::field::display(key.display())),
            "provider loaded"
        );
        let fingerprint = format!("{}-{}", plugin.digest(), hex::encode(Sha256::digest(text)));
        Ok(Loaded { plugin, fingerprint })
    }

    /// The directory that the provider would be granted.
    pub(crate) async fn directory(&self) -> anyhow::Result<Option<PathBuf>> {
        let (configuration, _) = configuration(&self.options, &Component::find(&self.options).await?)?;
        Ok(configuration.grants.files.map(|files| files.path))
    }

    /// Makes a plugin that was replaced ready to be called again.
    pub(crate) async fn reopen(&self, plugin: &Plugin) -> anyhow::Result<Plugin> {
        Ok(self.sandbox.reopen(plugin).await?)
    }

    /// The files that the next load reads.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        component::files(&self.options).into_iter().chain(self.options.config.clone()).collect()
    }
}

/// The configuration that came with the component, overridden key by key by the operator's file. Also as text, by which two
/// can be told apart.
pub(crate) fn configuration(
    options: &Options,
    component: &Component,
) -> anyhow::Result<(ProviderConfiguration, String)> {
    let mut merged = component.configuration()?;
    if options.provider_part.is_object() {
        merge(&mut merged, &options.provider_part);
    }
    let text = merged.to_string();
    let mut configuration: ProviderConfiguration = serde_json::from_value(merged)
        .map_err(|error| Usage(format!("settings, grants and limits of {}: {error}", component.name().display())))?;
    if let Some(files) = &mut configuration.grants.files {
        files.path = options.provider_dir().join(&files.path);
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
}
