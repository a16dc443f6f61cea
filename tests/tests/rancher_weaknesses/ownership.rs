//! Whose is whose: names, the stack, incarnations, clusters.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use lb_rancher_double::{Exchange, Fault};
use lb_tests::{
    World, eventually,
    objects::{ingress_class, targeted_service},
    rancher::{LoadBalancer, Rancher, STACK, STACK_EXTERNAL_ID},
};
use serde_json::json;

use super::{WEB, beside, web};

/// The original built names that Rancher refuses (too long, dots, double dashes) or that two Ingresses share, and found
/// Ingresses by taking names apart.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_15_every_name_gets_a_load_balancer_of_its_own() -> Result<()> {
    let world = World::start("names").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    let long = "l".repeat(63);
    let longest = [long.as_str(), long.as_str(), long.as_str(), "end"].join(".");
    let names =
        ["web.example.com", "web--double", "x-rancherlb-y", "0", long.as_str(), longest.as_str(), "web-example.com"];
    for (name, port) in names.iter().zip(1000..) {
        let rule = lb_tests::ingress(name).annotation("http.port", &port.to_string());
        world.apply(rule.rule("web.test", [lb_tests::prefix("/", "shop")])).await?;
    }
    // `a-b` in one namespace and `b` in `<namespace>-a`: the same in the original.
    let other = format!("{}-a", world.namespace);
    world.add_namespace(&other).await?;
    world.apply_in(&other, targeted_service("shop", 8080)).await?;
    world.apply(beside("a-b", 1100)).await?;
    world.apply_in(&other, beside("b", 1101)).await?;
    let controller = rancher.controller(&world).argument(format!("--watch-namespace={other}")).start().await?;

    for (name, port) in names.iter().zip(1000..) {
        let has_port = |balancer: &LoadBalancer| balancer.is_active() && balancer.ports() == [port].into();
        rancher.becomes(&world, name, "is its own", has_port).await?;
        let addresses = world.published(name).await?;
        assert_eq!(addresses.len(), 1, "{name}: {addresses:?}");
    }
    rancher.serves(&world, "a-b", &["http://a-b.test:1100/ -> shop:8080"]).await?;
    eventually("the twin has an address", async || {
        let ingress = Api::<Ingress>::namespaced(world.client(), &other).get("b").await?;
        ensure!(ingress.status.and_then(|status| status.load_balancer?.ingress).is_some(), "it has none");
        Ok(())
    })
    .await?;
    // Whoever comes second with the stack is told so, and takes the one that is there.
    let asked = rancher.asked();
    let refused = asked.iter().filter(|it| it.status == Some(422) && it.json()["name"] != STACK);
    let refused: Vec<_> = refused.map(Exchange::json).collect();
    assert!(refused.is_empty(), "{refused:?}");
    world.delete_in(&other, "Ingress", "b").await?;
    eventually("that of the twin is gone", async || {
        let count = rancher.balancers().len();
        ensure!(count == names.len() + 1, "there are {count}");
        Ok(())
    })
    .await?;
    rancher.looked(&controller).await?;
    assert!(rancher.balancer(&world, "a-b")?.is_active());
    Ok(())
}

