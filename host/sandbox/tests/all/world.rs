use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use lb_model::{
    provider::{Breach, CallError, KeySource, PrivateKey, Provider},
    types::{
        BackendChanges, CertificateChanges, ChangeKind, ChangeSet, ListenerChanges, LoadBalancer, Readiness,
        VirtualHostChanges,
    },
};
use lb_sandbox::{Error, Metrics, Plugin, ProviderConfiguration, Sandbox, SandboxOptions};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const KEY: &str = "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n";

/// A sandbox, a directory to grant, and what was counted.
pub(crate) struct World {
    pub(crate) temporary: TempDir,
    pub(crate) sandbox: Sandbox,
    registry: Registry,
    metrics: Arc<Metrics>,
}

struct Keys;

impl KeySource for Keys {
    fn private_key(&self, certificate: &str) -> Option<PrivateKey> {
        (certificate == "known").then(|| PrivateKey::new(KEY.to_owned()))
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let cache_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
        let sandbox = Sandbox::new(SandboxOptions { cache_dir, ..SandboxOptions::default() }).unwrap();
        Self { temporary: tempfile::tempdir().unwrap(), sandbox, registry, metrics }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    pub(crate) async fn load(&self, path: &Path, configuration: Value) -> Result<Plugin, Error> {
        let configuration: ProviderConfiguration = serde_json::from_value(configuration).unwrap();
        self.sandbox.load(path, configuration, Arc::new(Keys), self.metrics.clone()).await
    }

    /// Everything that the hostile guest imports, with some settings and limits.
    pub(crate) fn hostile_configuration(&self, settings: Value, limits: Value) -> Value {
        json!({
            "settings": settings,
            "grants": {
                "files": { "path": self.temporary.path() },
                "services": { "web": {
                    "program": "sh",
                    "args": ["-c", "echo $$ > pid; trap 'echo reloaded' HUP; echo ready; while :; do sleep 0.02; done"],
                    "check": ["-c", "cat \"$0\"", "{path}/conf"],
                    "ready": "ready",
                    "reload": { "done": "reloaded" },
                } },
                "keys": { "store": true, "reveal": true },
            },
            "limits": limits,
        })
    }

    pub(crate) async fn hostile(&self, settings: Value, limits: Value) -> Plugin {
        let configuration = self.hostile_configuration(settings, limits);
        self.load(&lb_guests::component("hostile"), configuration).await.unwrap()
    }

    /// Has the hostile guest call the host line by line; the answers.
    pub(crate) async fn script(&self, lines: &[&str]) -> Vec<String> {
        let plugin = self.hostile(json!({ "behaviour": "script", "script": lines }), json!({})).await;
        let outcome = plugin.apply(change("lb")).await.unwrap();
        let Readiness::Pending(answers) = outcome.readiness else { panic!("{outcome:?}") };
        answers.lines().map(str::to_owned).collect()
    }

    /// What was counted, in the text form.
    pub(crate) fn counted(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }
}

/// A change of nothing.
pub(crate) fn change(load_balancer: &str) -> ChangeSet {
    ChangeSet {
        kind: ChangeKind::Complete,
        load_balancer: LoadBalancer { id: load_balancer.to_owned(), owner: None, scale: None, annotations: Vec::new() },
        listeners: ListenerChanges { upsert: Vec::new(), remove: Vec::new() },
        virtual_hosts: VirtualHostChanges { upsert: Vec::new(), remove: Vec::new() },
        backends: BackendChanges { upsert: Vec::new(), remove: Vec::new() },
        certificates: CertificateChanges { upsert: Vec::new(), remove: Vec::new() },
    }
}

pub(crate) fn breach(error: CallError) -> (Breach, String) {
    match error {
        CallError::Breach { kind, message } => (kind, message),
        other => panic!("no breach: {other}"),
    }
}

pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.unwrap_or_else(|_| panic!("{what}: not in 60 s"));
}
