//! `cargo xtask demo`: from a clean clone to Ingresses that are served, with each claim checked on the way.

mod controller;
mod http;
mod manifests;
mod nginx;
mod process;
mod rancher;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use self::{controller::Controller, manifests::Manifests};
pub(crate) use self::{nginx::run as nginx, rancher::run as rancher};
use crate::{
    command, plugins,
    terminal::{self, Step, bold, cyan, dim, headline},
    workspace::Workspace,
};

/// How long anything may take before the demo gives up. Far more than it ever needs.
const PATIENCE: Duration = Duration::from_mins(2);

/// The first line.
fn title(text: &str) {
    println!("{}  {}", bold("lb-controller"), dim(text));
}

/// The providers and the programs that are shown.
fn build(workspace: &Workspace, programs: &[&str]) -> Result<()> {
    headline("Build", "some minutes the first time, seconds from then on");
    plugins::providers(workspace)?;
    let mut step = Step::begin(&programs.join(", "));
    build_programs(workspace, &mut step, programs)?;
    step.done("");
    Ok(())
}

/// Features are resolved for the whole workspace, so that the tests find the same dependencies built.
pub(crate) fn build_programs(workspace: &Workspace, step: &mut Step, programs: &[&str]) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--locked", "--workspace"]);
    for program in programs {
        cargo.args(["--bin", program]);
    }
    command::run(step, &mut cargo, &workspace.target.join("build.log"))
}

/// A copy of the examples that the demo may edit, in a directory of its own.
fn copy_manifests(workspace: &Workspace, examples: &str, name: &str) -> Result<Manifests> {
    let directory = workspace.fresh_directory(&format!("demo-{name}"))?.join("manifests");
    Manifests::copy(&workspace.root.join("deploy").join(examples), &directory)
}

/// What was shown; if it failed, with the logs that tell why.
fn explained<T>(workspace: &Workspace, controller: &Controller, shown: Result<T>, other_logs: &[PathBuf]) -> Result<T> {
    let Err(error) = shown else { return shown };
    let log = workspace.target.join("demo-lb-controller.log");
    let saved = match controller.save_log(&log) {
        Ok(()) => log.display().to_string(),
        Err(unsaved) => format!("{unsaved:#}"),
    };
    let logs: Vec<_> = std::iter::once(saved).chain(other_logs.iter().map(|log| log.display().to_string())).collect();
    bail!("{error:#}\n\nThe log of the controller, then others: {}", logs.join(", "))
}

/// Ends the demo, or keeps it up and says what to type.
fn end(controller: &mut Controller, manifests: &Manifests, stay: Option<&[String]>, command: &str) -> Result<()> {
    let Some(lines) = stay else {
        controller.stop()?;
        println!("\n  Keep it up and play with it:  {}", cyan(command));
        return Ok(());
    };
    headline("It stays up", "Ctrl-C ends it");
    for line in lines {
        println!("  {}", cyan(line));
    }
    println!("\n  Edit, add or delete a manifest here and it is applied:  {}", manifests.directory.display());
    println!("  {}", dim(&format!("log: {}", controller.ready()?.log.display())));
    controller.wait().context("while it stayed up")
}

/// Waits for something that is about to happen.
fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!("{what} did not happen within {}", terminal::human(PATIENCE))));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
