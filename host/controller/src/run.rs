//! Wiring: one controller, its providers.

mod bound;

use std::net::SocketAddr;

use anyhow::Context;
use futures::future::{join_all, try_join_all};
use kube::config::{KubeConfigOptions, Kubeconfig};
use lb_kubernetes::{Keys, Readiness};
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::bound::{Ground, Provider};
use crate::{
    admin::Admin,
    config::{Options, Usage},
    logging, swap,
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
    /// Loads the providers and starts watching. Whatever is wrong with the options is found here.
    pub(crate) async fn start(
        client: kube::Client,
        options: Options,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let mut registry = Registry::default();
        let metrics = lb_kubernetes::Metrics::register(&mut registry);
        let keys = Keys::new();
        let readiness = Readiness::new();
        let admin = options.admin()?;
        let mut ground = Ground::new(client.clone(), keys.clone(), &mut registry);
        let mut providers = Vec::new();
        for options in options.of_each_provider()? {
            providers.push(Box::pin(ground.load(options)).await?);
        }
        bound::check_ports(&providers)?;
        let swappers: Vec<_> = providers.iter().map(|provider| provider.swapper.clone()).collect();
        let admin = match admin {
            Some(address) => {
                let admin = Admin { registry, readiness: readiness.clone(), swappers };
                Some(admin.serve(address, shutdown.clone()).await?)
            }
            None => None,
        };
        let options = lb_kubernetes::Options {
            controller_name: options.controller_class().to_owned(),
            watch_namespaces: options.watch_namespace.clone(),
            lease: options.lease(),
            resync: None,
            linger: options.linger(),
        };
        let ready = readiness.clone();
        let task = tokio::spawn(async move {
            let (bindings, rest): (Vec<_>, Vec<_>) = providers.into_iter().map(Provider::parts).unzip();
            let run = async {
                for running in &rest {
                    tokio::select! {
                        told = running.identify() => told?,
                        () = shutdown.cancelled() => return Ok(()),
                    }
                }
                let watching = try_join_all(rest.iter().map(|it| swap::watch(it.swapper.clone(), shutdown.clone())));
                let running = lb_kubernetes::run(client, options, bindings, keys, metrics, ready, shutdown.clone());
                let (ended, watched) = tokio::join!(running, watching);
                ended?;
                watched.map(drop)
            };
            let ended = run.await;
            join_all(rest.iter().map(|it| it.swapper.slot.shutdown())).await;
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
