//! Whatever is wrong between the controller and Rancher is told to who can mend it, in words: what is wrong, where, and what
//! to do. The controller stays alive, and nothing else is harmed.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use lb_rancher_double::{Fault, Identity, Key, KeyKind, Role};
use lb_tests::{
    Controller, World,
    certificates::{Certificate, self_signed},
    eventually, ingress,
    objects::Ingress,
    prefix,
    rancher::{Configuration, LoadBalancer, Rancher},
};
use serde_json::{Value, json};

/// The one rule of [`web`].
const WEB: &str = "http://web.test:80/ -> shop:8080";

/// An Ingress named `web` with one rule, to the Service `shop`.
fn web() -> Ingress {
    ingress("web").rule("web.test", [prefix("/", "shop")])
}

/// A world with the Ingress, and a Rancher that knows its Service.
async fn world(name: &str) -> Result<(World, Rancher)> {
    let world = World::start(name).await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    Ok((world, rancher))
}

/// Waits until both who runs the controller and who owns the Ingress are told these words.
async fn told(world: &World, controller: &mut Controller, words: &[&str]) -> Result<()> {
    let lines: Vec<_> = ["could not be observed"].iter().chain(words).copied().collect();
    controller.says(&lines).await?;
    world.warned("web", words).await?;
    ensure!(controller.is_running()?, "it ended:\n{}", controller.log_tail());
    let printed = controller.printed()?;
    ensure!(!printed.contains("panicked"), "it panicked:\n{printed}");
    Ok(())
}

