//! A thousand Ingresses, and a Rancher that takes its time for every answer.
//!
//! Requests are counted, time is only told: it depends on the machine and on how the controller was built.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::ListParams;
use lb_rancher_double::Exchanges;
use lb_tests::{
    Controller, World, ingress, prefix,
    rancher::{Configuration, Rancher},
    wait,
};

const INGRESSES: u16 = 1000;
/// The load balancer of the first Ingress listens on this port, that of the next one on the next.
const FIRST_PORT: u16 = 20_000;
/// How many load balancers one request may look at, at least.
const LOOKED_AT: usize = 100;
/// Reads that come with each write, at most, and again for each load balancer that was not ready when it was made.
const READS: usize = 8;
/// Calls of the provider at the same time, at most.
const CALLS: usize = 16;
/// Ingresses that are made at the same time.
const HANDS: usize = 16;
/// Far more than it takes, with a controller that is not optimised, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(8);

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_ingresses_converge_and_a_resync_writes_nothing() -> Result<()> {
    let world = World::start("thousand").await?;
    let rancher = Rancher::setup().latency(20).start(&world).await?;
    world.service("shop", 8080).await?;
    stream::iter(0..INGRESSES)
        .map(|number| world.apply(numbered(number)))
        .buffer_unordered(HANDS)
        .try_for_each(|_| async { Ok(()) })
        .await?;

    // As fast as it comes: what changes is told after half a second, as it is in production.
    let configuration = Configuration::default().subscription("debounce-ms", 500);
    let began = Instant::now();
    let mut controller = rancher.configured(&world, &configuration).start().await?;
    converged(&world).await?;
    let took = began.elapsed();
    settled(&rancher, &controller).await?;
    let asked = rancher.asked();
    tell("convergence", took, &asked);

    one_each(&rancher, &world).await?;
    let count = usize::from(INGRESSES);
    assert_eq!(asked.count("POST", "/loadbalancerservices"), count, "each is made once");
    // Those that began together all found none; Rancher lets one of them make it.
    let stacks = asked.of("POST", "/stacks");
    let made = stacks.iter().filter(|create| create.status == Some(201)).count();
    ensure!(made == 1 && stacks.len() <= CALLS, "{made} stacks were made in {} tries", stacks.len());
    assert_eq!(asked.writes().len(), count + stacks.len(), "nothing is written twice");
    ensure!(asked.len() <= (count + 1) * (1 + READS), "{} requests are too many", asked.len());

    // A look that finds nothing changed.
    let (mark, began) = (rancher.mark(), Instant::now());
    rancher.looked(&controller).await?;
    let looks = looks(&rancher.since(mark));
    tell("looks with nothing changed", began.elapsed(), &rancher.since(mark));
    let asked = rancher.since(mark);
    assert_eq!(asked.writes().len(), 0, "nothing changed");
    ensure!(looks > 0, "it looked");
    // One look may have been cut by the mark, and another one be under way.
    ensure!(asked.len() <= (looks + 1) * count / LOOKED_AT, "{} requests in {looks} looks", asked.len());

    // A controller that knows nothing yet.
    let before = rows(&rancher);
    controller.terminate().await?;
    let (mark, began) = (rancher.mark(), Instant::now());
    controller.spawn()?;
    controller.ready().await?;
    settled(&rancher, &controller).await?;
    let asked = rancher.since(mark);
    tell("a restart with nothing changed", began.elapsed(), &asked);
    assert_eq!(asked.writes().len(), 0, "nothing changed: {:?}", asked.writes());
    ensure!(asked.len() <= count * READS, "{} requests are too many", asked.len());
    assert_eq!(rows(&rancher), before);
    converged(&world).await
}

fn name(number: u16) -> String {
    format!("web-{number}")
}

