//! `lb-controller provider`: what authors of providers need, and operators who look at a stranger's one.

mod bench;
mod check;
mod inspect;
mod key;
mod new;
mod page;
mod publish;
mod record;
mod replay;
mod schema;
mod test;
mod trial;

use std::path::PathBuf;

use clap::Subcommand;
use lb_sandbox::{Inspection, Sandbox, SandboxOptions};

use crate::{component::Component, config::Options};

/// What can be done with a provider.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a project that builds: a small provider with its tests, the SDK and the contract.
    New(new::Args),
    /// Tell whether a component is a provider that this controller runs, and what it would need to be granted.
    Check(check::Args),
    /// Show what a provider is: what it can do, what it asks for, its settings.
    Inspect(inspect::Args),
    /// Put a component to the test: what it keeps of the contract, clause by clause.
    Test(test::Args),
    /// Measure what the calls of a provider take.
    Bench(bench::Args),
    /// Write down what a provider asks of an API.
    Record(record::Args),
    /// Play a recording to a provider in the place of the API, and tell what it does otherwise.
    Replay(replay::Args),
    /// Push a component to a registry, and sign it.
    Push(publish::PushArgs),
    /// Sign a component that is handed on as a file.
    Sign(publish::SignArgs),
    /// Make a pair of keys to sign with.
    Keygen(key::Args),
}

impl Command {
    /// Does it.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::New(args) => new::run(&args),
            Self::Check(args) => check::run(args).await,
            Self::Inspect(args) => inspect::run(args).await,
            Self::Test(args) => test::run(args).await,
            Self::Bench(args) => bench::run(args).await,
            Self::Record(args) => record::run(args).await,
            Self::Replay(args) => replay::run(args).await,
            Self::Push(args) => publish::push(args).await,
            Self::Sign(args) => publish::sign(&args),
            Self::Keygen(args) => key::run(&args),
        }
    }
}

/// A provider, and how to get at it. The same flags as those of the controller.
#[derive(Debug, clap::Args)]
struct Target {
    /// The provider: a name in the plugin directory, the path of a component, or oci://registry/repository:tag@sha256:...
    #[arg(value_name = "NAME|PATH|OCI")]
    provider: String,
    /// Where providers are looked for [default: beside the program, then /usr/lib/lb-controller/plugins]
    #[arg(long, env = "LB_CONTROLLER_PLUGIN_DIR", value_name = "DIR")]
    plugin_dir: Option<PathBuf>,
    /// A public key; a provider that none of these keys signed is refused; may be given several times
    #[arg(long, env = "LB_CONTROLLER_PROVIDER_TRUST", value_name = "FILE", value_delimiter = ',')]
    provider_trust: Vec<PathBuf>,
    #[command(flatten)]
    registry: RegistryFlags,
}

/// How to get at registries. The same flags as those of the controller.
#[derive(Debug, clap::Args)]
struct RegistryFlags {
    /// Where pulled and compiled components are kept [default: as for the controller]
    #[arg(long, env = "LB_CONTROLLER_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The credentials for registries: a docker config.json [default: anonymous]
    #[arg(long, env = "LB_CONTROLLER_REGISTRY_CONFIG", value_name = "FILE")]
    registry_config: Option<PathBuf>,
    /// Certificate authorities to trust besides those of the system
    #[arg(long, env = "LB_CONTROLLER_REGISTRY_CA", value_name = "FILE")]
    registry_ca: Option<PathBuf>,
    /// A registry that is spoken to without TLS; may be given several times
    #[arg(long, env = "LB_CONTROLLER_REGISTRY_PLAIN_HTTP", value_name = "HOST[:PORT]", value_delimiter = ',')]
    registry_plain_http: Vec<String>,
    /// The largest component that is pulled or pushed, in bytes [default: 268435456]
    #[arg(long, env = "LB_CONTROLLER_REGISTRY_MAX_BYTES", value_name = "BYTES")]
    registry_max_bytes: Option<u64>,
}

impl RegistryFlags {
    fn options(self) -> Options {
        Options {
            state_dir: self.state_dir,
            registry_config: self.registry_config,
            registry_ca: self.registry_ca,
            registry_plain_http: self.registry_plain_http,
            registry_max_bytes: self.registry_max_bytes,
            ..Options::default()
        }
    }
}

impl Target {
    fn options(self) -> Options {
        Options {
            provider: Some(self.provider),
            plugin_dir: self.plugin_dir,
            provider_trust: self.provider_trust,
            ..self.registry.options()
        }
    }
}

/// Compiles a component and has it describe itself. It is granted nothing.
async fn inspection(component: &Component, options: &Options) -> anyhow::Result<Inspection> {
    let cache_dir = Some(options.state_dir().join("cache"));
    let sandbox = Sandbox::new(SandboxOptions { cache_dir, ..SandboxOptions::default() })?;
    Ok(sandbox.inspect(component.source()).await?)
}