/// The original found its stack only by name and external id together, so that a stack of that name without the id was in
/// its way for ever; two controllers that started together made two, or failed.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_16_a_stack_of_our_name_is_used_and_a_race_for_it_is_survived() -> Result<()> {
    let world = World::start("stack").await?;
    let rancher = Rancher::start(&world).await?;
    let stack = rancher.add_stack(&rancher.project, STACK, None);
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    let _controller = rancher.controller(&world).start().await?;
    assert_eq!(rancher.serves(&world, "web", &[WEB]).await?.row["stackId"], json!(stack));
    assert_eq!(rancher.asked().count("WRITE", "/stacks/**"), 0);

    let world = World::start("race").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    let project = rancher.project.clone();
    let first = Fault::before(move |rancher, _| _ = rancher.add_stack(&project, STACK, Some(STACK_EXTERNAL_ID)));
    rancher.server.faults().once("POST", "/stacks", first);
    let (other, other_name) = (format!("{}-other", world.class), format!("{}-other", world.controller_name));
    world.apply(ingress_class(&other, &other_name, false)).await?;
    world.apply(web()).await?;
    world.apply(beside("other", 81).class(&other)).await?;
    let (one, two) = (rancher.controller(&world), rancher.controller(&world).class(&other, &other_name));
    let (_one, _two) = tokio::try_join!(one.start(), two.start())?;
    rancher.serves(&world, "web", &[WEB]).await?;
    rancher.becomes(&world, "other", "is active", LoadBalancer::is_active).await?;
    let stacks: Vec<_> = rancher.stacks().into_iter().filter(|stack| stack["name"] == STACK).collect();
    assert_eq!(stacks.len(), 1, "{stacks:?}");
    assert_eq!(rancher.balancers().len(), 2);
    world.delete("IngressClass", &other).await
}

/// To the original a load balancer was its name: an Ingress that was deleted and made again took over what was being
/// removed.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_21_incarnations_are_told_apart() -> Result<()> {
    let world = World::start("incarnations").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    let controller = rancher.controller(&world).start().await?;
    let first = rancher.serves(&world, "web", &[WEB]).await?;
    rancher.hold_removal(first.id());
    world.delete("Ingress", "web").await?;
    world.apply(web().annotation("http.port", "99")).await?;
    let uid = world.api::<Ingress>().get("web").await?.metadata.uid.context("an object has a UID")?;
    eventually("the first one goes", async || {
        ensure!(rancher.balancer_with(first.id())?.is_leaving(), "it is still there");
        Ok(())
    })
    .await?;
    rancher.release_removal(first.id());
    let second = rancher.serves(&world, "web", &["http://web.test:99/ -> shop:8080"]).await?;
    assert_ne!((second.id(), second.name()), (first.id(), first.name()));
    assert!(second.external_id().ends_with(&uid), "{}", second.external_id());
    assert_eq!(rancher.asked().count("PUT", &format!("/loadbalancerservices/{}", first.id())), 0);
    rancher.looked(&controller).await
}

/// For the same reason two clusters with one Rancher project fought over one load balancer in the original.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_21_clusters_are_told_apart() -> Result<()> {
    let here = World::start_dev("clusters").await?;
    let there = here.twin().await?;
    let rancher = Rancher::setup().without_agent().start(&here).await?;
    for world in [&here, &there] {
        world.service("shop", 8080).await?;
        rancher.know(world, "shop").await?;
    }
    here.apply(web()).await?;
    there.apply(web().annotation("http.port", "99")).await?;
    let (one, two) = (rancher.controller(&here), rancher.controller(&there));
    let (_one, mut two) = tokio::try_join!(one.start(), two.start())?;
    let ports = |expected: &[u16]| {
        let balancers = rancher.balancers();
        let mut ports: Vec<_> = balancers.iter().filter(|it| it.is_active()).flat_map(LoadBalancer::ports).collect();
        ports.sort_unstable();
        ensure!(ports == expected, "the ports are {ports:?}: {balancers:?}");
        Ok(())
    };
    eventually("each cluster has its own", async || ports(&[80, 99])).await?;
    here.published("web").await?;
    there.published("web").await?;
    there.delete("Ingress", "web").await?;
    eventually("one of them is gone", async || ports(&[80])).await?;
    // Nor is the other cluster's an orphan to one that starts.
    two.kill()?;
    two.spawn()?;
    two.ready().await?;
    rancher.looked(&two).await?;
    ports(&[80])?;
    assert_eq!(rancher.asked().count("PUT", "/loadbalancerservices/*"), 0, "nobody wrote to the other's");
    Ok(())
}
