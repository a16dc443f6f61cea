//! The API key and the private keys of certificates are where they are needed, and nowhere else.
//!
//! That the guest is never given the API key is shown with a guest that searches its own memory, by the tests of the
//! sandbox.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::{core::v1::Event, networking::v1::Ingress};
use kube::{Api, api::ListParams};
use lb_rancher_double::{Fault, KeyKind, holds};
use lb_tests::{
    Controller, World,
    certificates::{Certificate, self_signed},
    eventually, ingress, prefix,
    rancher::{LoadBalancer, Rancher, state_directory},
};

/// All that there is to say, but how the component is compiled and that the log file beside the configuration grew.
const EVERYTHING: &str = "trace,cranelift=info,wasmtime=info,regalloc2=info,notify=info";

/// What nobody may read, each with what it is.
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    /// An error that names the secret that is in a text, and where that text is from.
    fn not_in(&self, place: &str, text: &str) -> Result<()> {
        for (what, secret) in &self.0 {
            let Some(line) = text.lines().find(|line| holds(line, secret)) else { continue };
            anyhow::bail!("{what} is in {place}: {}", line.chars().take(300).collect::<String>());
        }
        Ok(())
    }
}

/// All files below a directory, as text.
fn files(directory: &Path) -> Result<String> {
    let mut text = String::new();
    let listed = std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in listed {
        let path = entry?.path();
        if path.is_dir() {
            text += &files(&path)?;
        } else {
            text += &String::from_utf8_lossy(&std::fs::read(&path)?);
            text.push('\n');
        }
    }
    Ok(text)
}

/// What the controller has told of itself, and what it keeps.
async fn outside(world: &World, controller: &Controller, state: &Path) -> Result<Vec<(&'static str, String)>> {
    let events = Api::<Event>::all(world.client()).list(&ListParams::default()).await?.items;
    ensure!(!events.is_empty(), "there are no Events to look at");
    let ingresses = Api::<Ingress>::all(world.client()).list(&ListParams::default()).await?.items;
    Ok(vec![
        ("the log", controller.printed()?),
        ("the Events", serde_json::to_string(&events)?),
        ("the Ingresses", serde_json::to_string(&ingresses)?),
        ("the metrics", controller.admin("/metrics").await?.body),
        ("the admin API", controller.admin("/v1/providers").await?.body),
        ("the state directory", files(state)?),
    ])
}

