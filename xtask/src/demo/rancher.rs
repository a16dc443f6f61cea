//! `cargo xtask demo rancher`: each Ingress becomes a load balancer of Rancher.

mod double;
mod ledger;
mod scenes;
mod secrets;
mod stranger;
mod trail;

use std::{ffi::OsStr, fs, path::PathBuf, time::Instant};

use anyhow::{Context, Result};

use self::{double::Double, ledger::Ledger, stranger::Stranger};
use super::{
    controller::{Controller, Launch},
    manifests::Manifests,
};
use crate::{
    prerequisites,
    terminal::{Step, green, headline, human},
    workspace::Workspace,
};

/// The hosts of the Rancher, addresses that documentation may use.
const HOSTS: [&str; 6] =
    ["203.0.113.11", "203.0.113.12", "203.0.113.13", "203.0.113.14", "203.0.113.15", "203.0.113.16"];
/// Laid over the provider's own configuration: a Rancher on this machine is not what one expects of a grant.
const CONFIGURATION: &str = "grants:\n  http:\n    rancher:\n      allow-addresses: [loopback]\n";

/// Everything that is running.
struct Stage {
    controller: Controller,
    double: Double,
    manifests: Manifests,
    stranger: Stranger,
    ledger: Ledger,
}

pub(crate) fn run(workspace: &Workspace, stay: bool) -> Result<()> {
    let begun = Instant::now();
    super::title("each Ingress becomes a load balancer of Rancher, through a sandboxed provider");

    headline("Prepare", "what is missing is installed where that is possible");
    prerequisites::rust(workspace)?;
    super::build(workspace, &["lb-controller", "rancher-double"])?;

    headline("Start", "a double of Rancher that is as strict as the server, and a Kubernetes API");
    let mut stage = Stage::set(workspace)?;
    let shown = play(&mut stage);
    let sum = super::explained(workspace, &stage.controller, shown, &[stage.double.log()])?;

    headline("Done", &format!("{} in all", human(begun.elapsed())));
    println!("  {} {sum}", green("✓"));
    let hints = if stay { Some(try_it(&stage)?) } else { None };
    super::end(&mut stage.controller, &stage.manifests, hints.as_deref(), "cargo xtask demo rancher --stay")
}

impl Stage {
    fn set(workspace: &Workspace) -> Result<Self> {
        let manifests = super::copy_manifests(workspace, "examples-rancher", "rancher")?;
        let configuration = manifests.directory.with_file_name("lb-controller.yaml");
        let kubeconfig = manifests.directory.with_file_name("kubeconfig");
        fs::write(&configuration, CONFIGURATION)
            .with_context(|| format!("cannot write {}", configuration.display()))?;

        let step = Step::begin("rancher-double");
        let double = Double::start(workspace, &HOSTS, &kubeconfig)?;
        step.done(&format!("{}, {} hosts", double.url(), double.hosts()?.len()));

        let mut step = Step::begin("a stranger's load balancer in our stack");
        let stranger = Stranger::make(&double, &mut step)?;
        step.done(&stranger.name);

        let mut step = Step::begin("lb-controller dev --provider rancher");
        let launch = Launch {
            provider: "rancher",
            manifests: &manifests,
            arguments: &[
                OsStr::new("--config"),
                configuration.as_os_str(),
                OsStr::new("--kubeconfig-out"),
                kubeconfig.as_os_str(),
                // The ports of load balancers that run elsewhere: whether they are free here does not matter.
                OsStr::new("--http-port=80"),
                OsStr::new("--https-port=443"),
            ],
            environment: &[
                ("CATTLE_URL", &double.url()),
                ("CATTLE_ACCESS_KEY", &double.access_key),
                ("CATTLE_SECRET_KEY", &double.secret_key),
            ],
        };
        let ledger = Ledger::open(&double)?;
        let controller = Controller::start(workspace, &launch, &mut step)?;
        step.done(&format!("CATTLE_URL={}", double.url()));
        Ok(Self { controller, double, manifests, stranger, ledger })
    }
}

/// Everything that is shown; returns the sum of it.
fn play(stage: &mut Stage) -> Result<String> {
    headline("Ingresses", "as `kubectl get ingress` shows them");
    scenes::ingresses(stage)?;

    headline("Load balancers", "as Rancher has them");
    scenes::load_balancers(stage)?;

    headline("Move", "Rancher puts a load balancer on another host");
    scenes::relocation(stage)?;

    headline("Renewal", "a certificate gets a new key");
    scenes::renewal(stage)?;

    headline("Outage", "the API answers 503 to everything, then loses the answer to a create");
    scenes::outage(stage)?;

    headline("Idle", "nothing happens, and nothing is written");
    scenes::idle(stage)?;

    headline("Removal", "an Ingress is deleted");
    scenes::removal(stage)?;

    headline("Account", "what all of that took");
    stage.ledger.show();
    stage.stranger.check_untouched(&stage.double)?;
    let searched = secrets::search(&stage.controller, &stage.double, &stage.manifests)?;
    println!("\n  {} the stranger's load balancer is as it was, and nobody wrote to it", green("✓"));
    println!("  {} no credential and no private key in {searched} of logs, Events and metrics", green("✓"));
    let (requests, writes) = stage.ledger.sum();
    Ok(format!("every Ingress served, none twice, {requests} requests to Rancher, {writes} of them writes"))
}

/// What to type while it stays up.
fn try_it(stage: &Stage) -> Result<Vec<String>> {
    let double = &stage.double;
    let (url, user) = (double.url(), format!("{}:{}", double.access_key, double.secret_key));
    let balancers = double.load_balancers()?;
    let ours = balancers.iter().find(|balancer| balancer.id != stage.stranger.id);
    let name = ours.map_or("NAME", |balancer| &balancer.name);
    let host = HOSTS[HOSTS.len() - 1];
    let kubeconfig: PathBuf = stage.controller.ready()?.kubeconfig.into();
    Ok(vec![
        format!("export KUBECONFIG={}", kubeconfig.display()),
        "kubectl get ingress --watch".to_owned(),
        format!("curl -su {user} {url}/v2-beta/loadbalancerservices"),
        format!("curl -s {url}/control/load-balancers"),
        format!("curl -s {url}/control/load-balancers/{name}/move -d '{{\"to\": \"{host}\"}}'"),
        format!("curl -s -X PUT {url}/control/faults -d '{{\"rules\": [{{\"fault\": {{\"status\": 503}}}}]}}'"),
        format!("curl -s -X DELETE {url}/control/faults"),
        format!("tail -f {}", double.log().display()),
    ])
}
