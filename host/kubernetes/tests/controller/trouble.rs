use std::time::Duration;

use anyhow::Result;
use lb_model::{
    provider::{Breach, CallError, KeySource},
    types::{ChangeKind, Placement, Scope},
};

use crate::{
    provider::{Call, FakeProvider},
    world::{ADDRESS, World, eventually, eventually_is, options},
};

#[tokio::test]
async fn a_controller_may_start_before_the_api_server() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    world.cluster.stop().await;
    let provider = FakeProvider::shared();
    let controller = world.start(&provider);
    eventually("it tried", || controller.metric("lb_watch_errors_total{resource=\"services\"}").is_some()).await;
    assert!(!controller.ready.is_ready());
    world.cluster.resume().await?;
    controller.ready.ready().await;
    assert_eq!(provider.hosts("lb"), ["a.example"]);
    controller.stop().await
}

#[tokio::test]
async fn what_was_deleted_while_the_watch_was_gone_goes() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    world.ingress("b", "b.example", "web").await?;
    let provider = FakeProvider::shared();
    let controller = world.start(&provider);
    controller.ready.ready().await;
    world.cluster.stop().await;
    world.delete_ingress("a").await?;
    world.endpoints("web", &["10.0.0.9"]).await?;
    world.cluster.compact();
    world.cluster.resume().await?;
    eventually("the deletion is noticed", || provider.hosts("lb") == ["b.example"]).await;
    eventually("so is the endpoint", || provider.endpoints("lb", "default/web/80") == ["10.0.0.9"]).await;
    eventually_is("status works again", vec![ADDRESS.to_owned()], || world.addresses("b")).await;
    controller.stop().await
}

#[tokio::test]
async fn other_namespaces_are_not_looked_at() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let options = lb_kubernetes::Options { watch_namespaces: vec!["office".to_owned()], ..options() };
    let provider = FakeProvider::shared();
    let controller = world.start_with(&provider, options);
    controller.ready.ready().await;
    assert!(provider.hosts("lb").is_empty());
    assert_eq!(controller.metric("lb_ingresses"), Some(0.0));
    let elsewhere = world
        .cluster
        .requests()
        .into_iter()
        .find(|request| request.path.contains("/secrets") && !request.path.contains("/namespaces/office/"));
    assert_eq!(elsewhere, None);
    assert!(controller.keys.private_key("none").is_none());
    controller.stop().await
}

fn breach(place: &str) -> CallError {
    CallError::Breach { kind: Breach::ComputeDeadline, message: format!("more than 5 ms of computing; in {place}") }
}

fn open() -> CallError {
    let retry_after = Duration::from_millis(100);
    CallError::Open { kind: Breach::ComputeDeadline, retry_after, message: "more than 5 ms of computing".to_owned() }
}

/// How many Events about the class begin so.
async fn told(world: &World, reason: &str) -> Result<usize> {
    Ok(world.events("lb").await?.iter().filter(|event| event.starts_with(reason)).count())
}

#[tokio::test]
async fn breaches_and_their_open_circuit_are_one_event_each() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = FakeProvider::shared();
    let controller = world.start(&provider);
    controller.ready.ready().await;
    // The same breach, in another place each time.
    for error in [breach("parse"), open(), open(), breach("render < parse"), open()] {
        provider.answer(Err(error));
    }
    world.ingress("b", "b.example", "web").await?;
    eventually("both are served", || provider.hosts("lb").len() == 2).await;
    assert_eq!(controller.metric("lb_reconcile_total{provider=\"fake\",outcome=\"breach\"}"), Some(2.0));
    assert_eq!(controller.metric("lb_reconcile_total{provider=\"fake\",outcome=\"circuit_open\"}"), Some(3.0));
    assert_eq!(provider.applies().pop().unwrap().kind, ChangeKind::Complete);
    // Told after all that came before, in a queue.
    eventually_is("served", true, async || Ok(world.events("b").await?.iter().any(|it| it.starts_with("Synced"))))
        .await;
    assert_eq!(told(&world, "ProviderBreach: load balancer lb: the provider computed for too long: ").await?, 1);
    assert_eq!(
        told(&world, "ProviderCircuitOpen: load balancer lb: the provider computed for too long, again and again, and is not called").await?,
        1
    );
    assert_eq!(told(&world, "Provider").await?, 2);
    controller.stop().await
}

#[tokio::test]
async fn a_breach_while_observing_is_told_to_the_class() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = FakeProvider::observing(Scope::PerClass, Placement::EveryReplica, 3600);
    for error in [breach("list"), breach("list < page"), open(), open()] {
        provider.refuse_observation(error);
    }
    let controller = world.start(&provider);
    controller.ready.ready().await;
    let observations = || provider.calls().iter().filter(|call| **call == Call::Observe).count();
    eventually("it is observed in the end", || observations() > 4).await;
    world.ingress("b", "b.example", "web").await?;
    eventually_is("served", true, async || Ok(world.events("b").await?.iter().any(|it| it.starts_with("Synced"))))
        .await;
    assert_eq!(told(&world, "ProviderBreach: the provider computed for too long: ").await?, 1);
    assert_eq!(
        told(&world, "ProviderCircuitOpen: the provider computed for too long, again and again, and is not called")
            .await?,
        1
    );
    assert_eq!(told(&world, "Provider").await?, 2);
    controller.stop().await
}