/// What Rancher stores, but for the keys of certificates, which belong there.
fn stored(rancher: &Rancher) -> Result<String> {
    let mut rows: Vec<_> =
        ["loadBalancerService", "stack", "kubernetesService"].map(|kind| rancher.rows(kind)).concat();
    let mut certificates = rancher.rows("certificate");
    for row in &mut certificates {
        row["key"].take();
    }
    rows.extend(certificates);
    Ok(serde_json::to_string(&rows)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_told_anywhere() -> Result<()> {
    let world = World::start("keys").await?;
    let rancher = Rancher::start(&world).await?;
    world.service("shop", 8080).await?;
    let (first, renewed) = (self_signed(&["web.test"])?, self_signed(&["web.test"])?);
    let (bad, default) = (self_signed(&["bad.test"])?, self_signed(&["default.test"])?);
    let secrets = secrets(&rancher, &[&first, &renewed, &bad, &default]);
    world.tls_secret("tls", &first).await?;
    world.tls_secret("default", &default).await?;
    // A chain that is not that of the key, and one that is none: both are told of.
    world.apply(lb_tests::objects::tls_secret("mismatch", &first.chain, &bad.key)).await?;
    world.apply(lb_tests::objects::tls_secret("swapped", &bad.key, &bad.chain)).await?;
    let broken = ingress("broken").annotation("http.port", "81").rule("bad.test", [prefix("/", "shop")]);
    world.apply(broken.tls(&["bad.test"], "mismatch").tls(&["bad.test"], "swapped")).await?;
    world.apply(ingress("web").rule("web.test", [prefix("/", "shop")]).tls(&["web.test"], "tls")).await?;

    // The answer to a create holds the key; each of these shows an answer to whoever does not look out.
    let faults = rancher.server.faults();
    faults.once("POST", "/certificates", Fault::Truncated);
    faults.once("POST", "/certificates", Fault::CutBody);
    faults.once("POST", "/certificates", Fault::Status(500));
    let controller = rancher
        .controller(&world)
        .log_level(EVERYTHING)
        .argument(format!("--default-certificate={}/default", world.namespace))
        .start()
        .await?;
    let serves = |balancer: &LoadBalancer| balancer.is_active() && balancer.rules.len() == 2;
    rancher.becomes(&world, "web", "serves over TLS", serves).await?;
    world.warned("broken", &["mismatch"]).await?;

    faults.once("PUT", "/certificates/*", Fault::Status(500));
    faults.once("PUT", "/certificates/*", Fault::Truncated);
    world.tls_secret("tls", &renewed).await?;
    eventually("the key is the renewed one", async || {
        let keys = rancher.certificates();
        let key = |row: &serde_json::Value| row["key"].as_str().map(str::trim) == Some(renewed.key.trim());
        ensure!(keys.iter().any(key), "it is not");
        Ok(())
    })
    .await?;
    // The search finds what is there: the keys went to Rancher, in writes of certificates alone.
    let asked = rancher.asked();
    for (what, secret) in &secrets.0 {
        let leaked = asked.holding_outside(secret, "WRITE", "/certificates/**");
        ensure!(leaked.is_empty(), "{what} is in {leaked:?}");
    }
    ensure!(asked.writes().iter().any(|it| holds(&String::from_utf8_lossy(&it.body), &renewed.key)), "none was sent");

    // The key is taken away: errors of the API and of the event stream.
    let project = KeyKind::Environment { project: rancher.project.clone() };
    rancher.add_key(project);
    rancher.remove_key(&rancher.key);
    rancher.server.disconnect_subscribers();
    world.apply(ingress("late").annotation("http.port", "82").rule("late.test", [prefix("/", "shop")])).await?;
    world.warned("late", &["401"]).await?;
    controller.says(&["subscription", "401"]).await?;

    let log = controller.printed()?;
    ensure!(log.contains("\"TRACE\"") && log.contains("\"level\":\"DEBUG\""), "the log does not say everything");
    for (place, text) in outside(&world, &controller, &state_directory()).await? {
        ensure!(!text.is_empty(), "there is nothing in {place}");
        secrets.not_in(place, &text)?;
    }
    secrets.not_in("what Rancher stores", &stored(&rancher)?)
}

/// The API key as it is written, as it is sent, and the private keys.
fn secrets(rancher: &Rancher, certificates: &[&Certificate]) -> Secrets {
    let pair = format!("{}:{}", rancher.key.access, rancher.key.secret);
    let api = [("the secret of the API key", rancher.key.secret.clone()), ("its header", STANDARD.encode(pair))];
    let private = certificates.iter().map(|certificate| ("a private key", certificate.key.clone()));
    Secrets(api.into_iter().chain(private).collect())
}

#[test]
fn the_search_finds_a_secret_in_each_form() -> Result<()> {
    let certificate = self_signed(&["web.test"])?;
    let key = &certificate.key;
    let pair = STANDARD.encode("access:secret-of-the-key");
    let secrets =
        Secrets(vec![("a", "secret-of-the-key".to_owned()), ("b", pair.clone()), ("c", certificate.key.clone())]);
    let quoted = serde_json::to_string(key)?;
    let line = key.lines().nth(1).context("a key has lines")?;
    for text in ["x secret-of-the-key", &format!("Basic {pair}"), key, &quoted, line, &STANDARD.encode(key)] {
        ensure!(secrets.not_in("it", text).is_err(), "it is not found in {text}");
    }
    secrets.not_in("a certificate", &certificate.chain)
}
