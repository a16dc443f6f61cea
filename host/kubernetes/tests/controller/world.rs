//! A cluster with a controller in it.

use std::{fmt::Debug, future::Future, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use k8s_openapi::api::{events::v1::Event, networking::v1::Ingress};
use kube::{Api, Client, Config, api::ListParams, config::Kubeconfig};
use lb_devcluster::DevCluster;
use lb_kubernetes::{Binding, Keys, LeaseOptions, Metrics, Options, Previews, Publish, Readiness};
use lb_model::{
    translate::{self, ClassSelection},
    types::Address,
};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::provider::FakeProvider;

/// How long a condition may take to come true. It takes milliseconds; a busy machine may be slow.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const ADDRESS: &str = "192.0.2.1";

pub(crate) struct World {
    pub(crate) cluster: DevCluster,
    pub(crate) client: Client,
}

/// A running controller.
pub(crate) struct Controller {
    pub(crate) previews: lb_kubernetes::Previews,
    pub(crate) ready: Readiness,
    pub(crate) keys: Arc<Keys>,
    registry: Registry,
    stop: CancellationToken,
    task: JoinHandle<Result<(), lb_kubernetes::Error>>,
}

impl World {
    /// A cluster with the class `lb`, which is ours.
    pub(crate) async fn new() -> Result<Self> {
        let cluster = DevCluster::start(lb_devcluster::Options::default()).await?;
        let client = client(&cluster).await?;
        let world = Self { cluster, client };
        world.class("lb", "lb-controller.io/ingress").await?;
        Ok(world)
    }

    pub(crate) async fn apply(&self, object: Value) -> Result<Value> {
        Ok(self.cluster.apply_manifest("test", object).await?)
    }

    pub(crate) async fn class(&self, name: &str, controller: &str) -> Result<()> {
        self.apply(json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
            "metadata": { "name": name }, "spec": { "controller": controller },
        }))
        .await?;
        Ok(())
    }

    /// A Service with endpoints.
    pub(crate) async fn service(&self, name: &str, addresses: &[&str]) -> Result<()> {
        self.apply(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": name, "namespace": "default" },
            "spec": { "selector": { "app": name }, "ports": [{ "name": "http", "port": 80 }] },
        }))
        .await?;
        self.endpoints(name, addresses).await
    }

    pub(crate) async fn endpoints(&self, service: &str, addresses: &[&str]) -> Result<()> {
        let endpoints: Vec<_> = addresses
            .iter()
            .map(|address| json!({ "addresses": [address], "conditions": { "ready": true, "serving": true } }))
            .collect();
        self.apply(json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": format!("{service}-1"), "namespace": "default",
                "labels": { "kubernetes.io/service-name": service },
            },
            "addressType": "IPv4", "endpoints": endpoints,
            "ports": [{ "name": "http", "port": 8080, "protocol": "TCP" }],
        }))
        .await?;
        Ok(())
    }

    /// An Ingress of class `lb` that routes a host to a Service's port 80.
    pub(crate) async fn ingress(&self, name: &str, host: &str, service: &str) -> Result<()> {
        self.ingress_of("lb", name, host, service).await
    }

    pub(crate) async fn ingress_of(&self, class: &str, name: &str, host: &str, service: &str) -> Result<()> {
        self.apply(json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": { "name": name, "namespace": "default" },
            "spec": {
                "ingressClassName": class,
                "rules": [{ "host": host, "http": { "paths": [{
                    "path": "/", "pathType": "Prefix",
                    "backend": { "service": { "name": service, "port": { "number": 80 } } },
                }] } }],
            },
        }))
        .await?;
        Ok(())
    }

    pub(crate) async fn delete_ingress(&self, name: &str) -> Result<()> {
        Ok(self.cluster.delete("networking.k8s.io/v1", "Ingress", Some("default"), name).await?)
    }

    /// The addresses in the status of an Ingress.
    pub(crate) async fn addresses(&self, name: &str) -> Result<Vec<String>> {
        let ingress = Api::<Ingress>::namespaced(self.client.clone(), "default").get(name).await?;
        let status = ingress.status.and_then(|status| status.load_balancer).and_then(|status| status.ingress);
        Ok(status.into_iter().flatten().filter_map(|entry| entry.ip.or(entry.hostname)).collect())
    }

    /// `reason: note` of the Events about an object, in the order of their names.
    pub(crate) async fn events(&self, name: &str) -> Result<Vec<String>> {
        let events = Api::<Event>::all(self.client.clone()).list(&ListParams::default()).await?;
        let about = events
            .items
            .into_iter()
            .filter(|event| event.regarding.as_ref().is_some_and(|regarding| regarding.name.as_deref() == Some(name)));
        let told =
            about.map(|event| format!("{}: {}", event.reason.unwrap_or_default(), event.note.unwrap_or_default()));
        Ok(told.collect())
    }

    /// How often a status was written.
    pub(crate) fn status_writes(&self, name: &str) -> usize {
        let path = format!("/ingresses/{name}/status");
        let requests = self.cluster.requests();
        requests.iter().filter(|request| request.verb == "patch" && request.path.contains(&path)).count()
    }

    /// How often a resource was listed.
    pub(crate) fn lists(&self, resource: &str) -> usize {
        let requests = self.cluster.requests();
        requests
            .iter()
            .filter(|request| request.verb == "list" && request.path.contains(&format!("/{resource}?")))
            .count()
    }

    pub(crate) fn start(&self, provider: &Arc<FakeProvider>) -> Controller {
        self.start_with(provider, options())
    }

    pub(crate) fn start_with(&self, provider: &Arc<FakeProvider>, options: Options) -> Controller {
        self.start_bound(provider, options, translate_options(), publish())
    }

    pub(crate) fn start_bound(
        &self,
        provider: &Arc<FakeProvider>,
        options: Options,
        translate: translate::Options,
        publish: Publish,
    ) -> Controller {
        let (previews, requests) = lb_kubernetes::previews();
        let binding =
            Binding { name: "fake".to_owned(), translate, publish, provider: provider.clone(), previews: requests };
        self.start_all(vec![binding], previews, options)
    }

    pub(crate) fn start_all(&self, bindings: Vec<Binding>, previews: Previews, options: Options) -> Controller {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let (ready, keys, stop) = (Readiness::new(), Keys::new(), CancellationToken::new());
        let run = lb_kubernetes::run(
            self.client.clone(),
            options,
            bindings,
            keys.clone(),
            metrics,
            ready.clone(),
            stop.clone(),
        );
        Controller { previews, ready, keys, registry, stop, task: tokio::spawn(run) }
    }
}

