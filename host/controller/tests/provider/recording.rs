//! `provider record` with an API, and `provider replay` without one.

use std::{fs, time::Duration};

use lb_rancher_double::{Host, KeyKind, Latency, Options, Rancher, Server, ServerOptions};
use serde_json::{Value, json};

use crate::world::World;

const UID: &str = "3e5d8a53-1f0c-4c4e-9f5b-1c2b8a2d9f01";

/// The manifests of one step: an Ingress with these hosts, and all that it needs.
fn step(world: &World, name: &str, hosts: &[&str]) -> String {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["secure.test".to_owned()]).unwrap();
    let rules: Vec<_> = hosts
        .iter()
        .map(|host| {
            let backend = json!({ "service": { "name": "shop", "port": { "number": 80 } } });
            let path = json!({ "path": "/", "pathType": "Prefix", "backend": backend });
            json!({ "host": host, "http": { "paths": [path] } })
        })
        .collect();
    let objects = [
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": "shop", "namespace": "default", "uid": UID },
            "spec": { "ports": [{ "port": 80, "targetPort": 8080 }] },
        }),
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": { "name": "secure", "namespace": "default", "uid": "a1" },
            "stringData": { "tls.crt": cert.pem(), "tls.key": signing_key.serialize_pem() },
        }),
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": { "name": "web", "namespace": "default", "uid": "b2" },
            "spec": {
                "ingressClassName": "lb", "rules": rules,
                "tls": [{ "hosts": ["secure.test"], "secretName": "secure" }],
            },
        }),
    ];
    let documents = objects.map(|object| object.to_string()).join("\n---\n");
    world.write(name, documents.as_bytes())
}

/// A Rancher, the configuration that reaches it, its API, and the secret that nobody is to read.
async fn rancher(world: &World) -> (Server, String, String, String) {
    let rancher = Rancher::new(Options::default());
    let project = rancher.add_project("Default");
    let addresses = vec!["203.0.113.1".to_owned()];
    rancher.add_host(&project, Host { name: "host".to_owned(), addresses, ..Host::default() });
    let key = rancher.add_key(KeyKind::Environment { project: project.clone() });
    rancher.add_kubernetes_service(&project, UID, "default", "shop");
    let latency = Latency { fixed: Duration::from_millis(1), ..Latency::default() };
    let server = Server::start(rancher, ServerOptions { latency, ..ServerOptions::with_speed(100.0) }).await.unwrap();
    let credentials = json!({ "basic": { "username": key.access, "password": key.secret } });
    let configuration = json!({ "grants": { "http": { "rancher": {
        "base-url": "http://127.0.0.1:9/v2-beta", "credentials": credentials,
    } } } });
    let configuration = world.write("config.yaml", configuration.to_string().as_bytes());
    let api = format!("rancher={}/v2-beta/projects/{project}", server.url());
    (server, configuration, api, key.secret)
}

/// Where the built providers are.
pub(crate) fn plugins() -> String {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_lb-controller"));
    let plugins = program.ancestors().nth(2).unwrap().join("plugins");
    assert!(plugins.join("rancher.wasm").is_file(), "it is missing; build it: cargo xtask plugins");
    plugins.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_plays_without_the_api() {
    let world = World::new();
    let (server, configuration, api, secret) = rancher(&world).await;
    let steps = [step(&world, "one.yaml", &["one.test", "secure.test"]), step(&world, "two.yaml", &["two.test"])];
    let (plugins, file) = (plugins(), world.path("rancher.json").display().to_string());
    let target = ["rancher", "--plugin-dir", &plugins, "--config", &configuration];
    let record =
        [&["record"][..], &target, &["--api", &api, "--step", &steps[0], "--step", &steps[1], "-o", &file]].concat();
    let text = world.succeeds(&record);
    assert!(text.contains("apply default/web") && text.contains("remove default/web"), "{text}");
    drop(server);

    // Nothing secret is in it, and all that matters is.
    let recorded = fs::read_to_string(&file).unwrap();
    for word in [&*secret, "BEGIN PRIVATE KEY", "uthorization"] {
        assert!(!recorded.contains(word), "{word} is in the recording");
    }
    let mut recording: Value = serde_json::from_str(&recorded).unwrap();
    let calls = recording["calls"].as_array().unwrap();
    assert_eq!(calls[0]["result"]["readiness"], "Ready", "{text}");
    let writes = |call: &Value| {
        let exchanges = call["exchanges"].as_array().unwrap();
        exchanges.iter().filter(|exchange| exchange["method"] != "GET").count()
    };
    assert!(writes(&calls[0]) >= 3, "stack, certificate and load balancer are made: {text}");
    let again = calls.iter().filter(|call| call["call"]["apply"].is_object()).nth(1).unwrap();
    assert_eq!(writes(again), 0, "what is applied again changes nothing");
    assert!(recorded.contains("<private key>"));

    let replay = |file: &str| [&["replay", file][..], &target].concat().join("\u{0}");
    let split = |line: String| line.split('\u{0}').map(str::to_owned).collect::<Vec<_>>();
    let run = |file: &str| split(replay(file));
    let arguments = run(&file);
    let told = world.succeeds(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(told.starts_with('✓') && told.contains("all as they were recorded"), "{told}");

    // As if another version had done it otherwise.
    let mut posts = recording["calls"][0]["exchanges"].as_array_mut().unwrap().iter_mut();
    let balancer = posts
        .rfind(|exchange| exchange["method"] == "POST" && exchange["target"].as_str().unwrap().contains("loadbalancer"))
        .unwrap();
    balancer["sent"]["json"]["launchConfig"]["imageUuid"] = "docker:rancher/other:v1".into();
    let changed = world.write("changed.json", recording.to_string().as_bytes());
    let arguments = run(&changed);
    let told = world.fails(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(
        told.contains("~ POST") && told.contains("/launchConfig/imageUuid: \"docker:rancher/other:v1\" became"),
        "{told}"
    );
    assert!(told.contains("one difference"), "{told}");
}

#[test]
fn what_is_no_recording_is_refused() {
    let world = World::new();
    let quiet = world.guest("quiet", "quiet.wasm");
    for (content, part) in [
        (&b"{"[..], "it is no recording"),
        (b"[]", "it is no recording"),
        (b"{}", "`recording` is missing"),
        (b"{\"recording\": 2}", "record it anew"),
        (b"{\"recording\": 1}", "missing field"),
    ] {
        let text = world.fails(&["replay", &world.write("bad.json", content), &quiet]);
        assert!(text.contains(part) && text.contains("bad.json"), "{text}");
    }
    let http = world.guest("http", "http.wasm");
    let step = step(&world, "one.yaml", &["one.test"]);
    let text = world.fails(&["record", &http, "--step", &step]);
    assert!(text.contains("there is no API for the HTTP grant `api`"), "{text}");
}
