use std::sync::Arc;

use lb_model::{
    provider::{Breach, CallError, KeySource, PrivateKey, Provider},
    types::{
        Annotation, BackendChanges, CertificateChanges, ChangeKind, ChangeSet, ListenerChanges, LoadBalancer,
        ObjectRef, VirtualHostChanges,
    },
};
use prometheus_client::registry::Registry;
use serde_json::json;

use super::Plugin;
use crate::{
    Metrics, Sandbox, SandboxOptions,
    circuit::{
        Circuits,
        tests::{advance, clock},
    },
};

struct NoKeys;

impl KeySource for NoKeys {
    fn private_key(&self, _: &str) -> Option<PrivateKey> {
        None
    }
}

struct World {
    registry: Registry,
    plugin: Plugin,
    _temporary: tempfile::TempDir,
}

impl World {
    /// The hostile guest, which behaves as each change says, on a clock that is told the time.
    async fn new() -> Self {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let temporary = tempfile::tempdir().unwrap();
        let configuration = serde_json::from_value(json!({
            "settings": { "behaviour": "annotated" },
            "grants": {
                "files": { "path": temporary.path() },
                "services": { "web": { "program": "sh" } },
                "keys": { "store": true, "reveal": true },
            },
            "limits": { "circuit": { "breaches": 3, "open-seconds": 30 } },
        }))
        .unwrap();
        let sandbox = Sandbox::new(SandboxOptions::default()).unwrap();
        let path = lb_guests::component("hostile");
        let mut plugin = sandbox.load(&path, configuration, Arc::new(NoKeys), metrics).await.unwrap();
        let inner = Arc::get_mut(&mut plugin.0).unwrap();
        let caller = &inner.caller;
        inner.circuits = Circuits::with_clock(&caller.provider, caller.limits.circuit, &caller.metrics, clock);
        Self { registry, plugin, _temporary: temporary }
    }

    async fn apply(&self, load_balancer: &str, behaviour: &str) -> Result<(), CallError> {
        let source = ObjectRef {
            kind: "Ingress".to_owned(),
            namespace: "default".to_owned(),
            name: "web".to_owned(),
            uid: "1".to_owned(),
        };
        let annotations = vec![Annotation { key: "behaviour".to_owned(), value: behaviour.to_owned(), source }];
        let change = ChangeSet {
            kind: ChangeKind::Complete,
            load_balancer: LoadBalancer { id: load_balancer.to_owned(), owner: None, scale: None, annotations },
            listeners: ListenerChanges { upsert: Vec::new(), remove: Vec::new() },
            virtual_hosts: VirtualHostChanges { upsert: Vec::new(), remove: Vec::new() },
            backends: BackendChanges { upsert: Vec::new(), remove: Vec::new() },
            certificates: CertificateChanges { upsert: Vec::new(), remove: Vec::new() },
        };
        self.plugin.apply(change).await.map(drop)
    }

    #[track_caller]
    fn has_counted(&self, lines: &[&str]) {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        for line in lines {
            assert!(text.lines().any(|it| it == *line), "{line} is not in\n{text}");
        }
    }
}

fn waits(result: Result<(), CallError>) -> u64 {
    match result {
        Err(CallError::Open { kind: Breach::Trap, retry_after, message }) => {
            assert!(message.contains("unreachable"), "{message}");
            retry_after.as_secs()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_provider_that_keeps_trapping_is_left_alone_until_it_behaves() {
    let world = World::new().await;
    for _ in 0..3 {
        assert!(matches!(world.apply("bad", "trap").await, Err(CallError::Breach { kind: Breach::Trap, .. })));
    }
    // The guest would behave, and is not asked.
    assert_eq!(waits(world.apply("bad", "").await), 30);
    let bad = world.plugin.remove("bad").await.map(drop);
    assert_eq!(waits(bad), 30);
    // Others are served, and it is observed.
    world.apply("good", "").await.unwrap();
    world.plugin.observe().await.unwrap();
    world.has_counted(&[
        "lb_provider_circuit_open{provider=\"hostile\"} 1",
        "lb_provider_circuit_openings_total{provider=\"hostile\"} 1",
        "lb_provider_breaches_total{provider=\"hostile\",kind=\"trap\"} 3",
        "lb_provider_calls_total{provider=\"hostile\",function=\"apply\",outcome=\"breach\"} 3",
        "lb_provider_calls_total{provider=\"hostile\",function=\"apply\",outcome=\"ok\"} 1",
        "lb_provider_calls_total{provider=\"hostile\",function=\"apply\",outcome=\"circuit_open\"} 1",
        "lb_provider_calls_total{provider=\"hostile\",function=\"remove\",outcome=\"circuit_open\"} 1",
    ]);

    advance(30);
    assert!(matches!(world.apply("bad", "trap").await, Err(CallError::Breach { .. })), "one is tried");
    assert_eq!(waits(world.apply("bad", "").await), 60, "and it waits longer");
    advance(60);
    world.apply("bad", "").await.unwrap();
    world.apply("bad", "").await.unwrap();
    world.has_counted(&[
        "lb_provider_circuit_open{provider=\"hostile\"} 0",
        "lb_provider_circuit_openings_total{provider=\"hostile\"} 1",
    ]);
}

#[tokio::test]
async fn statistics_tell_what_it_did() {
    let world = World::new().await;
    world.apply("a", "").await.unwrap();
    world.apply("a", "denied").await.unwrap_err();
    for _ in 0..3 {
        world.apply("a", "trap").await.unwrap_err();
    }
    waits(world.apply("a", "").await);
    let told = world.plugin.statistics();
    assert_eq!((told.calls, told.failures, told.breaches, told.refused), (5, 1, 3, 1));
    assert_eq!((told.open_circuits, told.circuit_openings), (1, 1));
    assert!(told.loaded.elapsed().is_ok());
    let json = serde_json::to_value(&told).unwrap();
    assert_eq!((&json["calls"], &json["open-circuits"]), (&json!(5), &json!(1)));
    assert!(json["loaded"].as_u64().unwrap() > 1_577_836_800);
}
