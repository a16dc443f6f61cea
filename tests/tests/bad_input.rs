//! Whatever is wrong is told clearly, to whom it concerns, and harms nothing else.

use anyhow::{Context, Result, ensure};
use lb_tests::{
    Controller, Traffic, World,
    controller::{plugins, run_to_end},
    ingress,
    objects::{self, Ingress},
    prefix,
};

/// Runs the program with a mistake: it must end with this code and say these words.
async fn refuses(arguments: &[&str], code: i32, words: &[&str]) -> Result<()> {
    let ended = run_to_end(arguments).await?;
    ensure!(ended.code == Some(code), "{arguments:?} ended with {:?}, not {code}: {}", ended.code, ended.error);
    for word in words {
        ensure!(ended.error.contains(word), "{arguments:?} does not say {word:?}: {}", ended.error);
    }
    ensure!(!ended.error.contains("panicked"), "it panicked: {}", ended.error);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_flag_is_named() -> Result<()> {
    refuses(&["--htpp-port=80"], 2, &["--htpp-port", "--http-port"]).await?;
    refuses(&["--http-port=0"], 2, &["--http-port"]).await?;
    refuses(&["--http-port=80000"], 2, &["80000"]).await?;
    refuses(&["--controller=swarm"], 2, &["swarm", "kubernetes"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_of_the_configuration_is_named_with_its_line() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = |name: &str, text: &str| -> Result<String> {
        let path = directory.path().join(name);
        std::fs::write(&path, text)?;
        Ok(format!("--config={}", path.display()))
    };
    refuses(&[&file("key.yaml", "provider: nginx\nhttp-prot: 81\n")?], 2, &["key.yaml", "http-prot", "line 2"]).await?;
    refuses(&[&file("type.yaml", "provider: nginx\n\nhttp-port: many\n")?], 2, &["type.yaml", "line 3"]).await?;
    refuses(&[&file("deep.yaml", "grants:\n  files:\n    pth: /x\n")?], 2, &["deep.yaml", "pth", "line 3"]).await?;
    refuses(&[&file("syntax.yaml", "provider: [nginx\n")?], 2, &["syntax.yaml"]).await?;
    let stream = "streams: [{port: 9000, protocol: sctp, service: a/b, service-port: 1}]";
    refuses(&[&file("stream.yaml", stream)?], 2, &["sctp"]).await?;
    refuses(&["--config=/nonexistent/file.yaml"], 2, &["/nonexistent/file.yaml"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_unusable_kubeconfig_is_told() -> Result<()> {
    refuses(&["--provider=nginx", "--kubeconfig=/nonexistent/config"], 2, &["/nonexistent/config"]).await?;
    refuses(&["--provider=nginx"], 1, &["--kubeconfig", "lb-controller dev"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_cannot_be_loaded_is_told() -> Result<()> {
    let world = World::start("bad-plugin").await?;
    let directory = tempfile::tempdir()?;
    let state = format!("--state-dir={}", directory.path().join("state").display());
    let kubeconfig = format!("--kubeconfig={}", world.cluster.kubeconfig().display());
    let load = async |arguments: &[&str], words: &[&str]| {
        let common = [kubeconfig.as_str(), state.as_str(), "--admin-address=off"];
        let arguments: Vec<&str> = common.iter().chain(arguments).copied().collect();
        let ended = run_to_end(&arguments).await?;
        ensure!(matches!(ended.code, Some(1 | 2)), "{arguments:?} ended with {:?}: {}", ended.code, ended.error);
        for word in words {
            ensure!(ended.error.contains(word), "{arguments:?} does not say {word:?}: {}", ended.error);
        }
        ensure!(!ended.error.contains("panicked"), "it panicked: {}", ended.error);
        Ok(())
    };
    let plugin_dir = format!("--plugin-dir={}", plugins()?.display());
    load(&[], &["--provider"]).await?;
    load(&["--provider=ngnix", &plugin_dir], &["ngnix", "nginx"]).await?;
    load(&["--provider=/nonexistent/nginx.wasm"], &["/nonexistent/nginx.wasm"]).await?;

    let write = |name: &str, content: &[u8]| -> Result<String> {
        let path = directory.path().join(name);
        std::fs::write(&path, content)?;
        Ok(format!("--provider={}", path.display()))
    };
    load(&[&write("text.wasm", b"not a component\n")?], &["text.wasm", "component"]).await?;
    load(&[&write("empty.wasm", b"")?], &["empty.wasm"]).await?;
    // A core module, an empty component, and the real one cut short.
    load(&[&write("module.wasm", b"\0asm\x01\0\0\0")?], &["module.wasm", "component"]).await?;
    load(&[&write("world.wasm", b"\0asm\x0d\0\x01\0")?], &["world.wasm", "lb-controller:provider"]).await?;
    let whole = std::fs::read(plugins()?.join("nginx.wasm"))?;
    load(&[&write("cut.wasm", &whole[..whole.len() / 2])?], &["cut.wasm"]).await?;
    // The real one, were it of another version of the contract.
    let (name, version) = (b"lb-controller:provider/", b"@0.1.0");
    let mut future = whole.clone();
    for start in 0..future.len() - 64 {
        if future[start..].starts_with(name)
            && let Some(offset) = future[start..start + 64].windows(version.len()).position(|window| window == version)
        {
            future[start + offset..start + offset + version.len()].copy_from_slice(b"@9.9.0");
        }
    }
    ensure!(future != whole, "the component names its contract");
    std::fs::copy(plugins()?.join("nginx.yaml"), directory.path().join("future.yaml"))?;
    load(&[&write("future.wasm", &future)?], &["future.wasm", "9.9.0"]).await?;
    // Without the file beside it, nothing is granted, and what is missing is listed.
    load(&[&write("bare.wasm", &whole)?], &["bare.wasm", "files", "services", "grants"]).await
}

/// A world with a neighbour that must be served whatever else happens.
async fn served_neighbour(world: &World) -> Result<Controller> {
    world.apply(ingress("neighbour").rule("neighbour.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("neighbour.test", "/", "shop").await?;
    Ok(controller)
}

/// Applies a bad Ingress: it is told these words, the neighbour is served without a failure, also after a change.
async fn alone_is_refused(world: &World, controller: &Controller, bad: Ingress, words: &[&str]) -> Result<()> {
    let traffic = Traffic::start(controller.client, "neighbour.test", "/", 1);
    let applied = match world.apply(bad).await {
        Ok(applied) => applied,
        // The API itself may refuse it; then it names the field as well, and that is that.
        Err(error) => {
            let text = format!("{error:#}");
            ensure!(words.iter().all(|word| text.contains(word)), "the API does not say {words:?}: {text}");
            traffic.stop().await?;
            return Ok(());
        }
    };
    let name = applied.metadata.name.context("an object has a name")?;
    let event = world.warned(&name, words).await?;
    let message = event.message.unwrap_or_default();
    ensure!(!message.chars().any(char::is_control), "control characters reach the Event: {message:?}");
    // The load balancer still takes changes.
    world.apply(ingress("after").rule(&format!("after-{name}.test"), [prefix("/", "shop")])).await?;
    controller.serves(&format!("after-{name}.test"), "/", "shop").await?;
    traffic.stop().await.context("the neighbour was harmed")?;
    assert!(world.warnings("Ingress", "neighbour").await?.is_empty(), "the neighbour is not to blame");
    world.delete("Ingress", &name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_paths_are_refused_alone() -> Result<()> {
    let world = World::start("hostile-paths").await?;
    let _shop = world.workload("shop", 1).await?;
    let controller = served_neighbour(&world).await?;
    let paths = [
        ("quote", "/a\"b"),
        ("brace", "/a{b}"),
        ("newline", "/a\nb"),
        ("nul", "/a\u{0}b"),
        ("escape", "/a\u{1b}[31mb"),
        ("semicolon", "/a; } location /owned { return 200 owned; } #"),
        ("backslash", "/a\\"),
        ("variable", "/a${document_root}"),
        ("relative", "a"),
        ("climbing", "/a/../../etc"),
        ("long", &format!("/{}", "a{".repeat(4000))),
    ];
    for (name, path) in paths {
        let bad = ingress(name).rule("hostile.test", [prefix(path, "shop")]);
        alone_is_refused(&world, &controller, bad, &["spec.rules[0].http.paths[0].path"])
            .await
            .with_context(|| name.to_owned())?;
    }
    controller.answers("hostile.test", "/owned", 404).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_hosts_are_refused_alone() -> Result<()> {
    let world = World::start("hostile-hosts").await?;
    let _shop = world.workload("shop", 1).await?;
    let controller = served_neighbour(&world).await?;
    let hosts = [
        ("space", "a b.test"),
        ("statement", "a.test; } server { listen 81; } #"),
        ("newline-host", "a.test\nb.test"),
        ("regex", "~^.*$"),
        ("underscore", "a_b.test"),
        ("deep-wildcard", "*.*.test"),
        ("middle-wildcard", "a.*.test"),
        ("address", "192.0.2.1"),
        ("long-host", &"a".repeat(300)),
    ];
    for (name, host) in hosts {
        let bad = ingress(name).rule(host, [prefix("/", "shop")]);
        alone_is_refused(&world, &controller, bad, &["spec.rules[0].host"]).await.with_context(|| name.to_owned())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_annotations_are_refused_alone() -> Result<()> {
    let world = World::start("annotations").await?;
    let _shop = world.workload("shop", 1).await?;
    let controller = served_neighbour(&world).await?;
    let annotations = [
        ("http.port", "eighty"),
        ("http.port", "0"),
        ("http.port", "70000"),
        ("http.port", "80; include /etc/shadow"),
        ("https.port", "-1"),
        ("allow.http", "maybe"),
        ("scale", "lots"),
        ("scale", "-1"),
    ];
    for (index, (key, value)) in annotations.into_iter().enumerate() {
        let bad = ingress(&format!("bad-{index}")).annotation(key, value).rule("bad.test", [prefix("/", "shop")]);
        alone_is_refused(&world, &controller, bad, &[key]).await.with_context(|| format!("{key}: {value}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_services_and_ports_are_told_and_the_other_paths_served() -> Result<()> {
    let world = World::start("missing").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(objects::service("two", &[objects::Port("web", 8080, "TCP"), objects::Port("dns", 53, "UDP")])).await?;
    let paths = [
        prefix("/good", "shop"),
        prefix("/service", "nowhere"),
        prefix("/number", "two").port_number(81),
        prefix("/name", "two").port_name("wbe"),
    ];
    world.apply(ingress("rules").rule("shop.test", paths)).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/good", "shop").await?;
    for (path, words) in
        [("/service", ["nowhere", "paths[1]"]), ("/number", ["81", "paths[2]"]), ("/name", ["wbe", "paths[3]"])]
    {
        world.warned("rules", &words).await?;
        controller.answers("shop.test", path, 503).await?;
    }
    Ok(())
}
