//! Wiring: one controller, one provider.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use kube::config::{KubeConfigOptions, Kubeconfig};
use lb_kubernetes::{Keys, Readiness};
use lb_sandbox::{ControllerIdentity, Slot};
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::Admin,
    config::{Options, Usage},
    default_certificate,
    identity::{self, Identify},
    logging,
    plugin::{Loaded, Loader},
    swap::{self, Swapper},
};

/// Runs until SIGTERM or Ctrl-C.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let options = options.with_file()?;
    logging::to_stderr(options.log_format, options.log_level.as_deref())?;
    match options.controller.as_deref() {
        None | Some("kubernetes") => {}
        Some(other) => {
            return Err(Usage(format!("there is no controller {other:?}; known are: kubernetes")).into());
        }
    }
    let client = client(&options).await?;
    let shutdown = on_signal()?;
    let mut controller = Controller::start(client, options, shutdown).await?;
    controller.ended().await
}

/// A controller that runs.
pub(crate) struct Controller {
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
    /// Turns true once everything that there was at the start is served.
    pub(crate) readiness: Readiness,
    /// Where the admin API is, if anywhere.
    pub(crate) admin: Option<SocketAddr>,
}

impl Controller {
    /// Loads the provider and starts watching. Whatever is wrong with the options is found here.
    pub(crate) async fn start(
        client: kube::Client,
        options: Options,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let mut registry = Registry::default();
        let sandbox_metrics = lb_sandbox::Metrics::register(&mut registry);
        let metrics = lb_kubernetes::Metrics::register(&mut registry);
        let keys = Keys::new();
        let readiness = Readiness::new();

        let mut translate = options.translate()?;
        let publish = options.publish()?;
        let admin = options.admin()?;
        let chosen = options.controller_id.clone();
        chosen.as_deref().map(identity::check).transpose()?;
        let identity = ControllerIdentity::default();
        let telling =
            Identify { client: client.clone(), class: options.class().to_owned(), chosen, identity: identity.clone() };
        let loader = Loader::new(options.clone(), keys.clone(), sandbox_metrics, identity)?;
        let Loaded { plugin, fingerprint } = loader.load().await?;
        translate.default_certificate = Some(match options.default_certificate_secret()? {
            Some(secret) => default_certificate::from_secret(client.clone(), &secret, &keys).await?,
            None => default_certificate::self_signed(&keys)?,
        });
        let swap_metrics = swap::Metrics::register(&mut registry);
        let events =
            swap::Events::new(client.clone(), translate.controller_name.clone(), options.classes().name().to_owned());
        let (previews, preview_requests) = lb_kubernetes::previews();
        let asks_identity = plugin.asks_identity();
        let slot = Arc::new(Slot::new(plugin));
        let policy = options.swap_policy.unwrap_or_default();
        let swapper =
            Swapper::new(loader, slot.clone(), fingerprint, previews, telling.clone(), policy, swap_metrics, events);
        let swapper = Arc::new(swapper);
        let admin = match admin {
            Some(address) => {
                let admin = Admin { registry, readiness: readiness.clone(), swapper: swapper.clone() };
                Some(admin.serve(address, shutdown.clone()).await?)
            }
            None => None,
        };
        let options = lb_kubernetes::Options {
            translate,
            watch_namespaces: options.watch_namespace.clone(),
            publish,
            lease: options.lease(),
            resync: None,
        };
        let ready = readiness.clone();
        let task = tokio::spawn(async move {
            let run = async {
                if asks_identity {
                    tokio::select! {
                        told = telling.ensure() => told?,
                        () = shutdown.cancelled() => return Ok(()),
                    }
                }
                let watching = swap::watch(swapper, shutdown.clone());
                let provider = slot.clone();
                let running =
                    lb_kubernetes::run(client, options, provider, keys, metrics, ready, preview_requests, shutdown);
                let (ended, watched) = tokio::join!(running, watching);
                ended?;
                watched
            };
            let ended = run.await;
            slot.shutdown().await;
            ended
        });
        Ok(Self { task, readiness, admin })
    }

    /// Waits for the end.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        (&mut self.task).await.context("the controller panicked; this is a bug")?
    }
}

/// A client by flag, environment, or from inside a cluster.
async fn client(options: &Options) -> anyhow::Result<kube::Client> {
    let config = match &options.kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path)
                .map_err(|error| Usage(format!("--kubeconfig {}: {error}", path.display())))?;
            kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
                .await
                .with_context(|| format!("--kubeconfig {} cannot be used", path.display()))?
        }
        None => kube::Config::infer().await.context(
            "no Kubernetes API to talk to: give --kubeconfig or KUBECONFIG, or run inside a cluster; \
             to try without a cluster, run `lb-controller dev`",
        )?,
    };
    kube::Client::try_from(config).context("the Kubernetes client cannot be made")
}

/// A token that SIGTERM or Ctrl-C cancels. A second signal ends the process at once.
pub(crate) fn on_signal() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let cancelled = token.clone();
    tokio::spawn(async move {
        for round in 0..2 {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if round == 0 {
                tracing::info!("shutting down");
                cancelled.cancel();
            }
        }
        std::process::exit(1);
    });
    Ok(token)
}
