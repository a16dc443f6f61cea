//! nginx beside Rancher.

use anyhow::{Result, ensure};
use lb_rancher_double::{Fault, Route, Rule};
use lb_tests::{Controller, World, ingress, prefix, rancher::Rancher};
use serde_json::json;

use crate::local::{Local, NGINX, clean, controller, shop, shows};

/// nginx beside Rancher.
struct Mixed {
    world: World,
    rancher: Rancher,
    nginx: Local,
    /// The name of the Rancher provider, and of its class.
    remote: String,
}

impl Mixed {
    async fn start(name: &str) -> Result<(Self, Controller)> {
        let world = World::start(name).await?;
        let rancher = Rancher::start(&world).await?;
        let nginx = Local::nginx(&world)?;
        let remote = format!("{}-rancher", world.class);
        let text = json!({
            "provider": "rancher",
            "grants": {
                "http": {"rancher": {"allow-addresses": ["loopback"]}},
                "subscriptions": {"rancher": {"debounce-ms": 20}},
            },
        });
        let both = [(nginx.name.as_str(), &nginx.text), (remote.as_str(), &text)];
        let builder = controller(&world, &both).await?;
        let controller = builder
            .environment("CATTLE_URL", &rancher.server.url())
            .environment("CATTLE_ACCESS_KEY", &rancher.key.access)
            .environment("CATTLE_SECRET_KEY", &rancher.key.secret)
            .start()
            .await?;
        Ok((Self { world, rancher, nginx, remote }, controller))
    }
}

/// The one rule of [`shop`] at Rancher, for a Service whose pods listen on this port.
fn rule(port: u16) -> String {
    format!("http://shop.test:80/ -> shop:{port}")
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_and_rancher_serve_side_by_side_and_take_over_from_each_other() -> Result<()> {
    let (mixed, controller) = Mixed::start("mixed").await?;
    let Mixed { world, rancher, nginx, remote } = &mixed;
    world.service("shop", 8080).await?;
    world.apply(shop(remote)).await?;
    rancher.serves(world, "shop", &[&rule(8080)]).await?;
    shows(world, &controller, &rancher.address(0)).await?;
    nginx.lets_go(&controller, "shop.test").await?;

    let mark = rancher.mark();
    world.apply(shop(&nginx.name)).await?;
    shows(world, &controller, NGINX).await?;
    rancher.gone(world, "shop").await?;
    ensure!(rancher.since(mark).count("POST", "/loadbalancerservices") == 0, "it was not made again");

    world.apply(shop(remote)).await?;
    shows(world, &controller, &rancher.address(0)).await?;
    rancher.serves(world, "shop", &[&rule(8080)]).await?;
    nginx.lets_go(&controller, "shop.test").await?;
    clean(world, &[&nginx.name, remote]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_takes_nothing_and_a_kill_in_mid_move_loses_nothing() -> Result<()> {
    let (mixed, mut controller) = Mixed::start("mid-move").await?;
    let Mixed { world, rancher, nginx, remote } = &mixed;
    let _workload = world.workload("shop", 1).await?;
    world.apply(shop(&nginx.name)).await?;
    nginx.serves(&controller, "shop.test", "shop").await?;
    shows(world, &controller, NGINX).await?;

    // Rancher is down: nginx goes on, and others are served as ever.
    rancher.server.faults().add(Rule::always(Route::any(), Fault::Status(503)));
    world.apply(shop(remote)).await?;
    world.warned("shop", &["stays with provider", &nginx.name, remote]).await?;
    world.apply(ingress("tea").class(&nginx.name).rule("tea.test", [prefix("/", "shop")])).await?;
    nginx.serves(&controller, "tea.test", "shop").await?;
    nginx.serves(&controller, "shop.test", "shop").await?;

    for _ in 0..2 {
        controller.kill()?;
        controller.spawn()?;
        controller.says(&["reconciling begins"]).await?;
        // Whatever was applied at the start, this comes after it.
        world.apply(ingress("tea").class(&nginx.name).rule("more.tea.test", [prefix("/", "shop")])).await?;
        nginx.serves(&controller, "more.tea.test", "shop").await?;
        world.apply(ingress("tea").class(&nginx.name).rule("tea.test", [prefix("/", "shop")])).await?;
        nginx.lets_go(&controller, "more.tea.test").await?;
        nginx.serves(&controller, "shop.test", "shop").await?;
        ensure!(world.addresses("shop").await? == [NGINX], "the status is that of nginx");
    }
    rancher.server.faults().clear();
    shows(world, &controller, &rancher.address(0)).await?;
    nginx.lets_go(&controller, "shop.test").await?;

    // The other way round, killed at once: the load balancer stays until the status shows nginx.
    world.apply(shop(&nginx.name)).await?;
    controller.kill()?;
    ensure!(world.addresses("shop").await? == [rancher.address(0)] && rancher.balancer(world, "shop")?.is_active());
    controller.spawn()?;
    shows(world, &controller, NGINX).await?;
    nginx.serves(&controller, "shop.test", "shop").await?;
    rancher.gone(world, "shop").await?;
    clean(world, &[&nginx.name, remote]).await
}
