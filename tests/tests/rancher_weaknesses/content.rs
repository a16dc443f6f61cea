//! What a load balancer is made of follows the Ingress, in every detail and both ways.

use anyhow::{Context, Result, ensure};
use lb_tests::{
    World,
    certificates::self_signed,
    eventually, ingress, prefix,
    rancher::{Configuration, LoadBalancer, Rancher},
};
use serde_json::{Value, json};

use super::{WEB, web};

/// The original never updated scale, labels other than the scheduler's, or the image, and ignored that an annotation was
/// taken away.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_05_scale_labels_and_image_follow_both_ways() -> Result<()> {
    const LABEL: &str = "io.rancher.container.pull_image";
    const PLACING: &str = "io.rancher.scheduler.affinity:host_label_soft";
    let world = World::start("labels").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    world.apply(web().annotation("scale", "1")).await?;
    let controller = rancher.controller(&world).start().await?;
    let first = rancher.serves(&world, "web", &[WEB]).await?;

    world.apply(web().annotation("scale", "2").annotation(LABEL, "always")).await?;
    let has = |label: &'static str, value: &'static str| {
        move |balancer: &LoadBalancer| {
            balancer.is_active() && balancer.labels().get(label).is_some_and(|it| it == value)
        }
    };
    let labelled = rancher.becomes(&world, "web", "has the label", has(LABEL, "always")).await?;
    assert_eq!(labelled.scale(), Some(2));
    rancher.published(&world, "web", &[&rancher.address(0), &rancher.address(1)]).await?;

    // Where containers run is decided when they start, so that this one needs new ones.
    let placed =
        web().annotation("scale", "2").annotation("io.rancher.scheduler.affinity.host_label_soft", "role=edge");
    world.apply(placed).await?;
    let placed = rancher.becomes(&world, "web", "is placed anew", has(PLACING, "role=edge")).await?;
    assert!(!placed.labels().contains_key(LABEL), "an annotation that is gone takes its label along");
    let containers = placed.row["containers"].as_array().context("it has containers")?;
    let runs_with = |container: &Value| container["launchConfig"]["labels"][PLACING] == "role=edge";
    assert!(containers.len() == 2 && containers.iter().all(runs_with), "{containers:?}");

    world.apply(web().annotation("scale", "1")).await?;
    let bare = |balancer: &LoadBalancer| balancer.is_active() && !balancer.labels().contains_key(PLACING);
    let bare = rancher.becomes(&world, "web", "has no label of ours", bare).await?;
    assert_eq!(bare.labels(), first.labels());
    let scaled = |balancer: &LoadBalancer| balancer.is_active() && balancer.scale() == Some(1);
    rancher.becomes(&world, "web", "is scaled down", scaled).await?;

    drop(controller);
    let image = Configuration::default().setting("image", "rancher/lb-service-haproxy:v0.9.20");
    let _controller = rancher.configured(&world, &image).start().await?;
    let upgraded = |balancer: &LoadBalancer| balancer.is_active() && balancer.image().ends_with(":v0.9.20");
    let upgraded = rancher.becomes(&world, "web", "runs the new image", upgraded).await?;
    assert_eq!(upgraded.id(), first.id(), "it is the same one through all of this");
    assert_eq!(rancher.asked().count("POST", "/loadbalancerservices"), 1);
    Ok(())
}

/// Waits until an Ingress is served with one certificate, and gives its row in Rancher.
async fn certificate_of(rancher: &Rancher, world: &World, ingress: &str) -> Result<Value> {
    let has_one = |balancer: &LoadBalancer| balancer.is_active() && balancer.certificates().len() == 1;
    let balancer = rancher.becomes(world, ingress, "has a certificate", has_one).await?;
    rancher.row(&balancer.certificates()[0]).context("a certificate that is used is there")
}

