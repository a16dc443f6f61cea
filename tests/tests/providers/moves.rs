//! nginx and Caddy, and an Ingress that moves between them.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use lb_tests::{World, ingress, prefix, skip_with};
use serde_json::{Value, json};

use crate::{
    clients::Clients,
    local::{Local, NGINX, clean, controller, shop, shows},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_ingress_moves_back_and_forth_under_traffic() -> Result<()> {
    skip_with!("caddy", "it runs both providers");
    let world = Arc::new(World::start("move").await?);
    let _workload = world.workload("shop", 2).await?;
    let (nginx, caddy) = (Local::nginx(&world)?, Local::caddy(&world)?);
    let both = [(nginx.name.as_str(), &nginx.text), (caddy.name.as_str(), &caddy.text)];
    world.apply(shop(&nginx.name)).await?;
    world.apply(ingress("tea").class(&caddy.name).rule("tea.test", [prefix("/", "shop")])).await?;
    let controller = controller(&world, &both).await?.start().await?;
    nginx.serves(&controller, "shop.test", "shop").await?;
    caddy.serves(&controller, "tea.test", "shop").await?;
    nginx.lets_go(&controller, "tea.test").await?;
    shows(&world, &controller, NGINX).await?;

    let clients = Clients::start(&world, &[(nginx.address, nginx.client), (caddy.address, caddy.client)]);
    clients.flow(50).await?;
    for _ in 0..2 {
        for (from, to) in [(&nginx, &caddy), (&caddy, &nginx)] {
            world.apply(shop(&to.name)).await?;
            shows(&world, &controller, to.address).await?;
            to.serves(&controller, "shop.test", "shop").await?;
            from.lets_go(&controller, "shop.test").await?;
            clients.flow(50).await?;
        }
    }
    clients.stop().await?;
    let listed: Value = serde_json::from_str(&controller.admin("/v1/providers").await?.body)?;
    let names: Vec<_> = listed.as_array().into_iter().flatten().map(|it| (&it["name"], &it["provider"])).collect();
    let expected = [(&json!(caddy.name), &json!("caddy")), (&json!(nginx.name), &json!("nginx"))];
    ensure!(names == expected, "{names:?}");
    for local in [&nginx, &caddy] {
        let applied = controller.metric("lb_reconcile_total", &format!("provider=\"{}\"", local.name)).await?;
        ensure!(applied > 0.0, "nothing is counted for {}", local.name);
    }
    clean(&world, &[&nginx.name, &caddy.name]).await
}

/// What is logged of a move, in this order: between any two of these lines it is in another state.
const STEPS: [&str; 8] = [
    "its class changed; it is held for now",
    "apply-begin",
    "apply-end",
    "applied",
    "status-begin",
    "wrote the status",
    "status-end",
    "it is held no longer",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_step_of_a_move_fails_no_request() -> Result<()> {
    skip_with!("caddy", "it runs both providers");
    let world = Arc::new(World::start("move-kill").await?);
    let _workload = world.workload("shop", 1).await?;
    let (nginx, caddy) = (Local::nginx(&world)?, Local::caddy(&world)?);
    let both = [(nginx.name.as_str(), &nginx.text), (caddy.name.as_str(), &caddy.text)];
    world.apply(shop(&nginx.name)).await?;
    let mut controller = controller(&world, &both).await?.start().await?;
    nginx.serves(&controller, "shop.test", "shop").await?;
    shows(&world, &controller, NGINX).await?;
    let clients = Clients::start(&world, &[(nginx.address, nginx.client), (caddy.address, caddy.client)]);
    for (round, step) in STEPS.into_iter().enumerate() {
        let (from, to) = if round % 2 == 0 { (&nginx, &caddy) } else { (&caddy, &nginx) };
        let mut log = controller.log()?;
        log.read()?;
        world.apply(shop(&to.name)).await?;
        controller.kill_at(log, step)?;
        clients.flow(20).await?;
        controller.spawn()?;
        controller.ready().await?;
        shows(&world, &controller, to.address).await.with_context(|| format!("killed at {step:?}"))?;
        to.serves(&controller, "shop.test", "shop").await?;
        from.lets_go(&controller, "shop.test").await.with_context(|| format!("killed at {step:?}"))?;
    }
    clients.stop().await?;
    clean(&world, &[&nginx.name, &caddy.name]).await
}
