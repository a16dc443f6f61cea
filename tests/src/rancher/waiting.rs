//! Waiting for what the controller and the server are about to do.

use anyhow::{Result, ensure};

use super::{LoadBalancer, Rancher};
use crate::{Controller, World, eventually};

impl Rancher {
    /// Waits until an Ingress has one load balancer, active, that serves exactly these rules in this order.
    pub async fn serves(&self, world: &World, ingress: &str, rules: &[&str]) -> Result<LoadBalancer> {
        self.becomes(world, ingress, &format!("serves {rules:?}"), |balancer| {
            balancer.is_active() && balancer.rules == rules
        })
        .await
    }

    /// Waits until the one load balancer of an Ingress is as a test wants it.
    pub async fn becomes(
        &self,
        world: &World,
        ingress: &str,
        how: &str,
        is: impl Fn(&LoadBalancer) -> bool,
    ) -> Result<LoadBalancer> {
        eventually(format!("the load balancer of {ingress} {how}"), async || {
            let balancer = self.balancer(world, ingress)?;
            ensure!(is(&balancer), "it is {balancer:?}");
            Ok(balancer)
        })
        .await
    }

    /// Waits until nothing is left of the load balancers of an Ingress.
    pub async fn gone(&self, world: &World, ingress: &str) -> Result<()> {
        eventually(format!("the load balancer of {ingress} is gone"), async || {
            let left = self.balancers_of(world, ingress);
            let left: Vec<_> = left.iter().map(|balancer| (balancer.name(), balancer.state())).collect();
            ensure!(left.is_empty(), "there are {left:?}");
            Ok(())
        })
        .await
    }

    /// Waits until the status of an Ingress shows exactly these addresses.
    pub async fn published(&self, world: &World, ingress: &str, addresses: &[&str]) -> Result<()> {
        eventually(format!("{ingress} shows {addresses:?}"), async || {
            let shown = world.addresses(ingress).await?;
            ensure!(shown == addresses, "it shows {shown:?}");
            Ok(())
        })
        .await
    }

    /// Waits until the controller has looked, from now on, at all that the server has, and has nothing under way.
    pub async fn looked(&self, controller: &Controller) -> Result<()> {
        let looks = async || controller.metric("lb_provider_calls_total", "function=\"observe\"").await;
        // One may be under way that began before now.
        let enough = looks().await? + 2.0;
        eventually("the controller looks at the server", async || {
            self.ring();
            let (now, busy) = (looks().await?, controller.metric("lb_calls_in_flight", "").await?);
            ensure!(now >= enough && busy == 0.0, "{now} looks of {enough}, {busy} calls under way");
            Ok(())
        })
        .await
    }
}
