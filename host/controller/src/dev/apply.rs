//! Keeps the embedded API like the manifest files.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use kube::{
    Api, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams},
    discovery::{self, Scope},
};
use notify::{RecursiveMode, Watcher};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::output::Output;
use crate::manifests::{self, Manifest};

/// How long an editor may take to write its files before they are read.
const SETTLE: Duration = Duration::from_millis(60);

/// Applies manifests, and knows which it has applied.
pub(crate) struct Applier {
    client: kube::Client,
    paths: Vec<PathBuf>,
    applied: BTreeMap<ObjectKey, Value>,
}

/// What identifies an object.
type ObjectKey = (String, String, String, String);

impl Applier {
    /// Applies everything there is. Missing files are an error; objects that cannot be applied are left out and told,
    /// a line each.
    pub(crate) async fn start(client: kube::Client, paths: Vec<PathBuf>) -> anyhow::Result<(Self, Vec<String>)> {
        manifests::files(&paths)?;
        let mut applier = Self { client, paths, applied: BTreeMap::new() };
        let problems = applier.sync().await;
        Ok((applier, problems))
    }

    /// Applies what is new or changed and deletes what is gone. What cannot be applied is returned, a line each.
    async fn sync(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut wanted = BTreeMap::new();
        let files = match manifests::files(&self.paths) {
            Ok(files) => files,
            Err(error) => return vec![format!("{error:#}")],
        };
        let mut broken = false;
        for file in files {
            match manifests::read(&file) {
                Ok(manifests) => wanted.extend(manifests.into_iter().map(|manifest| (key(&manifest), manifest))),
                Err(error) => {
                    broken = true;
                    problems.push(format!("{error:#}"));
                }
            }
        }
        if !wanted.values().any(|manifest| kind(manifest) == "IngressClass") {
            let class = default_class();
            wanted.insert(key(&class), class);
        }
        let mut order: Vec<_> = wanted.iter().collect();
        order.sort_by_key(|(_, manifest)| rank(kind(manifest)));
        for (key, manifest) in order {
            if self.applied.get(key) == Some(&manifest.object) {
                continue;
            }
            match self.apply(manifest).await {
                Ok(()) => {
                    self.applied.insert(key.clone(), manifest.object.clone());
                }
                Err(error) => {
                    problems.push(format!("{}: {}: {error:#}", manifest.file.display(), manifest.label()));
                }
            }
        }
        // A file that cannot be read just now takes nothing away.
        if !broken {
            let gone: Vec<_> = self.applied.keys().filter(|key| !wanted.contains_key(*key)).cloned().collect();
            for key in gone {
                if let Some(object) = self.applied.get(&key).cloned() {
                    match self.delete(&object).await {
                        Ok(()) => {
                            self.applied.remove(&key);
                        }
                        Err(error) => problems.push(format!("{}: {error:#}", manifests::label(&object))),
                    }
                }
            }
        }
        problems
    }

    async fn apply(&self, manifest: &Manifest) -> anyhow::Result<()> {
        let object: DynamicObject = serde_json::from_value(manifest.object.clone())?;
        let api = self.api(&object).await?;
        let parameters = PatchParams::apply("lb-controller-dev").force();
        api.patch(&object.name_any(), &parameters, &Patch::Apply(&object)).await?;
        Ok(())
    }

    async fn delete(&self, object: &Value) -> anyhow::Result<()> {
        let object: DynamicObject = serde_json::from_value(object.clone())?;
        match self.api(&object).await?.delete(&object.name_any(), &DeleteParams::default()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn api(&self, object: &DynamicObject) -> anyhow::Result<Api<DynamicObject>> {
        let types = object.types.clone().unwrap_or_default();
        let kind = GroupVersionKind::try_from(&types)?;
        let (resource, capabilities): (ApiResource, _) = discovery::pinned_kind(&self.client, &kind).await?;
        Ok(match capabilities.scope {
            Scope::Cluster => Api::all_with(self.client.clone(), &resource),
            Scope::Namespaced => {
                let namespace = object.namespace().unwrap_or_else(|| "default".to_owned());
                Api::namespaced_with(self.client.clone(), &namespace, &resource)
            }
        })
    }

    /// Follows the files until shutdown.
    pub(crate) async fn watch(mut self, output: Output, shutdown: CancellationToken) -> anyhow::Result<()> {
        let (sender, mut changes) = mpsc::channel(1);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !event.kind.is_access()) {
                // A full channel already promises a look at the files.
                let _full = sender.try_send(());
            }
        })?;
        for path in &self.paths {
            // A single file is watched through its directory: editors replace files.
            let directory = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(Path::new(".")) };
            let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
        }
        // What changed between the first look and now.
        for problem in self.sync().await {
            output.problem(&problem);
        }
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                _ = changes.recv() => {}
            }
            tokio::time::sleep(SETTLE).await;
            for problem in self.sync().await {
                output.problem(&problem);
            }
        }
    }
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn kind(manifest: &Manifest) -> &str {
    text(&manifest.object, "/kind")
}

fn key(manifest: &Manifest) -> ObjectKey {
    let field = |pointer| text(&manifest.object, pointer).to_owned();
    let group = field("/apiVersion").split_once('/').map_or_else(String::new, |(group, _)| group.to_owned());
    (group, field("/kind"), field("/metadata/namespace"), field("/metadata/name"))
}

/// Objects that others refer to come first.
fn rank(kind: &str) -> u8 {
    match kind {
        "Namespace" => 0,
        // Endpoints of one's own come before the Service, which would get echo backends without them.
        "IngressClass" | "Secret" | "ConfigMap" | "EndpointSlice" => 1,
        "Service" => 2,
        "Ingress" => 4,
        _ => 3,
    }
}

/// The class that `dev` makes where the manifests have none.
fn default_class() -> Manifest {
    Manifest {
        file: PathBuf::from("(built in)"),
        object: json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": "lb", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
            "spec": {"controller": "lb-controller.io/ingress"},
        }),
    }
}
