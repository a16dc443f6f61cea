//! A Rancher 1.x API to try things with: prints how to reach it, and serves until it is stopped.

use std::io::{IsTerminal, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};
use lb_rancher_double::{
    Agent, AgentOptions, Chaos, Clock, Exchange, Host, KeyKind, Options, Rancher, Server, ServerOptions,
};

const PROJECT: &str = "1a5";
/// How often it looks whether the kubeconfig is there.
const LOOK: Duration = Duration::from_millis(20);

/// A double of the Rancher 1.x API, in memory. Prints CATTLE_URL, CATTLE_ACCESS_KEY and CATTLE_SECRET_KEY.
#[derive(Parser, Debug)]
#[command(name = "rancher-double", version)]
struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Address of a host that runs load balancers; may be repeated.
    #[arg(long = "host", value_name = "ADDRESS", default_value = "203.0.113.1")]
    hosts: Vec<IpAddr>,
    /// Kubernetes whose Services appear in Rancher, as its agent makes them; waited for if the file is not there yet.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// How much later than in Kubernetes a Service appears.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    agent_delay: u64,
    /// How much faster than real time the server's work goes: at 10, a step of one second takes 100 ms.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Mixes faults into the answers, the same ones for the same seed.
    #[arg(long, value_name = "SEED")]
    chaos: Option<u64>,
    /// Prints a line for each write.
    #[arg(long, short)]
    verbose: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let stderr = std::io::stderr;
    tracing_subscriber::fmt().with_ansi(stderr().is_terminal()).with_writer(stderr).init();
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let rancher = Rancher::new(Options::default());
    for (number, address) in (1..).zip(&args.hosts) {
        let addresses = vec![address.to_string()];
        rancher.add_host(PROJECT, Host { name: format!("host-{number}"), addresses, ..Host::default() });
    }
    let key = rancher.add_key(KeyKind::Environment { project: PROJECT.to_owned() });
    let options = ServerOptions {
        address: args.listen,
        clock: Clock::Running { speed: args.speed },
        control: true,
        recorded: 1000,
        observer: if args.verbose { Some(Arc::new(print_write)) } else { None },
        ..ServerOptions::default()
    };
    let server = Server::start(rancher.clone(), options).await?;
    server.faults().set_chaos(args.chaos.map(Chaos::seeded));
    writeln!(
        std::io::stdout(),
        "CATTLE_URL={}\nCATTLE_ACCESS_KEY={}\nCATTLE_SECRET_KEY={}",
        server.base(PROJECT),
        key.access,
        key.secret
    )
    .context("cannot print how to reach the server")?;
    let agent = async {
        let _agent = match &args.kubeconfig {
            Some(path) => Some(agent(path, rancher, Duration::from_millis(args.agent_delay)).await?),
            None => None,
        };
        std::future::pending().await
    };
    tokio::select! {
        failed = agent => failed,
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot wait for an interrupt"),
    }
}

async fn agent(path: &PathBuf, rancher: Rancher, delay: Duration) -> anyhow::Result<Agent> {
    while !path.exists() {
        tokio::time::sleep(LOOK).await;
    }
    let unusable = || format!("the kubeconfig {} cannot be used", path.display());
    let kubeconfig = Kubeconfig::read_from(path).with_context(unusable)?;
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.with_context(unusable)?;
    let client = kube::Client::try_from(config).with_context(unusable)?;
    Ok(Agent::start_with(client, rancher, AgentOptions { project: PROJECT.to_owned(), delay }))
}

fn print_write(exchange: &Exchange) {
    eprintln!("{}  {}", exchange.time.strftime("%H:%M:%S"), exchange.summary());
}
