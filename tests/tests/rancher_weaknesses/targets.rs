//! Where traffic goes: services that are missing, endpoints that come and go, ports with names.

use anyhow::{Context, Result, ensure};
use lb_rancher_double::Fault;
use lb_tests::{
    Controller, World, eventually, ingress,
    objects::{Conditions, HTTP, Port, endpoint_slice, service},
    prefix,
    rancher::{LoadBalancer, Rancher},
};

use super::{WEB, beside, rule_beside, web};

/// How often the provider was called to apply something.
async fn applies(controller: &Controller) -> Result<f64> {
    controller.metric("lb_provider_calls_total", "function=\"apply\"").await
}

/// In the original one missing service failed the whole load balancer, and the error was retried at once, in a hot loop.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_08_a_missing_service_leaves_the_rest_live_and_is_waited_for_calmly() -> Result<()> {
    let world = World::start("missing-service").await?;
    let rancher = Rancher::setup().without_agent().start(&world).await?;
    world.service("shop", 8080).await?;
    world.service("late", 9090).await?;
    rancher.know(&world, "shop").await?;
    world.apply(ingress("web").rule("web.test", [prefix("/", "shop"), prefix("/late", "late")])).await?;
    let controller = rancher.controller(&world).start().await?;
    rancher.serves(&world, "web", &[WEB]).await?;
    rancher.published(&world, "web", &[&rancher.address(0)]).await?;

    // Much happens around it, and it is left alone.
    let (mark, before) = (rancher.mark(), applies(&controller).await?);
    for port in 81..84 {
        let name = format!("beside-{port}");
        world.apply(beside(&name, port)).await?;
        rancher.serves(&world, &name, &[&rule_beside(&name, port)]).await?;
        rancher.looked(&controller).await?;
    }
    let calls = applies(&controller).await? - before;
    assert!(calls <= 4.0, "three load balancers were made in {calls} calls: something was tried over and over");
    let web = rancher.balancer(&world, "web")?;
    let touched = rancher.since(mark).of("WRITE", &format!("/loadbalancerservices/{}", web.id()));
    assert!(touched.is_empty(), "{touched:?}");

    // It is there: told by an event, added by one update.
    rancher.know(&world, "late").await?;
    rancher.serves(&world, "web", &["http://web.test:80/late -> late:9090", WEB]).await?;
    let updates = rancher.since(mark).of("WRITE", &format!("/loadbalancerservices/{}", web.id()));
    assert_eq!(updates.len(), 1, "{updates:?}");
    Ok(())
}

/// The original built and compared everything, one after the other, whenever any endpoint in the cluster changed; one slow
/// load balancer held up all others.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_09_endpoints_cost_nothing_and_a_slow_one_delays_nobody() -> Result<()> {
    let world = World::start("endpoints").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    let controller = rancher.controller(&world).start().await?;
    rancher.serves(&world, "web", &[WEB]).await?;
    rancher.looked(&controller).await?;

    let (mark, before) = (rancher.mark(), applies(&controller).await?);
    for pod in 1..=20_u8 {
        let slice =
            endpoint_slice(&format!("shop-{pod}"), "shop", [10, 0, 0, pod].into(), &[(HTTP, 8080)], Conditions::READY);
        world.apply(slice).await?;
        if pod > 3 {
            world.delete("EndpointSlice", &format!("shop-{}", pod - 3)).await?;
        }
    }
    // What is served after it shows that the controller has been through all of it.
    world.apply(beside("marker", 81)).await?;
    rancher.serves(&world, "marker", &[&rule_beside("marker", 81)]).await?;
    assert!(applies(&controller).await? - before <= 1.0, "pods are Rancher's business");
    let writes = rancher.since(mark).writes();
    assert_eq!((writes.len(), writes.count("POST", "/loadbalancerservices")), (1, 1), "{writes:?}");

    let slow = rancher.balancer(&world, "web")?;
    let path = format!("/loadbalancerservices/{}", slow.id());
    let held = rancher.server.faults().once("PUT", &path, Fault::HangBefore(std::time::Duration::from_mins(10)));
    world.apply(web().annotation("http.port", "99")).await?;
    eventually("the slow one is asked for", async || {
        ensure!(rancher.server.faults().fired(held) == 1, "it is not");
        Ok(())
    })
    .await?;
    for name in ["marker", "another"] {
        world.apply(beside(name, 82 + u16::try_from(name.len())?)).await?;
        rancher.serves(&world, name, &[&rule_beside(name, 82 + u16::try_from(name.len())?)]).await?;
    }
    let waiting = rancher.since(mark).of("PUT", &path);
    assert!(waiting.len() == 1 && waiting[0].status.is_none(), "the slow one is still waited for: {waiting:?}");
    Ok(())
}

/// In the original a port that the Service names evaluated to 0 and dropped the rule; without HTTP and without TLS it made
/// a load balancer without ports, which never became ready.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_19_named_ports_are_found_and_nothing_is_made_without_ports() -> Result<()> {
    let world = World::start("named-ports").await?;
    let rancher = Rancher::start(&world).await?;
    let mut named = service("shop", &[Port("web", 80, "TCP"), Port("admin", 81, "TCP")]);
    named["spec"]["ports"][0]["targetPort"] = "http".into();
    named["spec"]["ports"][1]["targetPort"] = 9091.into();
    world.apply(named).await?;
    let slice = endpoint_slice(
        "shop-1",
        "shop",
        [10, 0, 0, 1].into(),
        &[(Port("web", 80, "TCP"), 9090), (Port("admin", 81, "TCP"), 9091)],
        Conditions::READY,
    );
    let paths = [prefix("/", "shop").port_name("web"), prefix("/admin", "shop").port_name("admin")];
    world.apply(ingress("web").rule("web.test", paths)).await?;
    let closed = beside("closed", 82).annotation("allow.http", "false");
    world.apply(closed).await?;
    let controller = rancher.controller(&world).start().await?;
    // The pods say what the name means, and there are none yet.
    rancher.serves(&world, "web", &["http://web.test:80/admin -> shop:9091"]).await?;
    world.apply(slice).await?;
    let both = ["http://web.test:80/admin -> shop:9091", "http://web.test:80/ -> shop:9090"];
    rancher.serves(&world, "web", &both).await?;

    rancher.looked(&controller).await?;
    world.warned("closed", &["plain HTTP is switched off"]).await?;
    let without_ports: Vec<LoadBalancer> =
        rancher.balancers().into_iter().filter(|balancer| balancer.ports().is_empty()).collect();
    assert!(without_ports.is_empty(), "{without_ports:?}");
    world.apply(beside("closed", 82)).await?;
    rancher.serves(&world, "closed", &["http://closed.test:82/ -> shop:9090"]).await.context("once it is open")?;
    Ok(())
}
