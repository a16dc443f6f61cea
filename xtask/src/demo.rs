//! `cargo xtask demo`: from a clean clone to an Ingress that serves traffic, with each claim checked on the way.

mod controller;
mod http;
mod load;
mod manifests;
mod scenes;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use self::{
    controller::{Controller, Ready},
    manifests::Manifests,
};
use crate::{
    command, plugins, prerequisites,
    terminal::{self, Step, bold, cyan, dim, green, headline, human},
    workspace::Workspace,
};

/// How long anything may take before the demo gives up. Far more than it ever needs.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn run(workspace: &Workspace, stay: bool) -> Result<()> {
    let begun = Instant::now();
    println!("{}  {}", bold("lb-controller"), dim("an Ingress becomes traffic, through a sandboxed provider"));

    headline("Prepare", "what is missing is installed where that is possible");
    prerequisites::rust(workspace)?;
    prerequisites::nginx(workspace)?;

    headline("Build", "some minutes the first time, seconds from then on");
    build(workspace)?;

    headline("Start", "a Kubernetes API, nginx and echo backends; no cluster needed");
    let manifests = Manifests::copy(&workspace.root.join("deploy/examples"), &workspace.fresh_directory("demo")?)?;
    let mut step = Step::begin("lb-controller dev --provider nginx");
    let mut controller = Controller::start(workspace, &manifests, &mut step)?;
    let ready = controller.ready()?;
    step.done(&format!("http {}, https {}", ready.http, ready.https));

    let requests = match play(&mut controller, &manifests, ready.http) {
        Ok(requests) => requests,
        Err(error) => {
            let log = workspace.target.join("demo-lb-controller.log");
            controller.save_log(&log)?;
            bail!("{error:#}\n\nThe log of the controller: {}", log.display());
        }
    };

    headline("Done", &format!("{} in all", human(begun.elapsed())));
    println!("  {} every Ingress served, {requests} requests, 0 failed, 3 attacks refused", green("✓"));
    if stay { stay_up(&mut controller, &manifests, &ready) } else { leave(&mut controller) }
}

fn build(workspace: &Workspace) -> Result<()> {
    plugins::providers(workspace)?;
    let mut step = Step::begin("lb-controller");
    build_controller(workspace, &mut step)?;
    step.done("");
    Ok(())
}

/// Features are resolved for the whole workspace, so that the tests find the same dependencies built.
pub(crate) fn build_controller(workspace: &Workspace, step: &mut Step) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--locked", "--workspace", "--bin", "lb-controller"]);
    command::run(step, &mut cargo, &workspace.target.join("build.log"))
}

/// Everything that is shown; returns how many requests were sent.
fn play(controller: &mut Controller, manifests: &Manifests, port: u16) -> Result<usize> {
    headline("Ingresses", "as `kubectl get ingress` shows them");
    scenes::ingresses(controller)?;

    headline("Traffic", "through nginx, each answer checked");
    let routed = scenes::routes(port)?;

    headline("Scaling", "by an edit of the manifest, under constant traffic");
    let scaled = scenes::scaling(manifests, port)?;

    headline("Attack", "Ingresses that try to smuggle nginx configuration in");
    let attacked = scenes::attack(controller, manifests, port)?;
    Ok(routed + scaled + attacked)
}

fn leave(controller: &mut Controller) -> Result<()> {
    controller.stop()?;
    println!("\n  Keep it up and play with it:  {}", cyan("cargo xtask demo --stay"));
    Ok(())
}

fn stay_up(controller: &mut Controller, manifests: &Manifests, ready: &Ready) -> Result<()> {
    headline("It stays up", "Ctrl-C ends it");
    let Ready { kubeconfig, log, http, https } = ready;
    for line in [
        format!("export KUBECONFIG={kubeconfig}"),
        "kubectl get ingress --watch".to_owned(),
        format!("curl -H 'Host: foo.bar.com' http://127.0.0.1:{http}/foo"),
        format!("curl -k --resolve shop.example.com:{https}:127.0.0.1 https://shop.example.com:{https}/cart"),
    ] {
        println!("  {}", cyan(&line));
    }
    println!("\n  Edit, add or delete a manifest here and it is applied:  {}", manifests.directory.display());
    println!("  {}", dim(&format!("log: {}", log.display())));
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
