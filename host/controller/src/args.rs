//! The command line.

use std::{io, path::PathBuf};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::{config::Options, dev, provider, render, run};

/// An ingress controller with load-balancer providers of choice.
///
/// Watches Kubernetes, generates a generic load-balancer configuration, and has a provider make it real. Providers are
/// WebAssembly components that reach only what they were granted.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

const EXAMPLES: &str = "Examples:
  lb-controller --controller kubernetes --provider nginx --publish-address 203.0.113.7
  lb-controller dev --provider nginx -f deploy/examples/
  lb-controller render -f ingress.yaml
  lb-controller provider new my-lb";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a provider on an embedded Kubernetes API, with echo backends for the Services of the manifests.
    Dev(Box<dev::Args>),
    /// Print the generic configuration that a provider would get for some manifests.
    Render(Box<render::Args>),
    /// Write, check, inspect and publish providers.
    #[command(subcommand)]
    Provider(Box<provider::Command>),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

impl Args {
    /// Does what was asked.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self.command {
            None => run::run(self.options).await,
            Some(Command::Dev(args)) => dev::run(*args).await,
            Some(Command::Render(args)) => render::run(&args),
            Some(Command::Provider(command)) => command.run().await,
            Some(Command::Completions { shell }) => {
                clap_complete::generate(shell, &mut Self::command(), "lb-controller", &mut io::stdout());
                Ok(())
            }
        }
    }
}

/// Manifests to read.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Manifests {
    /// A manifest, or a directory of manifests (*.yaml, *.yml, *.json). May be given several times.
    #[arg(short, long = "filename", value_name = "PATH", required = true)]
    pub(crate) filename: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_flag_has_an_environment_variable() {
        for argument in Args::command().get_arguments() {
            if !matches!(argument.get_id().as_str(), "help" | "version") {
                assert!(argument.get_env().is_some(), "--{} has none", argument.get_id());
            }
        }
    }
}
