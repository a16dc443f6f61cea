//! A provider is swapped while traffic flows, and nobody notices but who asks.

use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::Path};

use anyhow::{Context, Result, ensure};
use lb_tests::{
    Controller, Traffic, World,
    certificates::self_signed,
    eventually, ingress,
    plugins::{PluginDirectory, build},
    prefix, provider, skip_with,
};
use serde_json::Value;

/// Waits until the last swap came to this, and gives the provider.
async fn swap_is(controller: &Controller, outcome: &str, not_digest: &Value) -> Result<Value> {
    eventually(format!("a swap is {outcome}"), async || {
        let provider = controller.provider().await?;
        let last = &provider["last-swap"];
        ensure!(last["outcome"] == outcome && last["to"]["digest"] != *not_digest, "the last swap is {last}");
        Ok(provider)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_component_takes_over_under_traffic_and_churn() -> Result<()> {
    let world = World::start("swap").await?;
    let mut shop = world.workload("shop", 2).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let plugins = PluginDirectory::new()?;
    let controller = world.controller().plugins(plugins.path()).start().await?;
    controller.serves("shop.test", "/", "shop").await?;
    let data_plane = controller.nginx()?;
    let traffic = Traffic::start(controller.client, "shop.test", "/", 2);
    traffic.flows(100).await?;
    for number in 0..3 {
        let before = controller.provider().await?["digest"].clone();
        plugins.replace(&build(number)?)?;
        // What changes meanwhile is not lost.
        shop.add().await?;
        let swapped = swap_is(&controller, "swapped", &before).await?;
        ensure!(swapped["digest"] != before, "the digest is still {before}");
        ensure!(swapped["last-swap"]["cause"] == "file", "{swapped}");
        ensure!(swapped["last-swap"]["plan"].as_array().is_some_and(Vec::is_empty), "{swapped}");
        ensure!(swapped["previous"]["digest"] == before, "{swapped}");
        traffic.settles_on(&shop.pods()).await?;
        let oldest = shop.pods()[0].clone();
        let retired = shop.remove(&oldest).await?;
        traffic.settles_on(&shop.pods()).await?;
        drop(retired);
    }
    ensure!(traffic.failures().is_empty(), "{:?}", traffic.failures());
    ensure!(controller.nginx()?.id == data_plane.id, "the data plane was restarted");
    let swaps = controller.metric("lb_provider_swaps_total", "outcome=\"swapped\"").await?;
    ensure!((swaps - 3.0).abs() < 0.5, "{swaps} swaps are counted");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_loaded_leaves_the_running_version_alone() -> Result<()> {
    let world = World::start("swap-refused").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let plugins = PluginDirectory::new()?;
    let controller = world.controller().plugins(plugins.path()).start().await?;
    let before = controller.provider().await?;
    let whole = build(1)?;
    plugins.replace(&whole[..whole.len() / 2])?;
    let refused = swap_is(&controller, "refused", &Value::Null).await?;
    ensure!(refused["digest"] == before["digest"], "{refused}");
    let message = refused["last-swap"]["message"].as_str().unwrap_or_default().to_owned();
    ensure!(message.contains(".wasm"), "the message does not say which file: {message}");
    controller.serves("shop.test", "/", "shop").await?;
    // A configuration that is wrong is refused, too.
    plugins.replace(&whole)?;
    swap_is(&controller, "swapped", &Value::Null).await?;
    let sidecar = plugins.sidecar();
    let text = fs::read_to_string(&sidecar)?;
    fs::write(&sidecar, format!("{text}\nno-such-key: 1\n"))?;
    let refused = swap_is(&controller, "refused", &Value::Null).await?;
    let message = refused["last-swap"]["message"].as_str().unwrap_or_default().to_owned();
    ensure!(message.contains("no-such-key") && message.contains(".yaml"), "{message}");
    controller.serves("shop.test", "/", "shop").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_dance_of_a_mounted_config_map_is_followed() -> Result<()> {
    let world = World::start("swap-mounted").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    // As the kubelet lays it out: names link through `..data` into a directory with a time stamp.
    let mount = tempfile::tempdir()?;
    let built = PluginDirectory::new()?;
    let names = [format!("{}.wasm", provider::name()), format!("{}.yaml", provider::name())];
    let publish = |stamp: &str, component: &[u8]| -> Result<()> {
        let directory = mount.path().join(stamp);
        fs::create_dir(&directory)?;
        fs::write(directory.join(&names[0]), component)?;
        fs::copy(built.sidecar(), directory.join(&names[1]))?;
        symlink(stamp, mount.path().join("..data_tmp"))?;
        fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data"))?;
        Ok(())
    };
    publish("..2026_11_24_1", &build(1)?)?;
    for file in &names {
        symlink(Path::new("..data").join(file), mount.path().join(file))?;
    }
    let controller = world.controller().plugins(mount.path()).start().await?;
    let before = controller.provider().await?["digest"].clone();
    publish("..2026_11_24_2", &build(2)?)?;
    swap_is(&controller, "swapped", &before).await?;
    controller.serves("shop.test", "/", "shop").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_policy_waits_and_a_rollback_is_one_call() -> Result<()> {
    let world = World::start("swap-approved").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let plugins = PluginDirectory::new()?;
    let controller = world.controller().plugins(plugins.path()).argument("--swap-policy=approved").start().await?;
    let first = controller.provider().await?["digest"].clone();
    ensure!(
        controller.post(&format!("/v1/providers/{}/approve", provider::name())).await?.status == 409,
        "there is nothing to approve"
    );
    plugins.replace(&build(1)?)?;
    let waiting = swap_is(&controller, "waiting", &first).await?;
    ensure!(waiting["digest"] == first && waiting["waiting"]["digest"] != first, "{waiting}");
    let approved = controller.post(&format!("/v1/providers/{}/approve", provider::name())).await?;
    ensure!(approved.status == 200, "{}", approved.body);
    let second = controller.provider().await?;
    ensure!(second["digest"] == waiting["waiting"]["digest"] && second["waiting"].is_null(), "{second}");
    controller.serves("shop.test", "/", "shop").await?;
    let rolled_back = controller.post(&format!("/v1/providers/{}/rollback", provider::name())).await?;
    ensure!(rolled_back.status == 200, "{}", rolled_back.body);
    ensure!(controller.provider().await?["digest"] == first, "the first one runs again");
    // It works, and is not only named.
    world.apply(ingress("more").rule("more.test", [prefix("/", "shop")])).await?;
    controller.serves("more.test", "/", "shop").await?;
    ensure!(controller.post("/v1/providers/haproxy/reload").await?.status == 404, "there is no other provider");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_would_change_something_is_refused_by_policy_and_changes_nothing() -> Result<()> {
    skip_with!("caddy", "the setting is one of nginx");
    let world = World::start("swap-unchanged").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let plugins = PluginDirectory::new()?;
    let controller = world.controller().plugins(plugins.path()).argument("--swap-policy=unchanged").start().await?;
    controller.serves("shop.test", "/", "shop").await?;
    let before = controller.provider().await?;
    // Other settings make other configuration.
    let sidecar = plugins.sidecar();
    let text = fs::read_to_string(&sidecar)?;
    fs::write(&sidecar, text.replacen("settings:", "settings:\n  worker-processes: 3\n  #", 1))?;
    let refused = swap_is(&controller, "refused", &Value::Null).await?;
    let plan = refused["last-swap"]["plan"].to_string();
    ensure!(plan.contains("nginx.conf") && plan.contains("reload service nginx"), "the plan is {plan}");
    ensure!(refused["digest"] == before["digest"], "{refused}");
    let live = fs::read_to_string(controller.state_directory().join("nginx/live/nginx.conf"))?;
    ensure!(!live.contains("worker_processes 3"), "the rehearsal changed what is live");
    controller.serves("shop.test", "/", "shop").await?;
    // The same configuration in another component changes nothing, and so may take over.
    fs::write(&sidecar, text)?;
    plugins.replace(&build(7)?)?;
    swap_is(&controller, "swapped", &before["digest"]).await?;
    controller.serves("shop.test", "/", "shop").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_killed_at_any_line_of_a_swap_comes_back_with_one_version_or_the_other() -> Result<()> {
    let world = World::start("swap-killed").await?;
    let shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let plugins = PluginDirectory::new()?;
    // A self-signed one is another one at each start, for which Caddy opens its ports anew.
    world.tls_secret("default", &self_signed(&["default.test"])?).await?;
    let default = format!("--default-certificate={}/default", world.namespace);
    let mut controller = world.controller().plugins(plugins.path()).argument(default).start().await?;
    controller.serves("shop.test", "/", "shop").await?;
    let traffic = Traffic::start(controller.client, "shop.test", "/", 2);
    traffic.settles_on(&shop.pods()).await?;

    // Which lines there are is seen in a swap that nobody disturbs; a change after it is part of it.
    let change = async |number: u32| -> Result<String> {
        let host = format!("after-{number}.test");
        plugins.replace(&build(number)?)?;
        world.apply(ingress(&format!("after-{number}")).rule(&host, [prefix("/", "shop")])).await?;
        Ok(host)
    };
    let mut log = controller.log()?;
    log.read()?;
    let before = controller.provider().await?["digest"].clone();
    let host = change(0).await?;
    swap_is(&controller, "swapped", &before).await?;
    controller.serves(&host, "/", "shop").await?;
    let lines: BTreeSet<String> = log.read()?.into_iter().collect();
    ensure!(lines.contains("the provider is swapped"), "no swap was seen: {lines:?}");

    for (line, number) in lines.iter().zip(1..) {
        let mut log = controller.log()?;
        log.read()?;
        let host = change(number).await?;
        controller.kill_at(log, line).with_context(|| format!("at {line:?}"))?;
        traffic.flows(20).await?;
        controller.spawn()?;
        controller.ready().await?;
        controller.serves(&host, "/", "shop").await.with_context(|| format!("killed at {line:?}"))?;
    }
    ensure!(traffic.failures().is_empty(), "{:?}", traffic.failures());
    Ok(())
}
