//! Moves that a restart, or the eyes of another replica, come upon.

use anyhow::Result;
use lb_model::types::{Address, Placement, Scope};

use super::pair::{NEW, OLD, Pair, settle};
use crate::{
    provider::{Call, FakeProvider},
    world::{eventually, leased},
};

#[tokio::test]
async fn an_ingress_that_was_moving_is_held_after_a_restart() -> Result<()> {
    let pair = Pair::new().await?;
    pair.ingress("lb-old").await?;
    let controller = pair.start();
    pair.shows(OLD).await;
    controller.stop().await?;
    let held = pair.new.hold().await;
    pair.ingress("lb-new").await?;
    let controller = pair.start();
    eventually("both are called", || pair.new.is_busy() && pair.old.complete_applies() == 2).await;
    settle(&pair.world, &pair.old).await?;
    assert!(pair.old.hosts("lb-old").contains(&"a.example".to_owned()));
    assert_eq!(pair.world.addresses("a").await?, [OLD]);
    drop(held);
    pair.shows(NEW).await;
    eventually("the old one is without it", || !pair.old.hosts("lb-old").contains(&"a.example".to_owned())).await;
    for change in pair.old.applies().iter().skip(1) {
        let gone = change.virtual_hosts.remove.iter().any(|host| host.contains("a.example"));
        assert!(!gone || pair.new.serves("lb-new"), "there was always one that served it");
    }
    controller.stop().await
}

#[tokio::test]
async fn an_ingress_that_moves_while_a_restart_is_under_way_is_held() -> Result<()> {
    let pair = Pair::new().await?;
    pair.ingress("lb-old").await?;
    let controller = pair.start();
    pair.shows(OLD).await;
    controller.stop().await?;
    // Nothing is applied yet when the class changes.
    let (held, holding) = (pair.old.hold().await, pair.new.hold().await);
    let controller = pair.start();
    eventually("both are called", || pair.old.is_busy() && pair.new.is_busy()).await;
    pair.ingress("lb-new").await?;
    let moving = || controller.metric("lb_ingresses_held{provider=\"old\"}") == Some(1.0);
    eventually("it is held", moving).await;
    drop(held);
    settle(&pair.world, &pair.old).await?;
    assert!(pair.old.hosts("lb-old").contains(&"a.example".to_owned()));
    drop(holding);
    pair.shows(NEW).await;
    eventually("the old one is without it", || !pair.old.hosts("lb-old").contains(&"a.example".to_owned())).await;
    controller.stop().await
}

#[tokio::test]
async fn a_load_balancer_of_a_single_ingress_is_held_after_a_restart() -> Result<()> {
    let old = FakeProvider::observing(Scope::PerObject, Placement::Leader, 1);
    old.report(&[Address::Ip(OLD.to_owned())]);
    let pair = Pair::of(old, FakeProvider::shared()).await?;
    pair.ingress("lb-old").await?;
    let controller = pair.start();
    pair.shows(OLD).await;
    controller.stop().await?;
    let held = pair.new.hold().await;
    pair.ingress("lb-new").await?;
    let looks = |provider: &FakeProvider| provider.calls().iter().filter(|call| **call == Call::Observe).count();
    let before = looks(&pair.old);
    let controller = pair.start();
    eventually("the old one was observed", || looks(&pair.old) >= before + 2 && pair.new.is_busy()).await;
    assert!(pair.old.serves("default/a") && !pair.old.removed("default/a"));
    assert_eq!(pair.world.addresses("a").await?, [OLD]);
    drop(held);
    pair.shows(NEW).await;
    eventually("the old one is removed", || pair.old.removed("default/a") && !pair.old.serves("default/a")).await;
    controller.stop().await
}

#[tokio::test]
async fn a_replica_that_does_not_call_the_new_provider_goes_by_the_status() -> Result<()> {
    let new = FakeProvider::new(Scope::PerObject, Placement::Leader);
    new.report(&[Address::Ip(NEW.to_owned())]);
    let pair = Pair::of(FakeProvider::shared(), new).await?;
    pair.ingress("lb-old").await?;
    let leader = pair.start_with(leased("one"));
    pair.shows(OLD).await;
    let beside = FakeProvider::shared();
    let standby = pair.start_replica(&beside, leased("two"));
    standby.ready.ready().await;
    assert_eq!(beside.hosts("lb-old"), ["a.example"]);
    let held = pair.new.hold().await;
    pair.ingress("lb-new").await?;
    eventually("the new one is called", || pair.new.is_busy()).await;
    settle(&pair.world, &beside).await?;
    assert!(beside.hosts("lb-old").contains(&"a.example".to_owned()), "the status shows the old one");
    drop(held);
    pair.shows(NEW).await;
    for (who, old) in [("the leader", &pair.old), ("the other", &beside)] {
        eventually(&format!("{who} lets go of it"), || !old.hosts("lb-old").contains(&"a.example".to_owned())).await;
    }
    standby.stop().await?;
    leader.stop().await
}
