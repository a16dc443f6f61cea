//! The life of a load balancer: made, scaled, moved, renamed, made anew, removed; and left alone where nothing changed.

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{WatchEvent, WatchParams};
use lb_rancher_double::Reschedule;
use lb_tests::{
    Controller, World,
    certificates::self_signed,
    eventually, ingress, objects, prefix,
    rancher::{Configuration, LoadBalancer, Rancher},
};

/// The one rule of [`web`].
const WEB: &str = "http://web.test:80/ -> shop:8080";

/// An Ingress named `web` with one rule, to the Service `shop`.
fn web() -> objects::Ingress {
    ingress("web").rule("web.test", [prefix("/", "shop")])
}

/// The ports that Rancher says are open to clients.
fn public_ports(balancer: &LoadBalancer) -> Vec<u64> {
    let endpoints = balancer.row["publicEndpoints"].as_array().into_iter().flatten();
    let mut ports: Vec<_> = endpoints.filter_map(|endpoint| endpoint["port"].as_u64()).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingress_has_as_many_addresses_as_it_is_scaled_to() -> Result<()> {
    let world = World::start("scale").await?;
    let rancher = Rancher::start(&world).await?;
    let controller = rancher.controller(&world).start().await?;
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    rancher.serves(&world, "web", &[WEB]).await?;
    rancher.published(&world, "web", &[&rancher.address(0)]).await?;

    world.apply(web().annotation("scale", "2")).await?;
    rancher.published(&world, "web", &[&rancher.address(0), &rancher.address(1)]).await?;
    world.apply(web().annotation("scale", "1")).await?;
    rancher.becomes(&world, "web", "is small again", |it| it.is_active() && it.scale() == Some(1)).await?;
    eventually("one address is left", async || {
        let shown = world.addresses("web").await?;
        ensure!(shown.len() == 1, "there are {shown:?}");
        Ok(())
    })
    .await?;
    rancher.looked(&controller).await?;
    assert_eq!(rancher.asked().count("POST", "/loadbalancerservices"), 1, "it is one through all of this");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingress_is_served_on_the_ports_of_its_annotations() -> Result<()> {
    let world = World::start("ports").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    world.tls_secret("tls", &self_signed(&["web.test"])?).await?;
    let ports = web().annotation("http.port", "99").annotation("https.port", "444").tls(&["web.test"], "tls");
    world.apply(ports).await?;
    let _controller = rancher.controller(&world).start().await?;
    let rules = ["http://web.test:99/ -> shop:8080", "https://web.test:444/ -> shop:8080"];
    let served = rancher.serves(&world, "web", &rules).await?;
    assert_eq!(served.ports(), [99, 444].into());
    rancher.published(&world, "web", &[&rancher.address(0)]).await?;
    assert_eq!(public_ports(&rancher.balancer(&world, "web")?), [99, 444]);
    Ok(())
}

/// Moves a load balancer from host to host until it was seen to move in each way.
#[tokio::test(flavor = "multi_thread")]
async fn the_status_follows_a_load_balancer_to_another_host_and_is_never_empty() -> Result<()> {
    let world = World::start("moves").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    let controller = rancher.controller(&world).start().await?;
    let balancer = rancher.serves(&world, "web", &[WEB]).await?;
    rancher.published(&world, "web", &[&rancher.address(0)]).await?;

    let ingresses = world.api::<Ingress>();
    let version = ingresses.get("web").await?.metadata.resource_version.context("it has a version")?;
    let mut seen = ingresses.watch(&WatchParams::default(), &version).await?.boxed();
    let mark = rancher.mark();
    for (from, shape) in [(0, Reschedule::ThroughNone), (1, Reschedule::ThroughBoth), (2, Reschedule::Direct)] {
        let before = wakes(&controller).await?;
        rancher.reschedule(balancer.id(), &rancher.hosts[from], &rancher.hosts[from + 1], shape);
        rancher.published(&world, "web", &[&rancher.address(from + 1)]).await?;
        // Not by polling, which takes most of a minute.
        ensure!(wakes(&controller).await? > before, "nothing was told of the move");
        rancher.becomes(&world, "web", "has moved", LoadBalancer::is_active).await?;
    }
    let writes = rancher.since(mark).writes();
    assert!(writes.is_empty(), "there was nothing to write: {writes:?}");

    // A stream that breaks is made again, and what happened meanwhile is seen.
    let moved = eventually("the event stream is connected", async || {
        ensure!(rancher.server.subscribers() == 1, "there are {}", rancher.server.subscribers());
        Ok(())
    });
    moved.await?;
    rancher.server.disconnect_subscribers();
    rancher.reschedule(balancer.id(), &rancher.hosts[3], &rancher.hosts[0], Reschedule::Direct);
    rancher.published(&world, "web", &[&rancher.address(0)]).await?;

    let last = Some(rancher.address(0));
    while let Some(event) = seen.try_next().await? {
        let WatchEvent::Modified(ingress) = event else { continue };
        let shown = addresses(&ingress);
        ensure!(!shown.is_empty(), "the status was empty for a while");
        if shown.first() == last.as_ref() && shown.len() == 1 {
            return Ok(());
        }
    }
    anyhow::bail!("the watch ended before the last address was seen")
}

/// How often the event stream woke the provider.
async fn wakes(controller: &Controller) -> Result<f64> {
    controller.metric("lb_subscription_wakes_total", "").await
}

fn addresses(ingress: &Ingress) -> Vec<String> {
    let status = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let entries = status.and_then(|status| status.ingress.as_deref()).unwrap_or_default();
    entries.iter().filter_map(|entry| entry.ip.clone().or_else(|| entry.hostname.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_follow_their_secrets_and_end_with_the_ingress() -> Result<()> {
    let world = World::start("secrets").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    let (first, second) = (self_signed(&["web.test"])?, self_signed(&["two.test"])?);
    world.tls_secret("one", &first).await?;
    world.tls_secret("two", &second).await?;
    let two = web().rule("two.test", [prefix("/", "shop")]).annotation("allow.http", "false");
    world.apply(two.tls(&["web.test"], "one").tls(&["two.test"], "two")).await?;
    let _controller = rancher.controller(&world).start().await?;
    let balancer = rancher.becomes(&world, "web", "has both", |it| it.is_active() && it.rules.len() == 2).await?;
    let holds = |expected: &[&str]| {
        let mut held: Vec<_> = balancer.certificates().iter().filter_map(|id| rancher.row(id)).collect();
        held.sort_by_key(|row| row["name"].to_string());
        let held: Vec<_> = held.iter().filter_map(|row| Some(row["cert"].as_str()?.trim().to_owned())).collect();
        ensure!(held == expected.iter().map(|chain| chain.trim()).collect::<Vec<_>>(), "others are there: {held:?}");
        Ok(())
    };
    holds(&[&first.chain, &second.chain])?;

    let mark = rancher.mark();
    let renewed = self_signed(&["two.test"])?;
    world.tls_secret("two", &renewed).await?;
    eventually("the renewed one is served", async || holds(&[&first.chain, &renewed.chain])).await?;
    let put = rancher.since(mark).of("PUT", "/certificates/*");
    assert_eq!(put.len(), 1, "one was renewed: {put:?}");

    world.delete("Ingress", "web").await?;
    rancher.gone(&world, "web").await?;
    eventually("nothing is left", async || {
        // Ten minutes of the server take six seconds.
        rancher.ring();
        let left: Vec<_> = rancher.certificates().iter().map(|row| row["name"].to_string()).collect();
        ensure!(left.is_empty(), "there are {left:?}");
        Ok(())
    })
    .await?;
    let removals = rancher.since(mark).of("DELETE", "/**");
    let last = removals.iter().rposition(|it| it.target.contains("/loadbalancerservices/"));
    let first = removals.iter().position(|it| it.target.contains("/certificates/"));
    assert!(last.is_some() && last < first, "none was taken from a load balancer: {removals:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingress_that_is_deleted_and_made_again_has_one_load_balancer_its_own() -> Result<()> {
    const ROUNDS: usize = 5;
    let world = World::start("again").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    let controller = rancher.controller(&world).start().await?;
    rancher.serves(&world, "web", &[WEB]).await?;
    for _ in 0..ROUNDS {
        world.delete("Ingress", "web").await?;
        world.apply(web()).await?;
    }
    let uid = world.api::<Ingress>().get("web").await?.metadata.uid.context("an object has a UID")?;
    let own = |it: &LoadBalancer| it.is_active() && it.rules == [WEB] && it.external_id().ends_with(&uid);
    let last = rancher.becomes(&world, "web", "is of the last one", own).await?;
    rancher.published(&world, "web", &[&rancher.address(0)]).await?;
    rancher.looked(&controller).await?;
    assert_eq!(rancher.balancers().iter().map(LoadBalancer::id).collect::<Vec<_>>(), [last.id()]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_an_external_dns_is_published_if_the_operator_wants_it() -> Result<()> {
    const NAME: &str = "web.lb-test.example.com";
    let world = World::start("fqdn").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    let plain = rancher.controller(&world).start().await?;
    let balancer = rancher.serves(&world, "web", &[WEB]).await?;
    rancher.set_fqdn(balancer.id(), Some(NAME));
    rancher.published(&world, "web", &[&rancher.address(0)]).await?;
    rancher.looked(&plain).await?;
    assert_eq!(world.addresses("web").await?, [rancher.address(0)]);
    drop(plain);

    let configuration = Configuration::default().setting("publish-fqdn", true);
    let _controller = rancher.configured(&world, &configuration).start().await?;
    rancher.published(&world, "web", &[&rancher.address(0), NAME]).await?;
    rancher.set_fqdn(balancer.id(), None);
    rancher.published(&world, "web", &[&rancher.address(0)]).await?;
    assert_eq!(rancher.balancer(&world, "web")?.id(), balancer.id());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_nothing_changed_writes_nothing() -> Result<()> {
    let world = World::start("start").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    world.tls_secret("tls", &self_signed(&["full.test"])?).await?;
    // Of everything something.
    let full = ingress("full")
        .rule("full.test", [prefix("/", "shop"), prefix("/a", "shop")])
        .rule("*.full.test", [prefix("/", "shop")])
        .rule("", [prefix("/", "shop")])
        .tls(&["full.test"], "tls")
        .annotation("http.port", "99")
        .annotation("https.port", "444")
        .annotation("scale", "2")
        .annotation("config", "defaults\n  timeout client 5s")
        .annotation("io.rancher.stickiness.policy", "name: p\ncookie: SRV\nmode: insert")
        .annotation("io.rancher.scheduler.affinity.host_label_soft", "role=edge")
        .annotation("io.rancher.container.pull_image", "always");
    world.apply(full).await?;
    world.apply(web()).await?;
    let mut controller = rancher.controller(&world).start().await?;
    rancher.serves(&world, "web", &[WEB]).await?;
    rancher.published(&world, "web", &[&rancher.address(0)]).await?;
    assert_eq!(world.published("full").await?.len(), 2);
    rancher.looked(&controller).await?;
    let versions = async || -> Result<Vec<_>> {
        let listed = world.api::<Ingress>().list(&kube::api::ListParams::default()).await?;
        Ok(listed.items.into_iter().map(|it| it.metadata.resource_version).collect())
    };
    let (mark, before) = (rancher.mark(), versions().await?);
    for gracefully in [false, true] {
        if gracefully {
            ensure!(controller.terminate().await?.success(), "it failed:\n{}", controller.log_tail());
        } else {
            controller.kill()?;
        }
        controller.spawn()?;
        controller.ready().await?;
        rancher.looked(&controller).await?;
        rancher.looked(&controller).await?;
    }
    let asked = rancher.since(mark);
    assert!(!asked.is_empty() && asked.writes().is_empty(), "{:?}", asked.writes());
    assert_eq!(versions().await?, before, "nor was any status");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_does_to_a_load_balancer_is_mended() -> Result<()> {
    let world = World::start("users").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    let _controller = rancher.controller(&world).start().await?;
    let balancer = rancher.serves(&world, "web", &[WEB]).await?;
    let path = format!("/loadbalancerservices/{}", balancer.id());

    rancher.deactivate(balancer.id());
    rancher.becomes(&world, "web", "is down", |it| !it.is_active()).await?;
    rancher.serves(&world, "web", &[WEB]).await?;
    rancher.user("PUT", &path, &serde_json::json!({"lbConfig": {"portRules": []}}))?;
    rancher.serves(&world, "web", &[WEB]).await?;
    rancher.user("DELETE", &path, &serde_json::Value::Null)?;
    let another = |it: &LoadBalancer| it.is_active() && it.rules == [WEB] && it.id() != balancer.id();
    rancher.becomes(&world, "web", "is made again", another).await?;
    rancher.published(&world, "web", &[&rancher.address(0)]).await
}
