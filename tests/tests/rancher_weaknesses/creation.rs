//! How a load balancer comes to be, and how it changes without coming to be again.

use anyhow::{Context, Result, ensure};
use lb_rancher_double::Fault;
use lb_tests::{
    World,
    certificates::self_signed,
    eventually, ingress, prefix,
    rancher::{LoadBalancer, Rancher},
};
use serde_json::Value;

use super::{WEB, beside, rule_beside, web};

/// The original waited 20 s for an action `purge` that no service ever has, and then created under a name that was still
/// taken. Here nothing waits in a call, neighbours go on, and the name is used again once it is free.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_01_a_recreation_waits_for_the_end_of_the_removal_and_holds_nobody_up() -> Result<()> {
    let world = World::start("recreation").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    let controller = rancher.controller(&world).start().await?;
    let before = rancher.serves(&world, "web", &[WEB]).await?;
    rancher.hold_removal(before.id());
    // The one change that the API refuses to a service that exists.
    world.apply(web().annotation("io.rancher.scheduler.global", "true")).await?;
    rancher.becomes(&world, "web", "goes away", LoadBalancer::is_leaving).await?;

    world.apply(beside("neighbour", 81)).await?;
    rancher.serves(&world, "neighbour", &[&rule_beside("neighbour", 81)]).await?;
    rancher.looked(&controller).await?;
    ensure!(rancher.balancer(&world, "web")?.id() == before.id(), "the name is taken, and something else has it");
    rancher.release_removal(before.id());

    let is_new = |balancer: &LoadBalancer| balancer.is_active() && balancer.id() != before.id();
    let after = rancher.becomes(&world, "web", "is another one", is_new).await?;
    assert_eq!((after.name(), &after.rules), (before.name(), &before.rules));
    assert_eq!(after.labels().get("io.rancher.scheduler.global").map(String::as_str), Some("true"));
    let asked = rancher.asked();
    ensure!(asked.iter().all(|exchange| exchange.status != Some(422)), "something was refused: {asked:?}");
    ensure!(asked.iter().all(|exchange| !exchange.target.contains("purge")), "nobody can purge a service: {asked:?}");
    Ok(())
}

/// The original took the action `deactivate` for the sign of an active service; one that is still activating has it too.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_02_a_load_balancer_that_cannot_be_placed_is_not_taken_for_active() -> Result<()> {
    let world = World::start("activating").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    let message = "Allocation failed: host needs ports 80/tcp available";
    let fail = Fault::after(move |rancher, _| {
        for balancer in rancher.load_balancers().iter().filter(|balancer| balancer["state"] == "registering") {
            rancher.fail_placement(balancer["id"].as_str().unwrap_or_default(), message);
        }
    });
    rancher.server.faults().once("POST", "/loadbalancerservices", fail);
    world.apply(web()).await?;
    let controller = rancher.controller(&world).start().await?;
    let stuck = rancher
        .becomes(&world, "web", "cannot be placed", |balancer| {
            balancer.state() == "activating" && balancer.row["transitioning"] == "error"
        })
        .await?;
    let mark = rancher.mark();
    rancher.looked(&controller).await?;
    rancher.looked(&controller).await?;
    assert!(world.addresses("web").await?.is_empty(), "it serves nobody yet");
    assert!(controller.metric("lb_reconcile_total", "outcome=\"applied\"").await? < 1.0, "it was taken for ready");

    // The server goes on trying by itself; nothing has to be written.
    rancher.recover_placement(stuck.id());
    rancher.published(&world, "web", &[&rancher.address(0)]).await?;
    assert_eq!(rancher.balancer(&world, "web")?.id(), stuck.id());
    let writes = rancher.since(mark).writes();
    assert!(writes.is_empty(), "{writes:?}");
    Ok(())
}

/// The original created an empty load balancer, waited for its endpoints, and then pushed the rules: it answered 503
/// meanwhile, and for as long as one of the services was missing.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_03_the_create_carries_the_whole_configuration() -> Result<()> {
    let world = World::start("complete").await?;
    let rancher = Rancher::setup().without_agent().start(&world).await?;
    world.service("shop", 8080).await?;
    world.service("late", 9090).await?;
    let shop = rancher.know(&world, "shop").await?;
    world.tls_secret("tls", &self_signed(&["web.test"])?).await?;
    let paths = [prefix("/", "shop"), prefix("/late", "late")];
    world.apply(ingress("web").tls(&["web.test"], "tls").annotation("scale", "2").rule("web.test", paths)).await?;
    let _controller = rancher.controller(&world).start().await?;
    let served = rancher
        .serves(&world, "web", &["http://web.test:80/ -> shop:8080", "https://web.test:443/ -> shop:8080"])
        .await?;

    let creates = rancher.asked().of("POST", "/loadbalancerservices");
    assert_eq!(creates.len(), 1, "{creates:?}");
    let body = creates[0].json();
    assert_eq!((&body["startOnCreate"], &body["scale"]), (&Value::Bool(true), &Value::from(2)));
    let rules = body["lbConfig"]["portRules"].as_array().context("the create has rules")?;
    assert!(rules.len() == 2 && rules.iter().all(|rule| rule["serviceId"] == *shop), "{rules:?}");
    assert_eq!(body["lbConfig"]["defaultCertificateId"].as_str(), served.certificates().first().map(String::as_str));
    let later = rancher.asked().of("WRITE", "/loadbalancerservices/*");
    assert!(later.is_empty(), "it was whole from the start: {later:?}");

    // What was missing comes with one update.
    rancher.know(&world, "late").await?;
    let both = |balancer: &LoadBalancer| balancer.is_active() && balancer.rules.len() == 4;
    let served = rancher.becomes(&world, "web", "serves both", both).await?;
    assert_eq!(served.rules[0], "http://web.test:80/late -> late:9090", "the longer path is matched first");
    assert_eq!(rancher.asked().count("PUT", "/loadbalancerservices/*"), 1);
    Ok(())
}

/// The original removed a load balancer and created another one when a port changed: an outage and other addresses.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_04_ports_change_in_place() -> Result<()> {
    let world = World::start("ports").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    let _controller = rancher.controller(&world).start().await?;
    let before = rancher.serves(&world, "web", &[WEB]).await?;
    rancher.published(&world, "web", &[&rancher.address(0)]).await?;
    let instances = before.row["instanceIds"].clone();
    let mark = rancher.mark();

    world.apply(web().annotation("http.port", "99")).await?;
    let after = rancher.serves(&world, "web", &["http://web.test:99/ -> shop:8080"]).await?;
    assert_eq!((after.id(), after.ports()), (before.id(), [99].into()));
    assert_eq!(after.row["instanceIds"], instances, "its containers stay");
    let writes = rancher.since(mark).writes();
    assert_eq!((writes.len(), writes.count("PUT", "/loadbalancerservices/*")), (1, 1), "{writes:?}");
    // A launch configuration is replaced whole: what the server put into it has to be sent back.
    assert_eq!(after.row["launchConfig"]["healthCheck"], before.row["launchConfig"]["healthCheck"]);
    assert_eq!(after.labels(), before.labels());
    assert!(after.labels().contains_key("io.rancher.container.create_agent"), "{:?}", after.labels());
    eventually("the endpoints have the new port", async || {
        let endpoints = rancher.balancer(&world, "web")?.row["publicEndpoints"].clone();
        ensure!(endpoints[0]["port"] == 99, "they are {endpoints}");
        Ok(())
    })
    .await?;
    assert_eq!(world.addresses("web").await?, [rancher.address(0)]);
    Ok(())
}
