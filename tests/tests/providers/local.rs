//! Providers with a data plane of this machine, and what a test asks of them.

use anyhow::{Context, Result, ensure};
use lb_tests::{
    Client, Controller, World, controller::Builder, eventually, ingress, objects, objects::ingress_class, ports, prefix,
};
use serde_json::{Value, json};

/// What nginx publishes.
pub(crate) const NGINX: &str = "192.0.2.1";
/// What Caddy publishes.
pub(crate) const CADDY: &str = "192.0.2.2";

/// A provider of the configuration file, with a data plane of this machine.
pub(crate) struct Local {
    /// Its name and its class.
    pub(crate) name: String,
    pub(crate) client: Client,
    pub(crate) address: &'static str,
    pub(crate) text: Value,
}

impl Local {
    pub(crate) fn new(world: &World, component: &str, address: &'static str) -> Result<Self> {
        let (http, https) = (ports::free()?, ports::free()?);
        let text = json!({
            "provider": component, "http-port": http, "https-port": https, "publish-address": [address],
        });
        let name = format!("{}-{component}", world.class);
        Ok(Self { name, client: Client::new(http, https), address, text })
    }

    pub(crate) fn nginx(world: &World) -> Result<Self> {
        Self::new(world, "nginx", NGINX)
    }

    pub(crate) fn caddy(world: &World) -> Result<Self> {
        let mut caddy = Self::new(world, "caddy", CADDY)?;
        let (edge, router) = (ports::free()?, ports::free()?);
        let [edge, router] = [edge, router].map(|port| format!("127.0.0.1:{port}"));
        caddy.text["settings"] = json!({"edge-admin-address": edge, "router-admin-address": router});
        caddy.text["grants"]["http"] = json!({
            "edge": {"base-url": format!("http://{edge}")}, "router": {"base-url": format!("http://{router}")},
        });
        Ok(caddy)
    }

    /// Waits until it serves a host by this Service.
    pub(crate) async fn serves(&self, controller: &Controller, host: &str, service: &str) -> Result<()> {
        let served = eventually(format!("{host} is served by {service} at {}", self.name), async || {
            let answered = self.client.get(host, "/").await?.service()?;
            ensure!(answered == service, "{answered} answered");
            Ok(())
        });
        served.await.with_context(|| format!("the log ends:\n{}", controller.log_tail()))
    }

    /// Waits until it knows a host no longer.
    pub(crate) async fn lets_go(&self, controller: &Controller, host: &str) -> Result<()> {
        let gone = eventually(format!("{host} is unknown at {}", self.name), async || {
            let status = self.client.get(host, "/").await?.status;
            ensure!(status == 404, "the status is {status}");
            Ok(())
        });
        gone.await.with_context(|| format!("the log ends:\n{}", controller.log_tail()))
    }
}

/// A controller with these providers; the classes are made.
pub(crate) async fn controller<'world>(world: &'world World, providers: &[(&str, &Value)]) -> Result<Builder<'world>> {
    for (name, _) in providers {
        world.apply(ingress_class(name, &world.controller_name, false)).await?;
    }
    let providers: serde_json::Map<_, _> =
        providers.iter().map(|(name, text)| ((*name).to_owned(), (*text).clone())).collect();
    Ok(world.controller().providers(format!("{:#}\n", json!({"providers": providers, "linger": 1}))))
}

/// The classes are the cluster's, not the namespace's.
pub(crate) async fn clean(world: &World, classes: &[&str]) -> Result<()> {
    for class in classes {
        world.delete("IngressClass", class).await?;
    }
    Ok(())
}

pub(crate) async fn shows(world: &World, controller: &Controller, address: &str) -> Result<()> {
    let shown = eventually(format!("the status shows {address}"), async || {
        let addresses = world.addresses("shop").await?;
        ensure!(addresses == [address], "it shows {addresses:?}");
        Ok(())
    });
    shown.await.with_context(|| format!("the log ends:\n{}", controller.log_tail()))
}

pub(crate) fn shop(class: &str) -> objects::Ingress {
    ingress("shop").class(class).rule("shop.test", [prefix("/", "shop")])
}
