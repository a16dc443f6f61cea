use anyhow::Result;
use lb_kubernetes::Publish;
use lb_model::{
    cluster::NamespacedName,
    translate::{self, ClassSelection},
    types::{Address, Placement, Scope},
};
use serde_json::json;

use crate::{
    provider::{FakeProvider, unavailable},
    world::{ADDRESS, World, eventually, eventually_is, options, translate_options},
};

fn addresses(ips: &[&str]) -> Vec<String> {
    ips.iter().map(|ip| (*ip).to_owned()).collect()
}

#[tokio::test]
async fn a_status_is_written_once() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = FakeProvider::shared();
    let controller = world.start(&provider);
    eventually_is("the address is shown", addresses(&[ADDRESS]), || world.addresses("a")).await;
    let synced = vec!["Synced: served by load balancer lb".to_owned()];
    eventually_is("its owner is told", synced.clone(), || world.events("a")).await;

    // Endpoints come and go, the watch breaks, all is listed anew.
    world.endpoints("web", &["10.0.0.2"]).await?;
    eventually("the endpoint is served", || provider.endpoints("lb", "default/web/80") == ["10.0.0.2"]).await;
    let lists = world.lists("ingresses");
    world.cluster.compact();
    world.cluster.drop_connections();
    eventually("Ingresses are listed anew", || world.lists("ingresses") > lists).await;
    world.ingress("b", "b.example", "web").await?;
    eventually_is("a later Ingress has its address", addresses(&[ADDRESS]), || world.addresses("b")).await;
    assert_eq!(world.status_writes("a"), 1);
    assert_eq!(world.events("a").await?, synced);
    controller.stop().await?;
    assert_eq!(world.addresses("a").await?, [ADDRESS], "it stays at shutdown");

    // A new controller finds all as it should be.
    let controller = world.start(&provider);
    controller.ready.ready().await;
    world.ingress("c", "c.example", "web").await?;
    eventually_is("a later Ingress has its address", addresses(&[ADDRESS]), || world.addresses("c")).await;
    assert_eq!(world.status_writes("a"), 1);
    assert_eq!(world.events("a").await?, synced, "and says nothing again");
    controller.stop().await
}

#[tokio::test]
async fn a_status_waits_for_the_load_balancer() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = FakeProvider::shared();
    provider.answer(Err(unavailable()));
    let held = provider.hold().await;
    let controller = world.start(&provider);
    eventually("the call is in flight", || provider.applies().len() == 1).await;
    assert_eq!(world.addresses("a").await?, [""; 0]);
    drop(held);
    eventually_is("the address is shown", addresses(&[ADDRESS]), || world.addresses("a")).await;
    assert_eq!(provider.applies().len(), 2);
    controller.stop().await
}

#[tokio::test]
async fn a_remote_load_balancer_has_no_address_of_the_operators() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = FakeProvider::new(Scope::PerObject, Placement::Leader);
    let controller = world.start(&provider);
    controller.ready.ready().await;
    provider.report(&[Address::Ip("198.51.100.1".to_owned())]);
    provider.wake();
    eventually_is("its own address is shown", addresses(&["198.51.100.1"]), || world.addresses("a")).await;
    assert_eq!(world.status_writes("a"), 1, "nothing was shown before");
    controller.stop().await
}

#[tokio::test]
async fn the_addresses_of_the_provider_come_first() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = FakeProvider::observing(Scope::PerObject, Placement::Leader, 1);
    let own = |ip: &str| Address::Ip(ip.to_owned());
    provider.report(&[own("198.51.100.2"), own("198.51.100.1"), own("198.51.100.2")]);
    let controller = world.start(&provider);
    let both = addresses(&["198.51.100.1", "198.51.100.2"]);
    eventually_is("in order, each once", both, || world.addresses("a")).await;
    provider.report(&[own("198.51.100.9")]);
    eventually_is("moved addresses follow", addresses(&["198.51.100.9"]), || world.addresses("a")).await;
    assert_eq!(world.status_writes("a"), 2);
    controller.stop().await
}

#[tokio::test]
async fn the_address_of_a_service_is_published_and_followed() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let front = |ip: &str| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "front", "namespace": "default" },
            "spec": { "selector": { "app": "lb" }, "ports": [{ "port": 80 }], "externalIPs": [ip] },
        })
    };
    world.apply(front("203.0.113.1")).await?;
    let publish = Publish { addresses: Vec::new(), service: Some(NamespacedName::new("default", "front")) };
    let controller = world.start_bound(&FakeProvider::shared(), options(), translate_options(), publish);
    eventually_is("the address is shown", addresses(&["203.0.113.1"]), || world.addresses("a")).await;
    world.apply(front("203.0.113.2")).await?;
    eventually_is("the address follows", addresses(&["203.0.113.2"]), || world.addresses("a")).await;
    controller.stop().await
}

#[tokio::test]
async fn an_ingress_that_leaves_our_class_is_cleared_once() -> Result<()> {
    let world = World::new().await?;
    world.class("other", "example.com/other").await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = FakeProvider::shared();
    let controller = world.start(&provider);
    eventually_is("the address is shown", addresses(&[ADDRESS]), || world.addresses("a")).await;
    world.ingress_of("other", "a", "a.example", "web").await?;
    eventually_is("the address is gone", addresses(&[]), || world.addresses("a")).await;
    eventually("it is served no more", || provider.hosts("lb").is_empty()).await;
    assert_eq!(world.status_writes("a"), 2);
    controller.stop().await
}

#[tokio::test]
async fn two_controllers_leave_each_other_alone() -> Result<()> {
    let world = World::new().await?;
    world.class("edge", "lb-controller.io/edge").await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress_of("lb", "ours", "ours.example", "web").await?;
    world.ingress_of("edge", "theirs", "theirs.example", "web").await?;
    let (ours, theirs) = (FakeProvider::shared(), FakeProvider::shared());
    let edge = translate::Options {
        controller_name: "lb-controller.io/edge".to_owned(),
        classes: ClassSelection::AllOfController { name: "edge".to_owned() },
        ..translate_options()
    };
    let published = Publish { addresses: vec![Address::Hostname("edge.example".to_owned())], service: None };
    let controllers = [world.start(&ours), world.start_bound(&theirs, options(), edge, published)];
    eventually_is("ours has our address", addresses(&[ADDRESS]), || world.addresses("ours")).await;
    eventually_is("theirs has theirs", addresses(&["edge.example"]), || world.addresses("theirs")).await;
    // An Ingress that moves from one to the other ends with the address of its new owner.
    world.ingress_of("edge", "ours", "ours.example", "web").await?;
    eventually_is("it has moved", addresses(&["edge.example"]), || world.addresses("ours")).await;
    eventually("ours serves it no more", || ours.hosts("lb").is_empty()).await;
    for controller in controllers {
        controller.stop().await?;
    }
    assert_eq!(world.addresses("ours").await?, ["edge.example"]);
    assert_eq!(world.status_writes("theirs"), 1);
    Ok(())
}