/// An Ingress with a port of its own, so that each load balancer fits on any host.
fn numbered(number: u16) -> lb_tests::objects::Ingress {
    let port = (FIRST_PORT + number).to_string();
    ingress(&name(number)).annotation("http.port", &port).rule(&format!("{number}.test"), [prefix("/", "shop")])
}

/// Waits until each Ingress shows an address.
async fn converged(world: &World) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let shown = addresses(world).await?;
        let done = shown.values().filter(|addresses| !addresses.is_empty()).count();
        if done == usize::from(INGRESSES) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{done} Ingresses of {INGRESSES} show an address");
        wait::pause().await;
    }
}

/// The addresses that each Ingress shows.
async fn addresses(world: &World) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let ingresses = world.api::<Ingress>().list(&ListParams::default()).await?;
    let shown = ingresses.items.into_iter().map(|ingress| {
        let status = ingress.status.and_then(|status| status.load_balancer).and_then(|balancer| balancer.ingress);
        let addresses = status.unwrap_or_default().into_iter().filter_map(|address| address.ip).collect();
        Ok((ingress.metadata.name.context("an object has a name")?, addresses))
    });
    shown.collect()
}

/// Waits until the controller has applied all Ingresses since it started, and has looked twice after that.
async fn settled(rancher: &Rancher, controller: &Controller) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let applied = controller.metric("lb_provider_calls_total", "function=\"apply\"").await?;
        let busy = controller.metric("lb_calls_in_flight", "").await?;
        if applied >= f64::from(INGRESSES) && busy == 0.0 {
            break;
        }
        ensure!(Instant::now() < deadline, "{applied} calls of {INGRESSES}, {busy} under way");
        wait::pause().await;
    }
    rancher.looked(controller).await
}

/// Each Ingress has one load balancer, active, and shows where that is.
async fn one_each(rancher: &Rancher, world: &World) -> Result<()> {
    let shown = addresses(world).await?;
    let mut balancers: BTreeMap<_, _> = BTreeMap::new();
    for balancer in rancher.balancers() {
        ensure!(balancer.is_active(), "{balancer:?} is not active");
        let ingress = balancer.ingress().to_owned();
        ensure!(balancers.insert(ingress, balancer).is_none(), "an Ingress has two load balancers");
    }
    assert_eq!(balancers.len(), usize::from(INGRESSES));
    for number in 0..INGRESSES {
        let name = name(number);
        let its = format!("{}/{name}", world.namespace);
        let balancer = balancers.get(&its).with_context(|| format!("{name} has no load balancer"))?;
        assert_eq!(balancer.rules, [format!("http://{number}.test:{}/ -> shop:8080", FIRST_PORT + number)]);
        assert_eq!(shown.get(&name), Some(&balancer.addresses()), "of {name}");
    }
    Ok(())
}

/// All that is stored of the load balancers.
fn rows(rancher: &Rancher) -> Vec<serde_json::Value> {
    rancher.balancers().into_iter().map(|balancer| balancer.row).collect()
}

/// How many times the controller looked at all that the server has.
fn looks(asked: &Exchanges) -> usize {
    asked.of("GET", "/loadbalancerservices").iter().filter(|look| !look.target.contains("name_prefix=")).count()
}

fn tell(what: &str, took: Duration, asked: &Exchanges) {
    let kinds = [
        ("GET", "/loadbalancerservices"),
        ("POST", "/loadbalancerservices"),
        ("PUT", "/loadbalancerservices/*"),
        ("GET", "/kubernetesservices"),
        ("GET", "/certificates"),
        ("GET", "/stacks"),
        ("GET", "/settings/*"),
        ("GET", "/schemas/*"),
    ];
    let counts: Vec<_> =
        kinds.iter().map(|(method, path)| format!("{method} {path}: {}", asked.count(method, path))).collect();
    eprintln!(
        "{what}: {took:.1?}, {} requests, {} of them writes, at most {} in a second; {}",
        asked.len(),
        asked.writes().len(),
        asked.peak(Duration::from_secs(1)),
        counts.join(", ")
    );
}