/// Nothing was written, though it was asked for.
fn nothing_was_made(rancher: &Rancher) {
    let made: Vec<_> = rancher.asked().writes().iter().filter(|it| it.status < Some(300)).cloned().collect();
    assert!(made.is_empty() && rancher.balancers().is_empty(), "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_told_and_one_that_is_rotated_is_used() -> Result<()> {
    let (world, rancher) = world("wrong-key").await?;
    let directory = tempfile::tempdir()?;
    let write = |key: &Key| -> Result<()> {
        std::fs::write(directory.path().join("access"), &key.access)?;
        std::fs::write(directory.path().join("secret"), &key.secret)?;
        Ok(())
    };
    let file = |name: &str| json!({"file": directory.path().join(name), "env": null});
    write(&Key { secret: "of-somebody-else".to_owned(), ..rancher.key.clone() })?;
    let configuration = Configuration::default()
        .http("credentials", json!({"basic": {"username": file("access"), "password": file("secret")}}));
    let mut controller = rancher.configured(&world, &configuration).spawn()?;
    let words = ["Rancher does not know the API key (401)", "check CATTLE_ACCESS_KEY and CATTLE_SECRET_KEY"];
    told(&world, &mut controller, &words).await?;
    // The event stream needs the key too.
    controller.says(&["subscription", "401"]).await?;
    nothing_was_made(&rancher);

    write(&rancher.key)?;
    world.apply(ingress("late").annotation("http.port", "81").rule("late.test", [prefix("/", "shop")])).await?;
    rancher.serves(&world, "late", &["http://late.test:81/ -> shop:8080"]).await?;
    controller.says(&["the provider can be observed again"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_wrong_scope_is_told_at_the_start() -> Result<()> {
    const WORDS: [&str; 4] = [
        "may list load balancers in Rancher, but not create them",
        "use a key of the environment",
        "name the project in CATTLE_URL",
        "/v2-beta/projects/",
    ];
    let world = World::start("wrong-scope").await?;
    let rancher = Rancher::start(&world).await?;
    let account = |role| KeyKind::Account { memberships: vec![(rancher.project.clone(), role)] };
    let (member, reader) = (rancher.add_key(account(Role::Member)), rancher.add_key(account(Role::ReadOnly)));
    let with = |key: &Key, url: &str| {
        let plain = rancher.controller(&world).without("CATTLE_URL").environment("CATTLE_URL", url);
        let plain = plain.without("CATTLE_ACCESS_KEY").without("CATTLE_SECRET_KEY");
        plain.environment("CATTLE_ACCESS_KEY", &key.access).environment("CATTLE_SECRET_KEY", &key.secret)
    };
    let project = rancher.server.base(&rancher.project);
    for (key, url) in [(&member, rancher.server.url()), (&reader, project.clone())] {
        let mut controller = with(key, &url).spawn()?;
        // Before there is anything to serve.
        controller.says(&WORDS).await?;
        world.service("shop", 8080).await?;
        world.apply(web()).await?;
        told(&world, &mut controller, &WORDS).await?;
        nothing_was_made(&rancher);
        controller.kill()?;
        world.delete("Ingress", "web").await?;
        world.delete("Service", "shop").await?;
    }
    // What the message advises helps.
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    let _controller = with(&member, &project).start().await?;
    rancher.serves(&world, "web", &[WEB]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_project_is_told() -> Result<()> {
    let (world, rancher) = world("unknown-project").await?;
    let url = rancher.server.base("1a999");
    let controller = rancher.controller(&world).without("CATTLE_URL").environment("CATTLE_URL", &url);
    let words = ["Rancher refuses the project (403)", "check the project in CATTLE_URL and the API key"];
    told(&world, &mut controller.spawn()?, &words).await?;
    nothing_was_made(&rancher);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_cannot_be_reached_is_told_and_waited_for() -> Result<()> {
    let (world, rancher) = world("unreachable").await?;
    rancher.server.stop().await;
    let mut controller = rancher.controller(&world).spawn()?;
    told(&world, &mut controller, &["cannot connect", "loadbalancerservices", "Connection refused"]).await?;
    rancher.server.restart().await?;
    controller.ready().await?;
    rancher.serves(&world, "web", &[WEB]).await?;
    controller.says(&["the provider works again"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_ca_is_told() -> Result<()> {
    let world = World::start("wrong-ca").await?;
    let names = ["127.0.0.1"];
    let (right, wrong) = (self_signed(&names)?, self_signed(&names)?);
    let rancher =
        Rancher::setup().tls(Identity { chain: right.chain.clone(), key: right.key.clone() }).start(&world).await?;
    world.service("shop", 8080).await?;
    world.apply(web()).await?;
    let directory = tempfile::tempdir()?;
    let trusting = |certificate: &Certificate, name: &str| -> Result<Configuration> {
        let path = directory.path().join(name);
        std::fs::write(&path, &certificate.chain)?;
        Ok(Configuration::default().http("ca-file", path_text(&path)?))
    };
    let mut controller = rancher.configured(&world, &trusting(&wrong, "wrong.pem")?).spawn()?;
    told(&world, &mut controller, &["cannot connect", "comes from a CA that is not trusted here", "set `ca-file`"])
        .await?;
    nothing_was_made(&rancher);
    drop(controller);
    // The event stream is read over TLS as well.
    let controller = rancher.configured(&world, &trusting(&right, "right.pem")?).start().await?;
    rancher.serves(&world, "web", &[WEB]).await?;
    rancher.looked(&controller).await
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().context("a path of a test is text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_annotation_rejects_its_ingress_alone() -> Result<()> {
    let bad = [
        ("scale", "many", "\"many\" is not a number of instances; write a decimal number from 1"),
        ("scale", "0", "\"0\" is not a number of instances; write a decimal number from 1"),
        ("http.port", "99999", "\"99999\" is not a port; write a decimal number from 1 to 65535"),
        ("allow.http", "no", "\"no\" is neither true nor false"),
        ("io.rancher.stickiness.policy", "mode: sometimes", "line 1"),
        ("config", "global\n\u{1}", "control character"),
    ];
    let (world, rancher) = world("annotation").await?;
    for (number, (key, value, _)) in bad.iter().enumerate() {
        let own = ingress(&format!("bad-{number}")).annotation(key, value);
        world.apply(own.rule("bad.test", [prefix("/", "shop")])).await?;
    }
    let controller = rancher.controller(&world).start().await?;
    rancher.serves(&world, "web", &[WEB]).await?;
    rancher.published(&world, "web", &[&rancher.address(0)]).await?;
    for (number, (key, _, words)) in bad.iter().enumerate() {
        let field = format!("metadata.annotations[\"{key}\"]");
        world.warned(&format!("bad-{number}"), &[&field, words]).await?;
    }
    rancher.looked(&controller).await?;
    assert_eq!(rancher.balancers().len(), 1, "{:?}", rancher.balancers());
    let blamed = world.warnings("Ingress", "web").await?;
    assert!(blamed.is_empty(), "it is not to blame: {blamed:?}");

    // Mended, it is served.
    let mended = ingress("bad-0").annotation("scale", "1").annotation("http.port", "81");
    world.apply(mended.rule("bad.test", [prefix("/", "shop")])).await?;
    rancher.serves(&world, "bad-0", &["http://bad.test:81/ -> shop:8080"]).await?;

    // One that worked and is spoilt goes on as it was, or is told; it is never half of both.
    world.apply(web().annotation("scale", "many")).await?;
    world.warned("web", &["metadata.annotations[\"scale\"]", "\"many\""]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_only_rancher_sets_is_left_out_and_told() -> Result<()> {
    let (world, rancher) = world("reserved").await?;
    let label = "io.rancher.container.agent.role";
    world.apply(web().annotation(label, "environment").annotation("io.rancher.container.pull_image", "always")).await?;
    let _controller = rancher.controller(&world).start().await?;
    let served = rancher.serves(&world, "web", &[WEB]).await?;
    let field = format!("metadata.annotations[\"{label}\"]");
    world.warned("web", &[&field, "this label is set by Rancher itself", "left out"]).await?;
    assert_ne!(served.labels().get(label).map(String::as_str), Some("environment"));
    assert_eq!(served.labels().get("io.rancher.container.pull_image").map(String::as_str), Some("always"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_users_service_has_is_told_and_the_service_is_untouched() -> Result<()> {
    let (world, rancher) = world("clash").await?;
    let project = rancher.project.clone();
    // A user is faster, with the very name.
    let user = Fault::before(move |rancher, request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let container = json!({"imageUuid": "docker:nginx"});
        let fields = json!({"name": body["name"], "stackId": body["stackId"], "launchConfig": container, "scale": 1});
        rancher.add_service(&project, "service", &fields).map(drop).unwrap_or_default();
    });
    rancher.server.faults().once("POST", "/loadbalancerservices", user);
    let mut controller = rancher.controller(&world).spawn()?;
    let users = eventually("the user's service is there", async || {
        let mut users = rancher.rows("service").into_iter().filter(|row| row["type"] == "service");
        users.next().context("it is not")
    })
    .await?;
    let name = users["name"].as_str().context("it has a name")?;
    let message =
        format!("already has a service named {name}, which is not this controller's; remove or rename it there");
    world.warned("web", &["the stack kubernetes-ingress-lbs in Rancher", &message]).await?;
    controller.says(&["not served as asked", &message]).await?;
    // A neighbour is served.
    world.apply(ingress("after").annotation("http.port", "81").rule("after.test", [prefix("/", "shop")])).await?;
    rancher.becomes(&world, "after", "is active", LoadBalancer::is_active).await?;
    rancher.looked(&controller).await?;
    let id = users["id"].as_str().context("it has an id")?;
    let own = |row: &Value| {
        ["name", "launchConfig", "metadata", "scale", "removed", "externalId"].map(|key| row[key].clone())
    };
    assert_eq!(rancher.row(id).as_ref().map(own), Some(own(&users)));
    assert!(!rancher.asked().written_ids().contains(id), "{:?}", rancher.asked().writes());
    assert!(world.addresses("web").await?.is_empty());
    ensure!(controller.is_running()?, "it ended:\n{}", controller.log_tail());

    // As it was told.
    rancher.user("PUT", &format!("/services/{id}"), &json!({"name": "renamed"}))?;
    world.apply(web().annotation("scale", "2")).await?;
    rancher.serves(&world, "web", &[WEB]).await?;
    Ok(())
}
