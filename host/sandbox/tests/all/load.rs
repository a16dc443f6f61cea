use std::{fs, path::PathBuf};

use lb_model::provider::Provider;
use lb_sandbox::{Error, ProviderConfiguration, Sandbox, SandboxOptions, Source};
use serde_json::json;

use crate::world::{World, breach, change};

/// Writes a file that is to be loaded; what the load says.
async fn refused(world: &World, bytes: &[u8]) -> Error {
    let path = world.path("provider.wasm");
    fs::write(&path, bytes).unwrap();
    match world.load(&path, json!({})).await {
        Ok(_) => panic!("it was loaded"),
        Err(error) => error,
    }
}

/// The quiet guest, with a name in it replaced by one of the same length.
fn renamed(guest: &str, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(lb_guests::component(guest)).unwrap();
    let places: Vec<_> = bytes.windows(from.len()).enumerate().filter(|(_, it)| *it == from.as_bytes()).collect();
    let places: Vec<_> = places.into_iter().map(|(place, _)| place).collect();
    assert!(!places.is_empty());
    for place in places {
        bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[tokio::test]
async fn a_provider_that_wants_nothing_is_loaded() {
    let world = World::new();
    let plugin = world.load(&lb_guests::component("quiet"), json!({})).await.unwrap();
    assert_eq!((plugin.name(), plugin.version()), ("quiet", "0.1.0"));
    assert_eq!(plugin.descriptor().name, "quiet");
    assert!(plugin.digest().len() == 64 && plugin.digest().bytes().all(|byte| byte.is_ascii_hexdigit()));
    plugin.apply(change("lb")).await.unwrap();
    plugin.remove("lb").await.unwrap();
    assert!(plugin.observe().await.unwrap().is_empty());
    plugin.shutdown().await;
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let world = World::new();
    for (bytes, told) in [
        (&b"#!/bin/sh\n"[..], "not WebAssembly"),
        (b"", "empty"),
        (b"\0asm\x01\0\0\0", "wasm-component-ld"),
        (b"\0asm\x0d\0\x01\0\xff\xff\xff", "cannot be compiled"),
    ] {
        let error = refused(&world, bytes).await.to_string();
        assert!(error.contains(told) && error.contains("provider.wasm"), "{error}");
    }
    let missing = world.load(&world.path("missing.wasm"), json!({})).await.err().unwrap().to_string();
    assert!(missing.contains("there is no provider at") && missing.contains("missing.wasm"), "{missing}");
    let directory = world.load(world.temporary.path(), json!({})).await.err().unwrap().to_string();
    assert!(directory.contains("not a file"), "{directory}");
}

#[tokio::test]
async fn a_component_of_another_world_or_version_is_refused() {
    let world = World::new();
    let error = refused(&world, b"\0asm\x0d\0\x01\0").await.to_string();
    assert!(error.contains("exports nothing") && error.contains("lb-controller:provider/provider@0.1.0"), "{error}");

    let other = renamed("quiet", "lb-controller:provider/provider@0.1.0", "xx-controller:provider/provider@0.1.0");
    let error = refused(&world, &other).await.to_string();
    assert!(error.contains("another world") && error.contains("xx-controller:provider/provider@0.1.0"), "{error}");

    let newer = renamed("quiet", "lb-controller:provider/provider@0.1.0", "lb-controller:provider/provider@0.2.0");
    let error = refused(&world, &newer).await.to_string();
    assert!(error.contains("provider@0.2.0") && error.contains("has version 0.1.0"), "{error}");

    let older = renamed("quiet", "lb-controller:provider/provider@0.1.0", "lb-controller:provider/provider@0.0.9");
    let error = refused(&world, &older).await.to_string();
    assert!(error.contains("provider@0.0.9") && error.contains("Build it with the SDK of that version"), "{error}");

    let newer = renamed("hostile", "lb-controller:provider/files@0.1.0", "lb-controller:provider/files@0.2.0");
    let error = refused(&world, &newer).await.to_string();
    assert!(error.contains("imports lb-controller:provider/files@0.2.0"), "{error}");

    let unknown = renamed("hostile", "lb-controller:provider/random@0.1.0", "lb-controller:provider/rondam@0.1.0");
    let error = refused(&world, &unknown).await.to_string();
    assert!(error.contains("not in the contract: lb-controller:provider/rondam@0.1.0"), "{error}");

    let preview3 = renamed("foreign", "wasi:random/random@0.2.", "wasi:random/random@0.3.");
    let error = refused(&world, &preview3).await.to_string();
    assert!(error.contains("not in the contract: wasi:random/random@0.3."), "{error}");
}

#[tokio::test]
async fn a_component_that_is_not_whole_is_refused() {
    let world = World::new();
    let whole = fs::read(lb_guests::component("quiet")).unwrap();
    for length in [9, 1_000, whole.len() / 2, whole.len() - 1] {
        let error = refused(&world, &whole[..length]).await;
        assert!(matches!(error, Error::Compile { .. }) && error.to_string().contains("Build it anew"), "{error}");
    }
}

#[tokio::test]
async fn a_file_of_a_gigabyte_is_not_read() {
    let world = World::new();
    let path = world.path("provider.wasm");
    fs::File::create(&path).unwrap().set_len(1 << 30).unwrap();
    let error = world.load(&path, json!({})).await.err().unwrap().to_string();
    assert!(error.contains("it has 1073741824 bytes, of 536870912 at most"), "{error}");
}

#[tokio::test]
async fn a_file_that_was_exchanged_after_it_was_checked_is_refused() {
    let world = World::new();
    let (quiet, name) = (lb_guests::component("quiet"), PathBuf::from("oci://registry.test/team/quiet:1@sha256:00"));
    let digest = world.sandbox.inspect(&quiet).await.unwrap().digest;
    let source = |path| Source { path, name: &name, digest: Some(&digest) };
    assert_eq!(world.sandbox.inspect(source(&quiet)).await.unwrap().descriptor.name, "quiet");
    let error = world.sandbox.inspect(source(&lb_guests::component("web"))).await.err().unwrap();
    assert!(matches!(error, Error::Exchanged { .. }), "{error}");
    let error = error.to_string();
    assert!(
        error.starts_with("oci://registry.test/team/quiet:1@sha256:00 was changed") && error.contains(&digest),
        "{error}"
    );
}

#[tokio::test]
async fn what_a_component_is_can_be_seen_without_granting_it_anything() {
    let world = World::new();
    let hostile = world.sandbox.inspect(&lb_guests::component("hostile")).await.unwrap();
    assert_eq!(hostile.capabilities, ["files", "services", "keys", "key-reveal"]);
    assert_eq!(hostile.undeclared(), hostile.capabilities);
    assert_eq!((hostile.contract.as_str(), hostile.uses_wasi), ("0.1.0", false));
    assert!(
        hostile.imports.iter().any(|import| import == "lb-controller:provider/files@0.1.0"),
        "{:?}",
        hostile.imports
    );
    let grants = ProviderConfiguration::default().grants;
    let error = hostile.check_grants(&grants).unwrap_err();
    assert!(matches!(error, Error::NotGranted { missing, .. } if missing.len() == 4));

    let http = world.sandbox.inspect(&lb_guests::component("http")).await.unwrap();
    assert!(http.undeclared().is_empty());
    let error = http.check_grants(&grants).unwrap_err().to_string();
    assert_eq!(error.matches("base-url").count(), 1, "{error}");

    let quiet = world.sandbox.inspect(&lb_guests::component("quiet")).await.unwrap();
    quiet.check_grants(&grants).unwrap();
    quiet.check_settings(&json!({})).await.unwrap();
    let error = quiet.check_settings(&json!({ "a": 1 })).await.unwrap_err();
    assert_eq!(error.to_string(), "the provider quiet refuses its settings: no setting is known: {\"a\":1}");
    assert!(world.sandbox.inspect(&lb_guests::component("foreign")).await.unwrap().uses_wasi);
}

#[tokio::test]
async fn what_is_not_granted_is_listed_with_the_configuration_that_grants_it() {
    let world = World::new();
    let hostile = lb_guests::component("hostile");
    let error = world.load(&hostile, json!({})).await.err().unwrap();
    let Error::NotGranted { missing, advice, .. } = &error else { panic!("{error}") };
    assert_eq!(missing, &["files", "services", "keys", "key-reveal"]);
    let yaml = &advice[advice.find("grants:").unwrap()..];
    let configuration: ProviderConfiguration = serde_saphyr::from_str(&yaml.replace("<name>", "web")).unwrap();
    configuration.validate().unwrap();
    let files = configuration.grants.files.unwrap();
    assert_eq!(files.path, PathBuf::from("/var/lib/lb-controller/hostile"));
    assert!(configuration.grants.keys.store && configuration.grants.keys.reveal);
    assert_eq!(configuration.grants.services.len(), 1);
    assert!(!world.counted().contains("hostile"), "nothing of it ran");

    let mut almost = world.hostile_configuration(json!({}), json!({}));
    almost["grants"]["keys"]["reveal"] = false.into();
    let error = world.load(&hostile, almost).await.err().unwrap();
    assert!(error.to_string().contains("was not granted: key-reveal.\n"), "{error}");
    assert!(error.to_string().contains("grants:\n  keys:\n    reveal: true\n"), "{error}");
}

#[tokio::test]
async fn http_is_refused_with_what_would_grant_it() {
    let world = World::new();
    let web = lb_guests::component("web");
    let error = world.load(&web, json!({})).await.err().unwrap().to_string();
    assert!(error.contains("was not granted: http.\n"), "{error}");
    assert!(error.contains("grants:\n  http:\n    <name>:\n      base-url: <url>\n"), "{error}");
    let grants = json!({ "grants": { "http": { "api": { "base-url": "https://user:hunter2@api" } } } });
    let error = world.load(&web, grants).await.err().unwrap().to_string();
    assert!(error.contains("`grants.http.api.base-url`") && !error.contains("hunter2"), "{error}");
}

/// It declares no grant by name, and uses one that nobody granted.
#[tokio::test]
async fn what_was_not_declared_is_not_there() {
    let world = World::new();
    let grants = json!({ "grants": { "http": { "api": { "base-url": "http://127.0.0.1:1", "allow-addresses": ["loopback"] } } } });
    let plugin = world.load(&lb_guests::component("web"), grants).await.unwrap();
    let error = plugin.apply(change("lb")).await.unwrap_err().to_string();
    assert!(error.starts_with("denied: ") && error.contains("no such HTTP grant; granted: api"), "{error}");
    let refused = "lb_provider_http_refusals_total{provider=\"web\",grant=\"\",reason=\"grant\"} 1";
    assert!(world.counted().lines().any(|line| line == refused), "{}", world.counted());
    assert!(!world.counted().contains("lb_provider_http_requests_total{"), "nothing was sent");
}

#[tokio::test]
async fn settings_that_the_provider_refuses_are_refused() {
    let world = World::new();
    let error = world.load(&lb_guests::component("quiet"), json!({ "settings": { "a": 1 } })).await.err().unwrap();
    assert_eq!(error.to_string(), "the provider quiet refuses its settings: no setting is known: {\"a\":1}");

    let configuration = world.hostile_configuration(json!({ "behaviour": "trap-in-check" }), json!({}));
    let error = world.load(&lb_guests::component("hostile"), configuration).await.err().unwrap();
    let Error::Call { function: "check-settings", source, .. } = error else { panic!("{error}") };
    assert_eq!(breach(source).0.label(), "trap");
}

#[tokio::test]
async fn compiled_providers_are_kept() {
    let mut world = World::new();
    let cache_dir = world.path("cache/compiled");
    world.sandbox =
        Sandbox::new(SandboxOptions { cache_dir: Some(cache_dir.clone()), ..SandboxOptions::default() }).unwrap();
    world.load(&lb_guests::component("quiet"), json!({})).await.unwrap();
    assert!(fs::read_dir(&cache_dir).unwrap().count() > 0);
    world.load(&lb_guests::component("quiet"), json!({})).await.unwrap();
}

#[test]
fn a_cache_that_others_could_poison_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let temporary = tempfile::tempdir().unwrap();
    fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error =
        Sandbox::new(SandboxOptions { cache_dir: Some(temporary.path().to_owned()), ..SandboxOptions::default() })
            .err()
            .unwrap();
    assert!(error.to_string().contains("chmod o-w"), "{error}");
    let file = temporary.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Sandbox::new(SandboxOptions { cache_dir: Some(file), ..SandboxOptions::default() }).err().unwrap();
    assert!(error.to_string().contains("Choose a writable directory"), "{error}");
}
