//! `status.loadBalancer`: written once for a change, by the leader alone.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use lb_tests::{World, controller::PUBLISHED, eventually, ingress, prefix};

async fn version(ingresses: &Api<Ingress>, name: &str) -> Result<String> {
    ingresses.get(name).await?.metadata.resource_version.context("an object has a version")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_written_once_and_not_again_while_nothing_changes() -> Result<()> {
    let world = World::start("status").await?;
    let mut shop = world.workload("shop", 1).await?;
    world.apply(ingress("first").rule("first.test", [prefix("/", "shop")])).await?;
    let mut controller = world.controller().start().await?;
    assert_eq!(world.published("first").await?, [PUBLISHED]);
    let ingresses = world.api::<Ingress>();
    let written = version(&ingresses, "first").await?;

    // Much happens around it. What is published last shows that the controller has been through all of it.
    shop.add().await?;
    drop(shop.remove("shop-0").await?);
    world.apply(ingress("second").rule("second.test", [prefix("/", "shop")])).await?;
    assert_eq!(world.published("second").await?, [PUBLISHED]);
    world.delete("Ingress", "second").await?;
    controller.answers("second.test", "/", 404).await?;
    assert_eq!(version(&ingresses, "first").await?, written);

    // Nor does a new process write what is there already.
    assert!(controller.terminate().await?.success());
    assert_eq!(world.addresses("first").await?, [PUBLISHED], "the status stays at shutdown");
    controller.spawn()?;
    controller.ready().await?;
    world.apply(ingress("third").rule("third.test", [prefix("/", "shop")])).await?;
    assert_eq!(world.published("third").await?, [PUBLISHED]);
    assert_eq!(version(&ingresses, "first").await?, written);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_change_costs_one_write_to_the_api() -> Result<()> {
    let world = World::start_dev("writes").await?;
    let _shop = world.workload("shop", 1).await?;
    let writes = || -> Result<Vec<String>> {
        let requests = world.cluster.dev()?.requests();
        let writes =
            requests.into_iter().filter(|request| matches!(request.verb, "create" | "update" | "patch" | "delete"));
        Ok(writes.filter(|request| request.path.contains("/ingresses/")).map(|request| request.path).collect())
    };
    world.apply(ingress("first").rule("first.test", [prefix("/", "shop")])).await?;
    let before = writes()?.len();
    let _controller = world.controller().start().await?;
    world.published("first").await?;
    world.apply(ingress("second").rule("second.test", [prefix("/", "shop")])).await?;
    world.published("second").await?;
    let by_controller = writes()?.split_off(before);
    let status = |name: &str| by_controller.iter().filter(|path| path.contains(&format!("/{name}/status"))).count();
    assert_eq!((status("first"), status("second")), (1, 1), "{by_controller:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_address_is_published_and_a_foreign_one_is_corrected() -> Result<()> {
    let world = World::start("moved").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("first").rule("first.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    assert_eq!(world.published("first").await?, [PUBLISHED]);
    drop(controller);
    let _moved = world.controller().publish("lb.example.com").start().await?;
    eventually("the new address is published", async || {
        let addresses = world.addresses("first").await?;
        ensure!(addresses == ["lb.example.com"], "it is {addresses:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_only_the_leader_writes_and_both_serve() -> Result<()> {
    let world = World::start("leader").await?;
    let _shop = world.workload("shop", 1).await?;
    let replica = || {
        let namespace = format!("--lease-namespace={}", world.namespace);
        world.controller().leader_elect().argument(namespace)
    };
    let mut first = replica().publish("203.0.113.1").start().await?;
    world.apply(ingress("first").rule("first.test", [prefix("/", "shop")])).await?;
    assert_eq!(world.published("first").await?, ["203.0.113.1"]);
    let second = replica().publish("203.0.113.2").start().await?;
    world.apply(ingress("second").rule("second.test", [prefix("/", "shop")])).await?;
    first.serves("second.test", "/", "shop").await?;
    second.serves("second.test", "/", "shop").await?;
    assert_eq!(world.published("second").await?, ["203.0.113.1"]);
    // The leader dies; the other one takes over.
    first.kill()?;
    eventually("the other replica leads", async || {
        let addresses = world.addresses("first").await?;
        ensure!(addresses == ["203.0.113.2"], "it is {addresses:?}");
        Ok(())
    })
    .await?;
    Ok(())
}
