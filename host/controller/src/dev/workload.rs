//! Plays the workload of the embedded API: echo backends for Services that nobody else has endpoints for.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use futures::StreamExt;
use k8s_openapi::api::{
    core::v1::{Service, ServicePort},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
    runtime::{WatchStreamExt, reflector, watcher},
};
use lb_model::cluster::NamespacedName;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::echo::{self, Identity};

/// On a Service: how many echo backends stand in for it; 1 without it.
const REPLICAS: &str = "dev.lb-controller.io/replicas";
/// More than anybody wants on a laptop.
const MOST_REPLICAS: usize = 50;
/// Marks the slices that are ours.
const MANAGED_BY: (&str, &str) = ("endpointslice.kubernetes.io/managed-by", "lb-controller-dev");
/// How long a backend still answers after its endpoint is gone.
const DRAIN: Duration = Duration::from_secs(3);

/// One echo backend.
struct Replica {
    ports: Vec<ServicePort>,
    stop: CancellationToken,
}

/// Runs until shutdown.
pub(crate) async fn run(client: kube::Client, shutdown: CancellationToken) -> anyhow::Result<()> {
    let (services, writer) = reflector::store::<Service>();
    let service_events = watcher(Api::<Service>::all(client.clone()), watcher::Config::default());
    let service_events = service_events.default_backoff().reflect(writer).map(|event| event.map(|_| ()));
    let (slices, writer) = reflector::store::<EndpointSlice>();
    let slice_events = watcher(Api::<EndpointSlice>::all(client.clone()), watcher::Config::default());
    let slice_events = slice_events.default_backoff().reflect(writer).map(|event| event.map(|_| ()));
    let mut events = pin!(futures::stream::select(service_events, slice_events));

    let mut workload = Workload { client, replicas: BTreeMap::new() };
    // Who has endpoints of others is known only once all are listed.
    let mut listed = pin!(async { services.wait_until_ready().await.and(slices.wait_until_ready().await) });
    let mut complete = false;
    loop {
        let event = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            ready = &mut listed, if !complete => {
                ready?;
                complete = true;
                Some(Ok(()))
            }
            event = events.next() => event,
        };
        match event {
            Some(Ok(())) if complete => workload.sync(&services.state(), &slices.state()).await,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(%error, "the echo backends lost sight of the API"),
            None => return Ok(()),
        }
    }
}

struct Workload {
    client: kube::Client,
    replicas: BTreeMap<NamespacedName, Vec<Replica>>,
}

impl Workload {
    /// Starts and stops backends until they are what the Services want.
    async fn sync(&mut self, services: &[std::sync::Arc<Service>], slices: &[std::sync::Arc<EndpointSlice>]) {
        let mut wanted = BTreeMap::new();
        for service in services {
            let key = NamespacedName::new(service.namespace().unwrap_or_default(), service.name_any());
            let ports = service.spec.as_ref().and_then(|spec| spec.ports.clone()).unwrap_or_default();
            if !ports.is_empty() && !served_by_others(&key, slices) {
                wanted.insert(key, (replicas(service), ports));
            }
        }
        let gone: Vec<_> = self.replicas.keys().filter(|key| !wanted.contains_key(*key)).cloned().collect();
        for key in gone {
            self.scale(&key, 0, &[]).await;
            self.replicas.remove(&key);
        }
        for (key, (count, ports)) in wanted {
            if self.replicas.get(&key).is_some_and(|replicas| replicas.iter().any(|replica| replica.ports != ports)) {
                self.scale(&key, 0, &[]).await;
            }
            self.scale(&key, count, &ports).await;
        }
    }

    async fn scale(&mut self, service: &NamespacedName, count: usize, ports: &[ServicePort]) {
        let replicas = self.replicas.entry(service.clone()).or_default();
        while replicas.len() > count {
            let Some(replica) = replicas.pop() else { break };
            let api: Api<EndpointSlice> = Api::namespaced(self.client.clone(), &service.namespace);
            let name = slice_name(service, replicas.len());
            if let Err(error) = api.delete(&name, &DeleteParams::default()).await {
                tracing::warn!(%error, %service, "an echo backend's endpoint could not be deleted");
            }
            tokio::spawn(async move {
                tokio::time::sleep(DRAIN).await;
                replica.stop.cancel();
            });
        }
        while replicas.len() < count {
            match start(&self.client, service, replicas.len(), ports).await {
                Ok(replica) => replicas.push(replica),
                Err(error) => {
                    tracing::warn!(%error, %service, "an echo backend could not be started");
                    return;
                }
            }
        }
    }
}

/// Starts a backend and tells the API of it.
async fn start(
    client: &kube::Client,
    service: &NamespacedName,
    index: usize,
    ports: &[ServicePort],
) -> anyhow::Result<Replica> {
    let stop = CancellationToken::new();
    let guard = stop.clone().drop_guard();
    let mut slice_ports = Vec::new();
    for port in ports {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let number = if protocol == "UDP" {
            echo::udp(stop.clone()).await?
        } else {
            let identity = Identity {
                namespace: service.namespace.clone(),
                service: service.name.clone(),
                pod: format!("{}-{index}", service.name),
            };
            echo::http(identity, stop.clone()).await?
        };
        slice_ports.push(json!({"name": port.name.clone().unwrap_or_default(), "port": number, "protocol": protocol}));
    }
    let name = slice_name(service, index);
    let (label, value) = MANAGED_BY;
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service.name, label: value}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": true, "serving": true, "terminating": false}}],
        "ports": slice_ports,
    });
    let api: Api<EndpointSlice> = Api::namespaced(client.clone(), &service.namespace);
    api.patch(&name, &PatchParams::apply("lb-controller-dev").force(), &Patch::Apply(&slice)).await?;
    Ok(Replica { ports: ports.to_vec(), stop: guard.disarm() })
}

fn slice_name(service: &NamespacedName, index: usize) -> String {
    format!("{}-echo-{index}", service.name)
}

/// Whether somebody else has endpoints for the Service.
fn served_by_others(service: &NamespacedName, slices: &[std::sync::Arc<EndpointSlice>]) -> bool {
    slices.iter().any(|slice| {
        slice.namespace().as_deref() == Some(&service.namespace)
            && slice.labels().get("kubernetes.io/service-name") == Some(&service.name)
            && slice.labels().get(MANAGED_BY.0).is_none_or(|manager| manager != MANAGED_BY.1)
    })
}

fn replicas(service: &Service) -> usize {
    let Some(text) = service.annotations().get(REPLICAS) else { return 1 };
    match text.parse() {
        Ok(count) if count <= MOST_REPLICAS => count,
        _ => {
            tracing::warn!(
                service = service.name_any(),
                value = text,
                "{REPLICAS} is not a number up to {MOST_REPLICAS}"
            );
            1
        }
    }
}
