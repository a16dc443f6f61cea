//! Traffic follows the endpoints, without a reload and without a failed request.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use lb_tests::{
    Traffic, World,
    echo::backend_address,
    eventually, ingress,
    objects::{Conditions, HTTP},
    prefix,
    workload::Workload,
};

#[tokio::test(flavor = "multi_thread")]
async fn slices_are_merged_and_all_of_ten_replicas_are_hit() -> Result<()> {
    let world = World::start("ten").await?;
    let shop = world.workload("shop", 10).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/", "shop").await?;
    let mut hit = BTreeSet::new();
    for _ in 0..400 {
        hit.insert(controller.client.get("shop.test", "/").await?.pod()?);
    }
    assert_eq!(hit.into_iter().collect::<Vec<_>>(), shop.pods());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_decide_who_gets_traffic() -> Result<()> {
    let world = World::start("conditions").await?;
    let mut shop = Workload::start(&world, "shop", &[HTTP]).await?;
    let address = backend_address()?;
    let ready = shop.add_at(address, Conditions::READY).await?;
    let draining = shop.add_at(address, Conditions::DRAINING).await?;
    shop.add_at(address, Conditions::NOT_READY).await?;
    shop.add_at(address, Conditions::STOPPED).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    let traffic = Traffic::start(controller.client, "shop.test", "/", 2);
    traffic.settles_on(std::slice::from_ref(&ready)).await?;
    // With nobody else left, the one that drains still serves.
    shop.set_conditions(&ready, Conditions::NOT_READY).await?;
    traffic.settles_on(std::slice::from_ref(&draining)).await?;
    shop.set_conditions(&ready, Conditions::READY).await?;
    traffic.settles_on(std::slice::from_ref(&ready)).await?;
    traffic.stop().await?;
    shop.set_conditions(&ready, Conditions::STOPPED).await?;
    shop.set_conditions(&draining, Conditions::STOPPED).await?;
    controller.answers("shop.test", "/", 503).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_endpoints_is_answered_with_503_until_it_has_some() -> Result<()> {
    let world = World::start("empty").await?;
    let mut shop = world.workload("shop", 0).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    controller.answers("shop.test", "/", 503).await?;
    let pod = shop.add().await?;
    controller.serves("shop.test", "/", "shop").await?;
    let _still_running = shop.remove(&pod).await?;
    controller.answers("shop.test", "/", 503).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn churn_fails_no_request_and_reloads_nothing() -> Result<()> {
    let world = World::start("churn").await?;
    let mut shop = world.workload("shop", 2).await?;
    let _neighbour = world.workload("neighbour", 1).await?;
    let paths = [prefix("/", "shop"), prefix("/neighbour", "neighbour")];
    world.apply(ingress("rules").rule("shop.test", paths)).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/", "shop").await?;
    let workers = controller.nginx_workers()?;
    let traffic = Traffic::start(controller.client, "shop.test", "/", 4);
    let bystander = Traffic::start(controller.client, "shop.test", "/neighbour", 1);
    for _ in 0..12 {
        let oldest = shop.pods()[0].clone();
        shop.add().await?;
        traffic.settles_on(&shop.pods()).await?;
        let gone = shop.remove(&oldest).await?;
        traffic.settles_on(&shop.pods()).await?;
        // Only now does the pod end, as a pod does that drains.
        drop(gone);
    }
    let requests = traffic.stop().await? + bystander.stop().await?;
    ensure!(requests > 1000, "only {requests} requests: not much of a test");
    assert_eq!(controller.nginx_workers()?, workers, "endpoint changes must not reload nginx");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_dies_at_once_fails_no_request() -> Result<()> {
    let world = World::start("sudden").await?;
    let mut shop = world.workload("shop", 3).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    let traffic = Traffic::start(controller.client, "shop.test", "/", 4);
    traffic.settles_on(&shop.pods()).await?;
    let dead = shop.pods()[0].clone();
    // The endpoint is gone in the same moment as the pod; a request on its way is tried elsewhere.
    drop(shop.remove(&dead).await?);
    traffic.settles_on(&shop.pods()).await?;
    let failures = traffic.failures();
    // A request that the pod had begun to answer may be lost with it; one that it never took may not.
    ensure!(failures.iter().all(|failure| !failure.contains("502")), "{failures:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_comes_late_is_served() -> Result<()> {
    let world = World::start("late").await?;
    let _early = world.workload("early", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/early", "early"), prefix("/late", "late")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/early", "early").await?;
    controller.answers("shop.test", "/late", 503).await?;
    world.warned("rules", &["late"]).await?;
    let late = world.workload("late", 1).await?;
    controller.serves("shop.test", "/late", "late").await?;
    drop(late);
    world.delete("Service", "late").await?;
    eventually("the Service is gone", async || {
        let response = controller.client.get("shop.test", "/late").await?;
        ensure!(response.status == 503, "status {}", response.status);
        Ok(())
    })
    .await?;
    controller.serves("shop.test", "/early", "early").await?;
    Ok(())
}
