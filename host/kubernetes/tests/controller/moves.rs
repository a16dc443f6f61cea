//! Several providers, and Ingresses that move between them.

mod pair;
mod restart;

use std::time::Duration;

use anyhow::Result;
use lb_kubernetes::Options;
use lb_model::types::{ChangeSet, ObjectRef, Outcome, Readiness, Rejection};
use serde_json::json;

use self::pair::{NEW, OLD, Pair, settle};
use crate::{
    provider::unavailable,
    world::{eventually, eventually_is, options},
};

fn refusal() -> Rejection {
    let object = ObjectRef {
        kind: "Ingress".to_owned(),
        namespace: "default".to_owned(),
        name: "a".to_owned(),
        uid: String::new(),
    };
    Rejection { object, field: "spec.rules[0]".to_owned(), message: "not here".to_owned() }
}

#[tokio::test]
async fn each_provider_serves_its_class() -> Result<()> {
    let pair = Pair::new().await?;
    pair.world.ingress_of("lb-old", "a", "a.example", "web").await?;
    pair.world.ingress_of("lb-new", "b", "b.example", "web").await?;
    let edge = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": { "name": "edge" },
        "spec": {
            "controller": "lb-controller.io/ingress",
            "parameters": { "apiGroup": "lb-controller.io", "kind": "Provider", "name": "new" },
        },
    });
    pair.world.apply(edge).await?;
    pair.world.ingress_of("edge", "c", "c.example", "web").await?;
    let controller = pair.start();
    controller.ready.ready().await;
    assert_eq!(pair.old.hosts("lb-old"), ["a.example"]);
    assert_eq!(pair.new.hosts("lb-new"), ["b.example", "c.example"]);
    pair.shows(OLD).await;
    eventually_is("c has its address", vec![NEW.to_owned()], || pair.world.addresses("c")).await;
    pair.told("c", "Synced: served by load balancer lb-new of provider new").await;
    assert_eq!(controller.metric("lb_load_balancers{provider=\"new\"}"), Some(1.0));
    // The class `lb` is of our controller as well.
    pair.told("lb", "no provider has the class \"lb\"; name a provider in spec.parameters: new, old").await;
    controller.stop().await
}

#[tokio::test]
async fn the_new_one_is_live_before_the_old_one_is_removed() -> Result<()> {
    let pair = Pair::new().await?;
    pair.ingress("lb-old").await?;
    let controller = pair.start();
    pair.shows(OLD).await;
    let held = pair.new.hold().await;
    pair.ingress("lb-new").await?;
    eventually("the new one is called", || pair.new.is_busy()).await;
    settle(&pair.world, &pair.old).await?;
    assert!(pair.old.hosts("lb-old").contains(&"a.example".to_owned()), "the old one goes on");
    assert_eq!(pair.world.addresses("a").await?, [OLD]);
    assert_eq!(controller.metric("lb_ingresses_held{provider=\"old\"}"), Some(1.0));
    // It is followed while it moves.
    pair.world.endpoints("web", &["10.0.0.2"]).await?;
    eventually("endpoints follow", || pair.old.endpoints("lb-old", "default/web/80") == ["10.0.0.2"]).await;
    drop(held);
    pair.shows(NEW).await;
    eventually("the old one is without it", || !pair.old.hosts("lb-old").contains(&"a.example".to_owned())).await;
    assert_eq!(pair.new.hosts("lb-new"), ["a.example"]);
    assert_eq!(pair.world.status_writes("a"), 2, "and the status was never empty");
    pair.told("a", "Synced: served by load balancer lb-new of provider new").await;
    assert_eq!(controller.metric("lb_ingresses_held{provider=\"old\"}"), Some(0.0));
    controller.stop().await
}

#[tokio::test]
async fn the_old_one_lingers_for_clients_that_know_its_address() -> Result<()> {
    let pair = Pair::new().await?;
    pair.ingress("lb-old").await?;
    let controller = pair.start_with(Options { linger: Duration::from_hours(1), ..options() });
    pair.shows(OLD).await;
    pair.ingress("lb-new").await?;
    pair.shows(NEW).await;
    settle(&pair.world, &pair.old).await?;
    assert!(pair.old.hosts("lb-old").contains(&"a.example".to_owned()));
    controller.stop().await?;

    // The status says that it has moved: another start finds nothing to hold.
    let controller = pair.start_with(Options { linger: Duration::from_hours(1), ..options() });
    eventually("the old one is without it", || !pair.old.hosts("lb-old").contains(&"a.example".to_owned())).await;
    assert_eq!(pair.world.addresses("a").await?, [NEW]);
    controller.stop().await
}

#[tokio::test]
async fn an_ingress_stays_where_the_new_provider_refuses_it() -> Result<()> {
    let pair = Pair::new().await?;
    pair.ingress("lb-old").await?;
    let controller = pair.start();
    pair.shows(OLD).await;
    pair.new.answer(Ok(Outcome { readiness: Readiness::Ready, addresses: Vec::new(), rejections: vec![refusal()] }));
    pair.ingress("lb-new").await?;
    pair.told("a", "NotMoved: it stays with provider old: provider new refuses it").await;
    settle(&pair.world, &pair.old).await?;
    assert!(pair.old.hosts("lb-old").contains(&"a.example".to_owned()));
    assert_eq!(pair.world.addresses("a").await?, [OLD]);

    // The next change is taken.
    pair.world.ingress_of("lb-new", "a", "b.example", "web").await?;
    pair.shows(NEW).await;
    eventually("the old one is without it", || !pair.old.hosts("lb-old").contains(&"b.example".to_owned())).await;
    controller.stop().await
}

