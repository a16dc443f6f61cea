//! A provider with all that belongs to it, loaded and ready to be run.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use lb_kubernetes::{Binding, Keys};
use lb_model::types::{Certificate, Placement, Scope};
use lb_sandbox::{ControllerIdentity, Slot};
use prometheus_client::registry::Registry;

use crate::{
    config::{Bound, Options, Usage},
    default_certificate,
    identity::{self, Identify},
    plugin::{Loaded, Loader},
    swap::{self, Swapper},
};

/// What all providers stand on.
pub(super) struct Ground {
    client: kube::Client,
    keys: Arc<Keys>,
    sandbox_metrics: Arc<lb_sandbox::Metrics>,
    swap_metrics: swap::Metrics,
    /// Made once it is needed.
    self_signed: Option<Arc<Certificate>>,
    /// The directories that providers may write to, by their names.
    directories: Vec<(String, PathBuf)>,
}

/// A provider that is loaded.
pub(super) struct Provider {
    pub(super) swapper: Arc<Swapper>,
    binding: Binding,
    asks_identity: bool,
}

/// What is left of a provider once the Kubernetes side has its own.
pub(super) struct Running {
    pub(super) swapper: Arc<Swapper>,
    asks_identity: bool,
}

impl Ground {
    pub(super) fn new(client: kube::Client, keys: Arc<Keys>, registry: &mut Registry) -> Self {
        Self {
            client,
            keys,
            sandbox_metrics: lb_sandbox::Metrics::register(registry),
            swap_metrics: swap::Metrics::register(registry),
            self_signed: None,
            directories: Vec::new(),
        }
    }

    /// Loads the provider that these options name.
    pub(super) async fn load(&mut self, options: Options) -> anyhow::Result<Provider> {
        let name = options.bound.as_ref().map(|bound| bound.name().to_owned());
        let loaded = self.try_load(options).await;
        match name {
            // A mistake in the options stays one.
            Some(name) => loaded.map_err(|error| match error.downcast::<Usage>() {
                Ok(Usage(text)) => Usage(format!("providers.{name}: {text}")).into(),
                Err(error) => error.context(format!("providers.{name}")),
            }),
            None => loaded,
        }
    }

    async fn try_load(&mut self, options: Options) -> anyhow::Result<Provider> {
        let client = self.client.clone();
        let mut translate = options.translate()?;
        let publish = options.publish()?;
        let chosen = options.controller_id.clone();
        chosen.as_deref().map(identity::check).transpose()?;
        let identity = ControllerIdentity::default();
        let class = options.classes().name().to_owned();
        let telling =
            Identify { client: client.clone(), class: options.class().to_owned(), chosen, identity: identity.clone() };
        let loader = Loader::new(options.clone(), self.keys.clone(), self.sandbox_metrics.clone(), identity)?;
        if let Some(bound) = &options.bound {
            self.reserve(bound.name(), loader.directory().await?)?;
        }
        let Loaded { plugin, fingerprint } = loader.load().await?;
        translate.default_certificate = Some(match options.default_certificate_secret()? {
            Some(secret) => default_certificate::from_secret(client.clone(), &secret, &self.keys).await?,
            None => self.self_signed()?,
        });
        let events = swap::Events::new(client, translate.controller_name.clone(), class.clone());
        let (previews, preview_requests) = lb_kubernetes::previews();
        let asks_identity = plugin.asks_identity();
        let name = options.bound.as_ref().map_or_else(|| plugin.name(), Bound::name).to_owned();
        let slot = Arc::new(Slot::new(plugin));
        let binding =
            Binding { name: name.clone(), translate, publish, provider: slot.clone(), previews: preview_requests };
        let policy = options.swap_policy.unwrap_or_default();
        let metrics = self.swap_metrics.clone();
        let swapper = Swapper::new(name, class, loader, slot, fingerprint, previews, telling, policy, metrics, events);
        Ok(Provider { swapper: Arc::new(swapper), binding, asks_identity })
    }

    /// Makes sure that nobody else writes to the directory of a provider.
    fn reserve(&mut self, name: &str, directory: Option<PathBuf>) -> Result<(), Usage> {
        let Some(directory) = directory else { return Ok(()) };
        let overlaps = |theirs: &Path| directory.starts_with(theirs) || theirs.starts_with(&directory);
        if let Some((other, theirs)) = self.directories.iter().find(|(_, theirs)| overlaps(theirs)) {
            return Err(Usage(format!(
                "{} and {} of providers.{other} are not apart: give one of them another grants.files.path",
                directory.display(),
                theirs.display()
            )));
        }
        self.directories.push((name.to_owned(), directory));
        Ok(())
    }

    fn self_signed(&mut self) -> anyhow::Result<Arc<Certificate>> {
        let certificate = match self.self_signed.take() {
            Some(certificate) => certificate,
            None => default_certificate::self_signed(&self.keys)?,
        };
        Ok(self.self_signed.insert(certificate).clone())
    }
}

impl Provider {
    /// For the Kubernetes side, and the rest.
    pub(super) fn parts(self) -> (Binding, Running) {
        (self.binding, Running { swapper: self.swapper, asks_identity: self.asks_identity })
    }

    /// The ports that it opens on this machine: each with the key of the options that chose it.
    fn ports(&self) -> Vec<(u16, &'static str)> {
        let descriptor = self.binding.provider.descriptor();
        if descriptor.scope != Scope::PerClass || descriptor.placement != Placement::EveryReplica {
            return Vec::new();
        }
        let translate = &self.binding.translate;
        let streams = translate.streams.iter().map(|stream| (stream.port, "streams"));
        [(translate.http_port, "http-port"), (translate.https_port, "https-port")].into_iter().chain(streams).collect()
    }
}

impl Running {
    /// Makes sure that the provider knows for whom it works, if it asks.
    pub(super) async fn identify(&self) -> anyhow::Result<()> {
        if self.asks_identity { self.swapper.identify.ensure().await } else { Ok(()) }
    }
}

/// Checks that no two providers open the same port.
pub(super) fn check_ports(providers: &[Provider]) -> anyhow::Result<()> {
    for (index, one) in providers.iter().enumerate() {
        for other in &providers[index + 1..] {
            let (name, other_name) = (&one.binding.name, &other.binding.name);
            for (port, key) in one.ports() {
                if let Some((_, theirs)) = other.ports().into_iter().find(|(theirs, _)| *theirs == port) {
                    let message = format!(
                        "providers.{name} and providers.{other_name} would both listen on port {port} of this machine: give \
                         one of them another {key} or {theirs}"
                    );
                    return Err(Usage(message).into());
                }
            }
        }
    }
    Ok(())
}
