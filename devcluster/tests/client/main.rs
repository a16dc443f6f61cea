//! kube-rs against the dev cluster: the client that the controller is.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod events;
mod http;
mod lists;
mod outages;
mod watches;
mod writes;

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::networking::v1::Ingress;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use lb_devcluster::{DevCluster, Options};
use serde_json::json;

/// Generous: what is waited for happens at once on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Waits for something that will happen.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

pub(crate) async fn client_of(cluster: &DevCluster) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(&cluster.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

pub(crate) async fn start() -> (DevCluster, Client) {
    start_with(Options::default()).await
}

pub(crate) async fn start_with(options: Options) -> (DevCluster, Client) {
    let cluster = DevCluster::start(options).await.unwrap();
    let client = client_of(&cluster).await;
    (cluster, client)
}

pub(crate) fn ingress(name: &str) -> Ingress {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"ingressClassName": "lb", "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}
    }))
    .unwrap()
}

pub(crate) fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}})).unwrap()
}

pub(crate) fn ingresses(client: &Client) -> Api<Ingress> {
    Api::default_namespaced(client.clone())
}

pub(crate) fn config_maps(client: &Client) -> Api<ConfigMap> {
    Api::default_namespaced(client.clone())
}

/// The code and reason of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> (u16, String) {
    match result {
        Err(kube::Error::Api(status)) => (status.code, status.reason),
        other => panic!("not refused: {other:?}"),
    }
}
