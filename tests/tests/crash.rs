//! The controller is killed at every line that it logs, at start and at a change, and started again: it converges, and
//! traffic never notices.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use lb_tests::{Controller, Request, Traffic, Workload, World, certificates::self_signed, eventually, ingress, prefix};

/// One change that touches everything: a host comes, one goes, a certificate, a backend.
struct Change<'world> {
    world: &'world World,
    shop: Workload<'world>,
    round: usize,
}

impl Change<'_> {
    async fn make(&mut self) -> Result<()> {
        let (last, next) = (self.round, self.round + 1);
        let (name, host) = (format!("round-{next}"), format!("round-{next}.test"));
        self.world.tls_secret(&name, &self_signed(&[&host])?).await?;
        self.world.apply(ingress(&name).tls(&[&host], &name).rule(&host, [prefix("/", "shop")])).await?;
        if last > 0 {
            self.world.delete("Ingress", &format!("round-{last}")).await?;
            self.world.delete("Secret", &format!("round-{last}")).await?;
        }
        self.shop.add().await?;
        drop(self.shop.remove(&self.shop.pods()[0].clone()).await?);
        self.round = next;
        Ok(())
    }

    /// Waits until the change is served, and nothing of the one before.
    async fn arrived(&self, controller: &Controller) -> Result<()> {
        let pods = self.shop.pods();
        eventually(format!("change {} is served", self.round), async || {
            let host = format!("round-{}.test", self.round);
            let plain = controller.client.get(&host, "/").await?.pod()?;
            ensure!(pods.contains(&plain), "{plain} answered, {pods:?} are there");
            controller.client.send(&Request::https(&host, "/")).await?.pod()?;
            let gone = controller.client.get(&format!("round-{}.test", self.round - 1), "/").await?.status;
            ensure!(gone == 404, "the host of the change before is answered with {gone}");
            let addresses = self.world.addresses(&format!("round-{}", self.round)).await?;
            ensure!(!addresses.is_empty(), "no address is published");
            Ok(())
        })
        .await
        .with_context(|| format!("the log ends:\n{}", controller.log_tail()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_killed_between_any_two_steps_converges_and_traffic_flows() -> Result<()> {
    let world = World::start("crash").await?;
    let steady = world.workload("steady", 1).await?;
    world.apply(ingress("steady").rule("steady.test", [prefix("/", "steady")])).await?;
    let shop = world.workload("shop", 2).await?;
    let mut controller = world.controller().start().await?;
    controller.serves("steady.test", "/", "steady").await?;
    let mut change = Change { world: &world, shop, round: 0 };
    let traffic = Traffic::start(controller.client, "steady.test", "/", 2);
    traffic.settles_on(&steady.pods()).await?;

    // Which lines there are is seen in a run that nobody disturbs.
    change.make().await?;
    change.arrived(&controller).await?;
    let mut log = controller.log()?;
    log.read()?;
    change.make().await?;
    change.arrived(&controller).await?;
    let at_change: BTreeSet<String> = log.read()?.into_iter().collect();
    controller.kill()?;
    controller.spawn()?;
    controller.ready().await?;
    let at_start: BTreeSet<String> = controller.log()?.read()?.into_iter().collect();
    ensure!(at_change.len() > 3 && at_start.len() > 3, "too few lines to be killed at: {at_change:?}, {at_start:?}");

    for signature in &at_start {
        controller.kill()?;
        change.make().await?;
        controller.spawn()?;
        controller.kill_at(controller.log()?, signature).with_context(|| format!("at start, at {signature:?}"))?;
        traffic.flows(20).await?;
        controller.spawn()?;
        controller.ready().await?;
        change.arrived(&controller).await.with_context(|| format!("killed at start, at {signature:?}"))?;
    }
    for signature in &at_change {
        let mut log = controller.log()?;
        log.read()?;
        change.make().await?;
        controller.kill_at(log, signature).with_context(|| format!("at a change, at {signature:?}"))?;
        traffic.flows(20).await?;
        controller.spawn()?;
        controller.ready().await?;
        change.arrived(&controller).await.with_context(|| format!("killed at a change, at {signature:?}"))?;
    }
    let requests = traffic.stop_after_certificates().await?;
    ensure!(requests > 1000, "only {requests} requests: not much of a test");
    Ok(())
}