/// The original uploaded a certificate once, under the Secret's name alone: it was never rotated nor removed, two
/// namespaces shared one, only the first of an Ingress was served, and a Secret that could not be read was replaced by
/// whatever certificate had that name.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_06_certificates_are_rotated_namespaced_counted_and_removed() -> Result<()> {
    let world = World::start("certificates").await?;
    let rancher = Rancher::start(&world).await?;
    let other = format!("{}-b", world.namespace);
    world.add_namespace(&other).await?;
    world.service("shop", 8080).await?;
    world.apply_in(&other, lb_tests::objects::targeted_service("shop", 8080)).await?;
    let (mine, theirs) = (self_signed(&["web.test"])?, self_signed(&["web.test"])?);
    world.tls_secret("tls", &mine).await?;
    world.apply_in(&other, lb_tests::objects::tls_secret("tls", &theirs.chain, &theirs.key)).await?;
    let users = self_signed(&["users.test"])?;
    rancher.user("POST", "/certificates", &json!({"name": "missing", "cert": users.chain, "key": users.key}))?;

    let secure = || web().annotation("allow.http", "false").tls(&["web.test"], "tls");
    world.apply(secure()).await?;
    world.apply_in(&other, secure()).await?;
    let _controller = rancher.controller(&world).argument(format!("--watch-namespace={other}")).start().await?;
    let first = certificate_of(&rancher, &world, "web").await?;
    eventually("each namespace has its own certificate", async || {
        let ours: Vec<_> = rancher.certificates().into_iter().filter(|row| row["name"] != "missing").collect();
        let chains: Vec<_> = ours.iter().filter_map(|row| row["cert"].as_str()).map(str::trim).collect();
        ensure!(chains.len() == 2, "there are {chains:?}");
        ensure!(chains.contains(&mine.chain.trim()) && chains.contains(&theirs.chain.trim()), "there are {chains:?}");
        Ok(())
    })
    .await?;

    // Rotated in place: load balancers fetch it by its id.
    let renewed = self_signed(&["web.test"])?;
    world.tls_secret("tls", &renewed).await?;
    eventually("the certificate is the renewed one", async || {
        let row = certificate_of(&rancher, &world, "web").await?;
        ensure!(row["cert"].as_str().map(str::trim) == Some(renewed.chain.trim()), "it is still the old one");
        ensure!(row["id"] == first["id"], "its id changed");
        let key = row["key"].as_str().map(str::trim);
        ensure!(key == Some(renewed.key.trim()), "the key is not that of the certificate");
        Ok(())
    })
    .await?;

    // A Secret that is not there is told, and nobody's certificate of that name is taken.
    let two = secure().rule("two.test", [prefix("/", "shop")]).tls(&["two.test"], "missing");
    world.apply(two).await?;
    world.warned("web", &["missing", "spec.tls[1]"]).await?;
    rancher.becomes(&world, "web", "is active", LoadBalancer::is_active).await?;
    assert_eq!(rancher.balancer(&world, "web")?.certificates().len(), 1);
    world.tls_secret("missing", &self_signed(&["two.test"])?).await?;
    let both = |balancer: &LoadBalancer| balancer.is_active() && balancer.certificates().len() == 2;
    rancher.becomes(&world, "web", "has both certificates", both).await?;

    // The last user takes a certificate along, after a while on the server's clock.
    world.delete("Ingress", "web").await?;
    rancher.gone(&world, "web").await?;
    eventually("what nobody uses any more is removed", async || {
        rancher.ring();
        let names: Vec<_> = rancher.certificates().iter().map(|row| row["name"].to_string()).collect();
        ensure!(names.len() == 2, "there are {names:?}");
        ensure!(names.iter().any(|name| name.contains(&other)), "the other namespace still needs its own: {names:?}");
        Ok(())
    })
    .await
}

/// The original compared configuration and paths without case, did not look at the target, and looked only whether each
/// wanted rule was there, so that a duplicate could stand in for one that had to go.
#[tokio::test(flavor = "multi_thread")]
async fn weakness_07_every_difference_is_seen() -> Result<()> {
    let world = World::start("differences").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    let paths = |first: &str| ingress("web").rule("web.test", [prefix(first, "shop"), prefix("/b", "shop")]);
    world.apply(paths("/a").annotation("config", "timeout client 5s")).await?;
    let controller = rancher.controller(&world).start().await?;
    rancher.serves(&world, "web", &["http://web.test:80/a -> shop:8080", "http://web.test:80/b -> shop:8080"]).await?;

    world.apply(paths("/A").annotation("config", "timeout client 5s")).await?;
    let upper = ["http://web.test:80/A -> shop:8080", "http://web.test:80/b -> shop:8080"];
    rancher.serves(&world, "web", &upper).await?;
    world.apply(paths("/A").annotation("config", "timeout client 5S")).await?;
    let configured = |balancer: &LoadBalancer| balancer.row["lbConfig"]["config"] == "timeout client 5S";
    rancher.becomes(&world, "web", "has the configuration", configured).await?;

    // Another Service of the same name is another target.
    let before = rancher.balancer(&world, "web")?.row["lbConfig"]["portRules"][0]["serviceId"].clone();
    world.delete("Service", "shop").await?;
    world.service("shop", 8080).await?;
    let replaced = |balancer: &LoadBalancer| {
        balancer.is_active()
            && balancer.rules == upper
            && balancer.row["lbConfig"]["portRules"][0]["serviceId"] != before
    };
    let served = rancher.becomes(&world, "web", "has the new target", replaced).await?;
    rancher.looked(&controller).await?;

    // Somebody's hand makes one rule a copy of the other: as many as before, and each wanted one of them once.
    let mut changed = served.row["lbConfig"].clone();
    changed["portRules"][1] = changed["portRules"][0].clone();
    rancher.user("PUT", &format!("/loadbalancerservices/{}", served.id()), &json!({"lbConfig": changed}))?;
    rancher.serves(&world, "web", &upper).await?;
    // One rule too many as well.
    let mut changed = rancher.balancer(&world, "web")?.row["lbConfig"].clone();
    let mut extra = changed["portRules"][0].clone();
    extra["path"] = json!("/extra");
    changed["portRules"].as_array_mut().context("there are rules")?.push(extra);
    rancher.user("PUT", &format!("/loadbalancerservices/{}", served.id()), &json!({"lbConfig": changed}))?;
    rancher.serves(&world, "web", &upper).await?;
    Ok(())
}
