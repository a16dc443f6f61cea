use anyhow::Result;
use lb_model::provider::KeySource;

use crate::{
    provider::FakeProvider,
    world::{ADDRESS, World, eventually, eventually_is},
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
    let options = lb_kubernetes::Options { watch_namespaces: vec!["office".to_owned()], ..crate::world::options() };
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