impl Controller {
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.task.await??)
    }

    /// The value of a metric, named with its labels.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("a String takes everything");
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }
}

async fn client(cluster: &DevCluster) -> Result<Client> {
    let kubeconfig = Kubeconfig::from_yaml(&cluster.kubeconfig())?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

pub(crate) fn options() -> Options {
    Options {
        controller_name: "lb-controller.io/ingress".to_owned(),
        watch_namespaces: Vec::new(),
        lease: None,
        resync: None,
        linger: Duration::ZERO,
    }
}

pub(crate) fn translate_options() -> translate::Options {
    translate::Options {
        controller_name: "lb-controller.io/ingress".to_owned(),
        classes: ClassSelection::AllOfController { name: "lb".to_owned() },
        watch_without_class: false,
        http_port: 80,
        https_port: 443,
        default_certificate: None,
        streams: Vec::new(),
    }
}

pub(crate) fn publish() -> Publish {
    Publish { addresses: vec![Address::Ip(ADDRESS.to_owned())], service: None }
}

pub(crate) fn leased(identity: &str) -> Options {
    let lease =
        LeaseOptions { duration: Duration::from_secs(3), ..LeaseOptions::new("default", "lb-controller", identity) };
    Options { lease: Some(lease), ..options() }
}

/// Waits until a condition is true.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    eventually_is(what, true, async || Ok(condition())).await;
}

/// Waits until something has this value.
pub(crate) async fn eventually_is<T, F>(what: &str, expected: T, look: impl Fn() -> F)
where
    T: PartialEq + Debug,
    F: Future<Output = Result<T>>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let found = look().await.context("looking");
        if matches!(&found, Ok(found) if *found == expected) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}: expected {expected:?}, found {found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
