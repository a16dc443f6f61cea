//! What the demo shows. Each scene checks what it claims, and returns how many requests it sent.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::load::Load;
use crate::demo::{
    controller::{Controller, KubernetesEvent},
    eventually, http,
    manifests::Manifests,
};
use crate::terminal::{Step, cyan, green, human, red, table};

/// Host, path, and the Service that must answer; nothing where no rule matches and 404 is the answer.
const ROUTES: &[(&str, &str, &str)] = &[
    ("foo.bar.com", "/foo", "nginx-service"),
    ("foo.bar.com", "/foo/deeper", "nginx-service"),
    ("foo.bar.com", "/foobar", ""),
    ("alice.apps.example.com", "/", "tenant"),
    ("admin.apps.example.com", "/", "admin"),
    ("shop.example.com", "/cart", "cart"),
    ("shop.example.com", "/cart/7", "shop"),
    ("unknown.example.net", "/", "fallback"),
];
const INGRESSES: usize = 3;
const REPLICAS: &str = "dev.lb-controller.io/replicas: ";
const HOSTILE: &str = include_str!("hostile.yaml");
const ATTACKS: [&str; 3] = ["hostile-path", "hostile-certificate", "hostile-port"];

/// Every Ingress gets its address.
pub(crate) fn ingresses(controller: &mut Controller) -> Result<()> {
    let mut step = Step::begin("every Ingress gets an address");
    controller.wait_until("every Ingress has an address", &mut step, |seen| {
        seen.ingresses.len() == INGRESSES && seen.ingresses.values().all(|[.., address, _]| !address.is_empty())
    })?;
    step.done("");
    controller.show_ingresses();
    Ok(())
}

/// Exact and wildcard hosts, prefix and exact paths, the default backend.
pub(crate) fn routes(port: u16) -> Result<usize> {
    let mut requests = 0;
    let mut rows = Vec::new();
    for &(host, path, service) in ROUTES {
        let response = eventually(&format!("GET http://{host}{path} is answered as its rules say"), || {
            requests += 1;
            let response = http::get(port, host, path)?;
            let answered = response.service().unwrap_or_default();
            let status = if service.is_empty() { 404 } else { 200 };
            ensure!(response.status == status && answered == service, "status {} from {answered:?}", response.status);
            Ok(response)
        })?;
        rows.push(vec![
            format!("{host}{path}"),
            response.status.to_string(),
            response.service().unwrap_or_default(),
            response.pod().unwrap_or_default(),
            format!("{:.1} ms", response.elapsed.as_secs_f64() * 1000.0),
        ]);
    }
    table(&["REQUEST", "STATUS", "SERVICE", "ANSWERED BY", "TIME"], &rows);
    Ok(requests)
}

/// Backends come and go; traffic follows, and not one request fails.
pub(crate) fn scaling(manifests: &Manifests, port: u16) -> Result<usize> {
    let load = Load::start(port, "foo.bar.com", "/foo");
    load.settle(1, Instant::now())?;
    for (from, to) in [(1, 3), (3, 1)] {
        let mut step = Step::begin(&format!("nginx-service {from} -> {to}"));
        let since = Instant::now();
        manifests.edit("simplelb.yaml", REPLICAS, &format!("\"{to}\""))?;
        step.tick();
        let followed = load.settle(to, since)?;
        step.done(&format!("traffic followed {} after the edit", human(followed)));
    }
    let requests = load.stop()?;
    println!("  {} {requests} requests meanwhile, {} failed", green("✓"), green("0"));
    Ok(requests)
}

/// Hostile Ingresses are refused, each with an Event that says why; what was served before is served on.
pub(crate) fn attack(controller: &mut Controller, manifests: &Manifests, port: u16) -> Result<usize> {
    let load = Load::start(port, "foo.bar.com", "/foo");
    manifests.put("hostile.yaml", HOSTILE)?;
    for name in ATTACKS {
        let mut step = Step::begin(&format!("{name} is refused"));
        let about = |event: &KubernetesEvent| event.warning && event.object.ends_with(&format!("/{name}"));
        controller
            .wait_until(&format!("an Event that refuses {name}"), &mut step, |seen| seen.events.iter().any(about))?;
        let event = controller.seen().events.iter().find(|event| about(event)).cloned().context("it was just seen")?;
        step.done("");
        println!("      {}  {}", red(&event.reason), event.message);
    }
    let mut requests = 0;
    for (host, path) in [("evil.example.com", "/owned"), ("evil.example.com", "/"), ("foo.bar.com", "/stolen")] {
        requests += 1;
        let response = http::get(port, host, path)?;
        let answered = response.service();
        if response.status != 404 && answered.as_deref() != Some("fallback") {
            bail!("{host}{path} was answered by {answered:?} with {}: {}", response.status, response.body.trim());
        }
    }
    let mut step = Step::begin("the attacker's manifest is deleted");
    manifests.remove("hostile.yaml")?;
    controller.wait_until("the hostile Ingresses are gone", &mut step, |seen| seen.ingresses.len() == INGRESSES)?;
    step.done("");
    let meanwhile = load.stop().context("the neighbours were harmed")?;
    println!(
        "  {} the neighbours served on: {} requests meanwhile, {} failed",
        green("✓"),
        cyan(&meanwhile.to_string()),
        green("0")
    );
    Ok(requests + meanwhile)
}
