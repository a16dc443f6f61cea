//! One controller with several providers, side by side, and Ingresses that move between them.

mod clients;
mod local;
mod mixed;
mod moves;

use std::fs;

use anyhow::{Context, Result, ensure};
use lb_tests::{
    World,
    controller::{plugins, run_to_end},
    eventually, ingress,
    plugins::build,
    prefix, skip_with,
};
use serde_json::Value;

use crate::local::{Local, clean, controller, shop};

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_of_one_provider_leaves_the_other_alone() -> Result<()> {
    skip_with!("caddy", "it runs both providers");
    let world = World::start("swap-one").await?;
    let _workload = world.workload("shop", 1).await?;
    let (nginx, caddy) = (Local::nginx(&world)?, Local::caddy(&world)?);
    let both = [(nginx.name.as_str(), &nginx.text), (caddy.name.as_str(), &caddy.text)];
    world.apply(shop(&caddy.name)).await?;
    world.apply(ingress("tea").class(&nginx.name).rule("tea.test", [prefix("/", "shop")])).await?;
    let directory = tempfile::tempdir()?;
    for component in ["nginx", "caddy"] {
        for file in [format!("{component}.wasm"), format!("{component}.yaml")] {
            fs::copy(plugins()?.join(&file), directory.path().join(&file))?;
        }
    }
    let controller = controller(&world, &both).await?.plugins(directory.path()).start().await?;
    caddy.serves(&controller, "shop.test", "shop").await?;
    nginx.serves(&controller, "tea.test", "shop").await?;
    let about = async |name: &str| -> Result<Value> {
        let listed: Value = serde_json::from_str(&controller.admin("/v1/providers").await?.body)?;
        let found = listed.as_array().into_iter().flatten().find(|provider| provider["name"] == name);
        found.cloned().with_context(|| format!("{name} is not listed"))
    };
    let before = (about(&nginx.name).await?, about(&caddy.name).await?);
    let staged = directory.path().join(".staged");
    fs::write(&staged, build(1)?)?;
    fs::rename(staged, directory.path().join("nginx.wasm"))?;
    eventually("nginx is swapped", async || {
        let now = about(&nginx.name).await?;
        ensure!(now["digest"] != before.0["digest"], "{now}");
        Ok(())
    })
    .await?;
    nginx.serves(&controller, "tea.test", "shop").await?;
    caddy.serves(&controller, "shop.test", "shop").await?;
    let after = about(&caddy.name).await?;
    for key in ["digest", "since", "last-swap"] {
        ensure!(after[key] == before.1[key], "{key} of Caddy changed: {after}");
    }

    // A component that cannot be loaded is refused for that one alone.
    fs::write(directory.path().join("nginx.wasm"), b"\0asm not a component")?;
    eventually("it is refused", async || {
        let now = about(&nginx.name).await?;
        ensure!(now["last-swap"]["outcome"] == "refused", "{now}");
        Ok(())
    })
    .await?;
    world.apply(ingress("late").class(&caddy.name).rule("late.test", [prefix("/", "shop")])).await?;
    caddy.serves(&controller, "late.test", "shop").await?;
    nginx.serves(&controller, "tea.test", "shop").await?;
    let unknown = controller.post("/v1/providers/nginx/reload").await?;
    ensure!(unknown.status == 404 && unknown.body.contains(&nginx.name), "{}", unknown.body);
    let reloaded = controller.post(&format!("/v1/providers/{}/reload", caddy.name)).await?;
    ensure!(reloaded.status == 200, "{}", reloaded.body);
    clean(&world, &[&nginx.name, &caddy.name]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_providers_cannot_share_is_refused_at_the_start() -> Result<()> {
    skip_with!("caddy", "it is about the configuration file alone");
    let directory = tempfile::tempdir()?;
    let kubeconfig = directory.path().join("kubeconfig");
    fs::write(
        &kubeconfig,
        "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], \
         clusters: [{name: a, cluster: {server: 'http://127.0.0.1:9'}}], users: [{name: a, user: {}}]}",
    )?;
    let config = directory.path().join("config.yaml");
    let state = directory.path().join("state");
    let refused = async |text: &str, words: &[&str], flags: &[&str]| -> Result<()> {
        fs::write(&config, text)?;
        let flag = |name: &str, path: &std::path::Path| format!("--{name}={}", path.display());
        let mut arguments = vec![
            flag("kubeconfig", &kubeconfig),
            flag("config", &config),
            flag("plugin-dir", &plugins()?),
            flag("state-dir", &state),
            "--admin-address=off".to_owned(),
        ];
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        let ended = run_to_end(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        ensure!(ended.code == Some(2), "{text}: it ended with {:?}: {}", ended.code, ended.error);
        ensure!(words.iter().all(|word| ended.error.contains(word)), "{text}: {}", ended.error);
        Ok(())
    };
    let one = "providers:\n  a: {provider: nginx}\n";
    refused(one, &["`provider`", "`providers`"], &["--provider=nginx"]).await?;
    refused(one, &["`ingress-class`"], &["--ingress-class=lb"]).await?;
    refused("providers:\n  a:\n    provider: nginx\n    http-prot: 1\n", &["http-prot", "line 4"], &[]).await?;
    refused("providers:\n  a:\n    provider: nginx\n    limits:\n      wal-ms: 1\n", &["wal-ms", "line 5"], &[])
        .await?;
    refused("providers: {a: {}}", &["providers.a.provider is missing"], &[]).await?;
    refused("providers: {A_: {provider: nginx}}", &["A_"], &[]).await?;
    refused("providers: {a: {provider: none}}", &["providers.a", "there is no provider \"none\""], &[]).await?;
    let same = "providers: {a: {provider: nginx, ingress-class: lb}, b: {provider: nginx, ingress-class: lb}}";
    refused(same, &["providers.a and providers.b", "the same class \"lb\""], &[]).await?;
    let ports = "providers: {a: {provider: nginx}, b: {provider: nginx, http-port: 81}}";
    refused(ports, &["providers.a and providers.b", "port 443", "https-port"], &[]).await?;
    let files = "grants: {files: {path: /tmp/lb-test-shared}}";
    let shared = format!(
        "providers: {{a: {{provider: nginx, {files}}}, b: {{provider: nginx, http-port: 81, https-port: 82, {files}}}}}"
    );
    refused(&shared, &["providers.b", "/tmp/lb-test-shared of providers.a", "grants.files.path"], &[]).await?;
    Ok(())
}
