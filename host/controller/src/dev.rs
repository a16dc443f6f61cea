//! `lb-controller dev`: a provider on an embedded Kubernetes API, no cluster needed.

mod apply;
mod echo;
mod output;
mod screen;
mod workload;

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use kube::config::{KubeConfigOptions, Kubeconfig};
use lb_devcluster::DevCluster;
use tokio::task::JoinSet;

use crate::{
    args::Manifests,
    config::Options,
    logging,
    run::{Controller, on_signal},
};

/// Options of `dev`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    manifests: Manifests,
    /// The address that the load balancer is reached at.
    #[arg(long, env = "LB_CONTROLLER_DEV_ADDRESS", value_name = "IP", default_value = "127.0.0.1")]
    address: IpAddr,
    /// Where to write the kubeconfig [default: in the state directory]
    #[arg(long, env = "LB_CONTROLLER_DEV_KUBECONFIG_OUT", value_name = "FILE")]
    kubeconfig_out: Option<PathBuf>,
    /// `table` for people, `json` for programs: one object for each line.
    #[arg(short, long, env = "LB_CONTROLLER_DEV_OUTPUT", value_name = "FORMAT", default_value = "table")]
    output: output::Format,
    #[command(flatten)]
    options: Options,
}

/// Runs until SIGTERM or Ctrl-C.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut options = args.options.with_file()?;
    let temporary = match &options.state_dir {
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("--state-dir {} cannot be made", directory.display()))?;
            None
        }
        None => Some(temporary_state_dir()?),
    };
    if let Some(temporary) = &temporary {
        options.state_dir = Some(temporary.path().to_owned());
    }
    let state_dir = std::path::absolute(options.state_dir())?;
    options.state_dir = Some(state_dir.clone());
    let log = state_dir.join("lb-controller.log");
    logging::to_file(&log, options.log_level.as_deref())?;

    options.http_port = Some(options.http_port.map_or_else(|| free_port(80, 8080), Ok)?);
    options.https_port = Some(options.https_port.map_or_else(|| free_port(443, 8443), Ok)?);
    options.publish_address = vec![args.address.to_string()];
    options.admin_address.get_or_insert_with(|| "127.0.0.1:0".to_owned());
    options.leader_elect.get_or_insert(false);
    // The embedded cluster is another one at each start: what an earlier `dev` left in a shared API is still ours.
    options
        .controller_id
        .get_or_insert_with(|| format!("dev/{}", rustix::system::uname().nodename().to_string_lossy()));

    let cluster = DevCluster::start(lb_devcluster::Options::default()).await.context("the embedded Kubernetes API")?;
    let kubeconfig = args.kubeconfig_out.unwrap_or_else(|| state_dir.join("kubeconfig"));
    write_whole(&kubeconfig, &cluster.kubeconfig())
        .with_context(|| format!("the kubeconfig {} cannot be written", kubeconfig.display()))?;
    let client = client(&kubeconfig).await?;

    let shutdown = on_signal()?;
    let mut tasks = JoinSet::new();
    let (applier, problems) = apply::Applier::start(client.clone(), args.manifests.filename).await?;
    let mut controller = Controller::start(client.clone(), options.clone(), shutdown.clone()).await?;
    let start = output::Start {
        api: cluster.url(),
        kubeconfig: kubeconfig.clone(),
        http: SocketAddr::new(args.address, options.http_port.unwrap_or(80)),
        https: SocketAddr::new(args.address, options.https_port.unwrap_or(443)),
        admin: controller.admin,
        log: log.clone(),
        provider: options.names(),
    };
    tasks.spawn(workload::run(client.clone(), shutdown.clone()));
    let readiness = controller.readiness.clone();
    let ended = tokio::select! {
        ended = controller.ended() => Some(ended),
        () = readiness.ready() => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        let output = output::Output::new(args.output, &start);
        for problem in problems {
            output.problem(&problem);
        }
        tasks.spawn(applier.watch(output.clone(), shutdown.clone()));
        tasks.spawn(output.run(client, shutdown.clone()));
        controller.ended().await
    };
    shutdown.cancel();
    while let Some(task) = tasks.join_next().await {
        task.context("a task of dev panicked; this is a bug")??;
    }
    cluster.stop().await;
    if ended.is_err() {
        eprintln!("the log is in {}", log.display());
        if let Some(temporary) = temporary {
            let _kept = temporary.keep();
        }
    }
    ended
}

/// A directory that nginx's workers may enter, whoever they run as.
fn temporary_state_dir() -> anyhow::Result<tempfile::TempDir> {
    let directory = tempfile::Builder::new().prefix("lb-controller-dev-").tempdir()?;
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))?;
    Ok(directory)
}

/// Writes a file in one step: whoever waits for it never reads half of it.
fn write_whole(path: &Path, text: &str) -> anyhow::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut staged = tempfile::NamedTempFile::new_in(directory)?;
    staged.write_all(text.as_bytes())?;
    staged.persist(path)?;
    Ok(())
}

/// The usual port, or another one where it cannot be had.
fn free_port(usual: u16, other: u16) -> anyhow::Result<u16> {
    let free = |port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).and_then(|listener| listener.local_addr());
    let address = free(usual).or_else(|_| free(other)).or_else(|_| free(0)).context("no port is free")?;
    Ok(address.port())
}

async fn client(kubeconfig: &Path) -> anyhow::Result<kube::Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(kube::Client::try_from(config)?)
}
