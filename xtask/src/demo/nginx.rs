//! `cargo xtask demo`: an Ingress becomes traffic through nginx.

mod load;
mod scenes;

use std::time::Instant;

use anyhow::Result;

use super::{
    controller::{Controller, Launch, Ready},
    manifests::Manifests,
};
use crate::{
    prerequisites,
    terminal::{Step, green, headline, human},
    workspace::Workspace,
};

pub(crate) fn run(workspace: &Workspace, stay: bool) -> Result<()> {
    let begun = Instant::now();
    super::title("an Ingress becomes traffic, through a sandboxed provider");

    headline("Prepare", "what is missing is installed where that is possible");
    prerequisites::rust(workspace)?;
    prerequisites::nginx(workspace)?;
    super::build(workspace, &["lb-controller"])?;

    headline("Start", "a Kubernetes API, nginx and echo backends; no cluster needed");
    let manifests = super::copy_manifests(workspace, "examples", "nginx")?;
    let mut step = Step::begin("lb-controller dev --provider nginx");
    let launch = Launch { provider: "nginx", manifests: &manifests, arguments: &[], environment: &[] };
    let mut controller = Controller::start(workspace, &launch, &mut step)?;
    let ready = controller.ready()?;
    step.done(&format!("http {}, https {}", ready.http, ready.https));

    let shown = play(&mut controller, &manifests, ready.http);
    let requests = super::explained(workspace, &controller, shown, &[])?;

    headline("Done", &format!("{} in all", human(begun.elapsed())));
    println!("  {} every Ingress served, {requests} requests, 0 failed, 3 attacks refused", green("✓"));
    super::end(&mut controller, &manifests, stay.then(|| try_it(&ready)).as_deref(), "cargo xtask demo --stay")
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

/// What to type while it stays up.
fn try_it(ready: &Ready) -> Vec<String> {
    let Ready { kubeconfig, http, https, .. } = ready;
    vec![
        format!("export KUBECONFIG={kubeconfig}"),
        "kubectl get ingress --watch".to_owned(),
        format!("curl -H 'Host: foo.bar.com' http://127.0.0.1:{http}/foo"),
        format!("curl -k --resolve shop.example.com:{https}:127.0.0.1 https://shop.example.com:{https}/cart"),
    ]
}
