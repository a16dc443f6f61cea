//! Which certificate a client is shown, and what becomes of Secrets that cannot be used.

use anyhow::{Context, Result, ensure};
use lb_tests::{
    Controller, Request, Traffic, World, certificates::self_signed, eventually, ingress, objects::tls_secret, prefix,
};

/// Waits until a client of this server name is shown this certificate, and served.
async fn shows(controller: &Controller, name: &str, certificate: &[u8], service: &str) -> Result<()> {
    let shown = eventually(format!("{name} shows its certificate"), async || {
        let response = controller.client.send(&Request::https(name, "/")).await?;
        ensure!(response.certificate.as_deref() == Some(certificate), "it shows another certificate");
        let answered = response.service()?;
        ensure!(answered == service, "{answered} answered");
        Ok(())
    });
    shown.await.with_context(|| format!("the log ends:\n{}", controller.log_tail()))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_host_shows_its_own_certificate() -> Result<()> {
    let world = World::start("sni").await?;
    let _first = world.workload("first", 1).await?;
    let _second = world.workload("second", 1).await?;
    let (one, two) = (self_signed(&["one.test"])?, self_signed(&["*.two.test"])?);
    world.tls_secret("one", &one).await?;
    world.tls_secret("two", &two).await?;
    world.apply(ingress("one").tls(&["one.test"], "one").rule("one.test", [prefix("/", "first")])).await?;
    world.apply(ingress("two").tls(&["*.two.test"], "two").rule("*.two.test", [prefix("/", "second")])).await?;
    let controller = world.controller().start().await?;
    shows(&controller, "one.test", &one.der, "first").await?;
    shows(&controller, "any.two.test", &two.der, "second").await?;
    controller.serves("one.test", "/", "first").await?;
    let echo = controller.client.send(&Request::https("one.test", "/")).await?.echo()?;
    assert_eq!(echo["headers"]["x-forwarded-proto"], "https");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_certificate_shows_the_default_one() -> Result<()> {
    let world = World::start("default-certificate").await?;
    let _shop = world.workload("shop", 1).await?;
    let (shop, default) = (self_signed(&["shop.test"])?, self_signed(&["default.test"])?);
    world.tls_secret("shop", &shop).await?;
    world.tls_secret("default", &default).await?;
    world.apply(ingress("shop").tls(&["shop.test"], "shop").rule("shop.test", [prefix("/", "shop")])).await?;
    let secret = format!("--default-certificate={}/default", world.namespace);
    let controller = world.controller().argument(secret).start().await?;
    shows(&controller, "shop.test", &shop.der, "shop").await?;
    let stranger = controller.client.send(&Request::https("stranger.test", "/")).await?;
    assert_eq!(stranger.certificate.as_deref(), Some(&*default.der));
    assert_eq!(stranger.status, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_name_cannot_reach_around_the_host() -> Result<()> {
    let world = World::start("fronting").await?;
    let _shop = world.workload("shop", 1).await?;
    let _other = world.workload("other", 1).await?;
    let certificate = self_signed(&["shop.test", "other.test"])?;
    world.tls_secret("both", &certificate).await?;
    let rules = ingress("rules").tls(&["shop.test", "other.test"], "both");
    let rules = rules.rule("shop.test", [prefix("/", "shop")]).rule("other.test", [prefix("/", "other")]);
    world.apply(rules).await?;
    let controller = world.controller().start().await?;
    shows(&controller, "shop.test", &certificate.der, "shop").await?;
    // Whatever the answer is, it is never that of the host that the server name named.
    let response = controller.client.send(&Request::https("other.test", "/").server_name("shop.test")).await?;
    ensure!(response.service().map_or(true, |service| service == "other"), "shop answered for other.test");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_is_shown_and_no_request_fails() -> Result<()> {
    let world = World::start("rotation").await?;
    let _shop = world.workload("shop", 1).await?;
    let (old, new) = (self_signed(&["shop.test"])?, self_signed(&["shop.test"])?);
    world.tls_secret("shop", &old).await?;
    world.apply(ingress("shop").tls(&["shop.test"], "shop").rule("shop.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    shows(&controller, "shop.test", &old.der, "shop").await?;
    let traffic = Traffic::start(controller.client, "shop.test", "/", 2);
    traffic.flows(50).await?;
    world.tls_secret("shop", &new).await?;
    shows(&controller, "shop.test", &new.der, "shop").await?;
    traffic.flows(50).await?;
    traffic.stop_after_certificates().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_told_and_served_once_it_is_there() -> Result<()> {
    let world = World::start("missing-secret").await?;
    let _shop = world.workload("shop", 1).await?;
    let (neighbour, late) = (self_signed(&["neighbour.test"])?, self_signed(&["late.test"])?);
    world.tls_secret("neighbour", &neighbour).await?;
    let rules = |host: &str, secret: &str| ingress(secret).tls(&[host], secret).rule(host, [prefix("/", "shop")]);
    world.apply(rules("neighbour.test", "neighbour")).await?;
    world.apply(rules("late.test", "late")).await?;
    let controller = world.controller().start().await?;
    world.warned("late", &["late", "spec.tls[0]"]).await?;
    shows(&controller, "neighbour.test", &neighbour.der, "shop").await?;
    assert!(world.warnings("Ingress", "neighbour").await?.is_empty());
    world.tls_secret("late", &late).await?;
    shows(&controller, "late.test", &late.der, "shop").await?;
    shows(&controller, "neighbour.test", &neighbour.der, "shop").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_secrets_are_told_and_harm_nobody_else() -> Result<()> {
    let world = World::start("bad-secrets").await?;
    let _shop = world.workload("shop", 1).await?;
    let (good, other) = (self_signed(&["good.test"])?, self_signed(&["elsewhere.test"])?);
    world.tls_secret("good", &good).await?;
    world.tls_secret("foreign", &other).await?;
    world.apply(tls_secret("garbage", "not PEM at all", "nor is this")).await?;
    world.apply(tls_secret("mismatch", &good.chain, &other.key)).await?;
    let rules = |name: &str| {
        let host = format!("{name}.test");
        ingress(name).tls(&[&host], name).rule(&host, [prefix("/", "shop")])
    };
    for name in ["good", "foreign", "garbage", "mismatch"] {
        world.apply(rules(name)).await?;
    }
    let controller = world.controller().start().await?;
    for name in ["foreign", "garbage", "mismatch"] {
        let event = world.warned(name, &[name, "spec.tls[0]"]).await?;
        let message = event.message.unwrap_or_default();
        ensure!(!message.contains("PRIVATE KEY") && !message.contains("nor is this"), "a secret is told: {message}");
    }
    shows(&controller, "good.test", &good.der, "shop").await?;
    assert!(world.warnings("Ingress", "good").await?.is_empty());
    // Mended, each is served like any other.
    let mended = self_signed(&["garbage.test"])?;
    world.tls_secret("garbage", &mended).await?;
    shows(&controller, "garbage.test", &mended.der, "shop").await?;
    Ok(())
}
