//! Ends: of Ingresses at bad moments, of load balancers by other hands.

use anyhow::{Result, ensure};
use lb_rancher_double::{Fault, Route, Rule};
use lb_tests::{
    Controller, World, eventually,
    objects::ingress_class,
    rancher::{LoadBalancer, Rancher},
};
use serde_json::{Value, json};
use std::time::Duration;

use super::{WEB, beside, rule_beside, web};

/// Whatever is still to come for a name that has no Ingress any more, it does not come back.
async fn stays_gone(rancher: &Rancher, world: &World, controller: &Controller) -> Result<()> {
    rancher.gone(world, "web").await?;
    rancher.looked(controller).await?;
    world.apply(beside("marker", 81)).await?;
    rancher.serves(world, "marker", &[&rule_beside("marker", 81)]).await?;
    rancher.looked(controller).await?;
    assert!(rancher.balancers_of(world, "web").is_empty(), "it was resurrected");
    Ok(())
}

/// The original applied configurations that it had computed before an Ingress was deleted, after the cleanup: the load
/// balancer came back for good.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_10_an_ingress_deleted_while_it_is_applied_stays_deleted() -> Result<()> {
    for (name, fault) in [
        ("delayed", Fault::Delay(Duration::from_millis(700))),
        ("lost-answer", Fault::HangAfter(Duration::from_millis(700))),
    ] {
        let world = World::start(name).await?;
        let rancher = Rancher::start(&world).await?;
        world.service("shop", 8080).await?;
        let controller = rancher.controller(&world).start().await?;
        let held = rancher.server.faults().once("POST", "/loadbalancerservices", fault);
        world.apply(web()).await?;
        eventually("the create is under way", async || {
            ensure!(rancher.server.faults().fired(held) == 1, "it is not");
            Ok(())
        })
        .await?;
        world.delete("Ingress", "web").await?;
        eventually("the create was carried out", async || {
            ensure!(
                rancher.asked().of("POST", "/loadbalancerservices").iter().any(|it| it.served.is_some()),
                "not yet"
            );
            Ok(())
        })
        .await?;
        stays_gone(&rancher, &world, &controller).await?;
    }
    Ok(())
}

/// In the original a cleanup that failed was queued for the wrong worker and never tried again, and what was deleted or
/// left the class while the controller was down stayed for ever.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_11_removal_is_tried_until_it_succeeds_also_after_a_restart() -> Result<()> {
    let world = World::start("removal").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    for (name, port) in [("web", 80), ("down", 81), ("class", 82), ("stays", 83)] {
        world.apply(if name == "web" { web() } else { beside(name, port) }).await?;
    }
    let mut controller = rancher.controller(&world).start().await?;
    for name in ["web", "down", "class", "stays"] {
        rancher.becomes(&world, name, "is active", LoadBalancer::is_active).await?;
    }
    let stays = rancher.balancer(&world, "stays")?;

    let failing = Rule::always(Route::new("WRITE", "/loadbalancerservices/*"), Fault::Status(500)).times(4);
    let failing = rancher.server.faults().add(failing);
    world.delete("Ingress", "web").await?;
    rancher.gone(&world, "web").await?;
    assert!(rancher.server.faults().fired(failing) > 0, "nothing failed: not much of a test");
    rancher.server.faults().clear();

    controller.kill()?;
    world.delete("Ingress", "down").await?;
    let other = format!("{}-other", world.class);
    world.apply(ingress_class(&other, "example.com/another-controller", false)).await?;
    world.apply(beside("class", 82).class(&other)).await?;
    controller.spawn()?;
    controller.ready().await?;
    rancher.gone(&world, "down").await?;
    rancher.gone(&world, "class").await?;
    assert_eq!(rancher.balancer(&world, "stays")?.row["lbConfig"], stays.row["lbConfig"]);
    world.delete("IngressClass", &other).await
}

/// The original took a load balancer that is being removed, and is still listed, for one that is there, and its updates were
/// refused; in one that a user had upgraded, updates are stored and run nothing.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_14_nothing_is_written_where_it_would_not_run() -> Result<()> {
    let world = World::start("states").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    let controller = rancher.controller(&world).start().await?;
    let first = rancher.serves(&world, "web", &[WEB]).await?;
    let path = |id: &str| format!("/loadbalancerservices/{id}");

    // A user upgrades it and does not finish yet.
    rancher.set_state(first.id(), "upgraded");
    let mark = rancher.mark();
    world.apply(web().annotation("http.port", "99")).await?;
    rancher.looked(&controller).await?;
    rancher.looked(&controller).await?;
    let writes = rancher.since(mark).writes();
    assert!(writes.is_empty(), "what is stored now runs never: {writes:?}");
    rancher.user("POST", &format!("{}?action=finishupgrade", path(first.id())), &json!({}))?;
    rancher.serves(&world, "web", &["http://web.test:99/ -> shop:8080"]).await?;

    // A user removes it, and its host takes its time.
    rancher.hold_removal(first.id());
    rancher.user("DELETE", &path(first.id()), &Value::Null)?;
    let mark = rancher.mark();
    world.apply(web().annotation("http.port", "98")).await?;
    rancher.looked(&controller).await?;
    rancher.looked(&controller).await?;
    let writes = rancher.since(mark);
    assert_eq!(writes.count("PUT", &path(first.id())), 0, "{writes:?}");
    let refused: Vec<_> = writes.iter().filter(|exchange| matches!(exchange.status, Some(409 | 422))).collect();
    assert!(refused.is_empty(), "{refused:?}");
    rancher.release_removal(first.id());
    let second = rancher.serves(&world, "web", &["http://web.test:98/ -> shop:8080"]).await?;
    assert_ne!(second.id(), first.id());
    Ok(())
}
