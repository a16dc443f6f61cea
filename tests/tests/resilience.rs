//! What ends, breaks or is killed comes back, and traffic does not notice.

use anyhow::{Result, ensure};
use lb_tests::{Traffic, World, eventually, ingress, prefix, processes};
use rustix::process::Signal;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_nginx_comes_back_with_all_it_served() -> Result<()> {
    let world = World::start("nginx-killed").await?;
    let mut shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/", "shop").await?;
    let killed = controller.nginx()?;
    let workers = controller.nginx_workers()?;
    processes::signal(killed.id, Signal::KILL)?;
    for worker in workers {
        processes::signal(worker.id, Signal::KILL)?;
    }
    eventually("another nginx runs", async || {
        ensure!(controller.nginx()?.id != killed.id, "it is the old one");
        Ok(())
    })
    .await?;
    controller.serves("shop.test", "/", "shop").await?;
    // And it follows changes as before.
    shop.add().await?;
    drop(shop.remove("shop-0").await?);
    eventually("the new backend answers", async || {
        let pod = controller.client.get("shop.test", "/").await?.pod()?;
        ensure!(pod == "shop-1", "{pod} answered");
        Ok(())
    })
    .await?;
    world.apply(ingress("more").rule("more.test", [prefix("/", "shop")])).await?;
    controller.serves("more.test", "/", "shop").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_is_replaced() -> Result<()> {
    let world = World::start("worker-killed").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/", "shop").await?;
    for worker in controller.nginx_workers()? {
        processes::signal(worker.id, Signal::KILL)?;
    }
    controller.serves("shop.test", "/", "shop").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_the_controller_and_its_nginx() -> Result<()> {
    let world = World::start("sigterm").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let mut controller = world.controller().start().await?;
    controller.serves("shop.test", "/", "shop").await?;
    assert!(controller.terminate().await?.success());
    ensure!(controller.nginx().is_err(), "nginx outlives the controller");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_goes_away_and_comes_back_is_ordinary() -> Result<()> {
    let world = World::start_dev("api-restart").await?;
    let mut shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let mut controller = world.controller().start().await?;
    let traffic = Traffic::start(controller.client, "shop.test", "/", 2);
    traffic.settles_on(&shop.pods()).await?;
    let api = world.cluster.dev()?;
    for _ in 0..3 {
        api.stop().await;
        traffic.flows(200).await?;
        world.cluster.resume().await?;
        let oldest = shop.pods()[0].clone();
        shop.add().await?;
        traffic.settles_on(&shop.pods()).await?;
        let gone = shop.remove(&oldest).await?;
        traffic.settles_on(&shop.pods()).await?;
        drop(gone);
    }
    traffic.stop().await?;
    ensure!(controller.is_running()?, "it ended");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_is_gone_is_listed_anew() -> Result<()> {
    let world = World::start_dev("compacted").await?;
    let mut shop = world.workload("shop", 1).await?;
    world.apply(ingress("old").rule("old.test", [prefix("/", "shop")])).await?;
    world.apply(ingress("kept").rule("kept.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    let traffic = Traffic::start(controller.client, "kept.test", "/", 2);
    traffic.settles_on(&shop.pods()).await?;
    let api = world.cluster.dev()?;
    // What happens while nobody watches is not in the history when the watches come back: only a new list tells it.
    api.stop().await;
    world.cluster.resume().await?;
    world.delete("Ingress", "old").await?;
    world.apply(ingress("new").rule("new.test", [prefix("/", "shop")])).await?;
    shop.add().await?;
    world.cluster.forget_history().await?;
    controller.serves("new.test", "/", "shop").await?;
    controller.answers("old.test", "/", 404).await?;
    traffic.settles_on(&shop.pods()).await?;
    traffic.stop().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_finds_no_api_waits_for_it() -> Result<()> {
    let world = World::start_dev("api-late").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let api = world.cluster.dev()?;
    api.stop().await;
    let mut controller = world.controller().spawn()?;
    eventually("it tells that it is not ready", async || {
        let response = controller.admin("/readyz").await?;
        ensure!(response.status == 503, "status {}", response.status);
        Ok(())
    })
    .await?;
    ensure!(controller.is_running()?, "it gave up");
    assert_eq!(controller.admin("/healthz").await?.status, 200);
    world.cluster.resume().await?;
    controller.ready().await?;
    controller.serves("shop.test", "/", "shop").await?;
    Ok(())
}