#[tokio::test]
async fn an_ingress_that_is_deleted_while_it_moves_goes_from_both() -> Result<()> {
    let pair = Pair::new().await?;
    pair.ingress("lb-old").await?;
    let controller = pair.start();
    pair.shows(OLD).await;
    let held = pair.new.hold().await;
    pair.ingress("lb-new").await?;
    eventually("the new one is called", || pair.new.is_busy()).await;
    pair.world.delete_ingress("a").await?;
    eventually("the old one is without it", || pair.old.hosts("lb-old").is_empty()).await;
    drop(held);
    eventually("the new one is without it", || pair.new.hosts("lb-new").is_empty() && !pair.new.is_busy()).await;
    assert_eq!(controller.metric("lb_ingresses_held{provider=\"old\"}"), Some(0.0));
    controller.stop().await
}

#[tokio::test]
async fn an_ingress_that_comes_back_was_never_gone() -> Result<()> {
    let pair = Pair::new().await?;
    pair.ingress("lb-old").await?;
    let controller = pair.start();
    pair.shows(OLD).await;
    let held = pair.new.hold().await;
    pair.ingress("lb-new").await?;
    eventually("the new one is called", || pair.new.is_busy()).await;
    pair.ingress("lb-old").await?;
    settle(&pair.world, &pair.old).await?;
    drop(held);
    eventually("the new one is without it", || pair.new.hosts("lb-new").is_empty() && !pair.new.is_busy()).await;
    assert_eq!(pair.world.addresses("a").await?, [OLD]);
    assert_eq!(pair.world.status_writes("a"), 1);
    let removals = |change: &ChangeSet| change.virtual_hosts.remove.len();
    assert_eq!(pair.old.applies().iter().map(removals).sum::<usize>(), 0, "the old one never removed it");

    // Once more, all the way and back.
    pair.ingress("lb-new").await?;
    pair.shows(NEW).await;
    eventually("the old one is without it", || !pair.old.hosts("lb-old").contains(&"a.example".to_owned())).await;
    pair.ingress("lb-old").await?;
    pair.shows(OLD).await;
    eventually("the new one is without it", || pair.new.hosts("lb-new").is_empty()).await;
    controller.stop().await
}

#[tokio::test]
async fn an_ingress_that_leaves_us_is_not_held() -> Result<()> {
    let pair = Pair::new().await?;
    pair.world.class("other", "example.com/other").await?;
    pair.ingress("lb-old").await?;
    let controller = pair.start();
    pair.shows(OLD).await;
    pair.ingress("other").await?;
    eventually("the old one is without it", || pair.old.hosts("lb-old").is_empty()).await;
    eventually_is("the address is gone", Vec::<String>::new(), || pair.world.addresses("a")).await;
    controller.stop().await
}

#[tokio::test]
async fn a_class_whose_parameters_change_moves_its_ingresses() -> Result<()> {
    let pair = Pair::new().await?;
    let edge = |provider: &str| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": { "name": "edge" },
            "spec": {
                "controller": "lb-controller.io/ingress",
                "parameters": { "apiGroup": "lb-controller.io", "kind": "Provider", "name": provider },
            },
        })
    };
    pair.world.apply(edge("old")).await?;
    pair.ingress("edge").await?;
    let controller = pair.start();
    pair.shows(OLD).await;

    // A mistake moves nothing.
    pair.world.apply(edge("nwe")).await?;
    pair.told("edge", "spec.parameters.name: there is no provider \"nwe\"; there are new, old").await;
    pair.told("a", "NotMoved: it stays with provider old: its class is bound to no provider").await;
    settle(&pair.world, &pair.old).await?;
    assert!(pair.old.hosts("lb-old").contains(&"a.example".to_owned()));
    assert_eq!(pair.world.addresses("a").await?, [OLD]);

    pair.world.apply(edge("new")).await?;
    pair.shows(NEW).await;
    eventually("the old one is without it", || !pair.old.hosts("lb-old").contains(&"a.example".to_owned())).await;
    assert_eq!(pair.world.status_writes("a"), 2);
    controller.stop().await
}

#[tokio::test]
async fn a_provider_that_hangs_or_fails_delays_nobody_else() -> Result<()> {
    let pair = Pair::new().await?;
    pair.world.ingress_of("lb-new", "b", "b.example", "web").await?;
    pair.old.answer(Err(unavailable()));
    let held = pair.new.hold().await;
    let controller = pair.start();
    pair.ingress("lb-old").await?;
    pair.shows(OLD).await;
    pair.world.endpoints("web", &["10.0.0.9"]).await?;
    eventually("endpoints follow", || pair.old.endpoints("lb-old", "default/web/80") == ["10.0.0.9"]).await;
    assert!(pair.new.is_busy() && !controller.ready.is_ready(), "the other one still hangs");
    drop(held);
    controller.ready.ready().await;
    controller.stop().await
}
