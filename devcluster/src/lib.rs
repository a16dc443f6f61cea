//! An in-memory Kubernetes API, for `lb-controller dev` and for tests.
//!
//! [`DevCluster`] serves plain HTTP on a loopback address. kube-rs and stock `kubectl` (1.29 and newer) cannot tell it
//! from a real API server on the paths that an ingress controller and its users take.
//!
//! # Like a real server
//!
//! - Discovery in both forms, `/version`, `/healthz`, OpenAPI v3 (structure without descriptions).
//! - Namespaces, Services, Endpoints, Secrets, ConfigMaps, Events, Pods, Nodes, ServiceAccounts, Ingresses,
//!   IngressClasses, EndpointSlices, Leases, Deployments. Events are one set of objects under `v1` and `events.k8s.io/v1`.
//! - Create, get, list, watch, replace, patch, apply, delete, delete collection, and the status subresource, with the
//!   status codes, reasons and sentences of a real server; dry runs; field validation by the server.
//! - Resource versions from one counter, optimistic concurrency, generation, finalizers, owner references with all three
//!   propagation policies, emptying of deleted namespaces. Writing what is there already writes nothing.
//! - Lists in consistent pages, label and field selectors; watches that resume, send bookmarks, stream their initial list
//!   and answer 410 when history is forgotten.
//! - JSON, merge, strategic merge patches, and server-side apply with field owners, conflicts and removal.
//! - Tables with the columns of a real server.
//! - Unknown fields and wrong types; names, labels, Ingresses, Services and TLS Secrets are validated, never more
//!   strictly than by a real server. A default IngressClass is admitted to an Ingress that names none.
//!
//! # Not like a real server
//!
//! - Nothing is kept on disk, nothing is authenticated, everything is allowed.
//! - There are no controllers but those that deletion needs: no pods are started, no endpoints are computed.
//! - No protobuf, no `/openapi/v2`, no custom resources, no admission webhooks, no `scale`, `log`, `exec` or proxy.
//! - Most kinds are validated for shape and metadata only, and EndpointSlices may hold loopback addresses.
//! - Cluster addresses and node ports are made up and not taken back.
//!
//! ```no_run
//! # async fn example() -> Result<(), lb_devcluster::Error> {
//! use lb_devcluster::{DevCluster, Options};
//!
//! let cluster = DevCluster::start(Options::default()).await?;
//! std::fs::write("kubeconfig", cluster.kubeconfig()).expect("the directory is writable");
//! // KUBECONFIG=kubeconfig kubectl create ingress web --rule='foo.bar.com/foo=web:80'
//! # Ok(())
//! # }
//! ```

mod cluster;
mod defaults;
mod discovery;
mod event;
mod kind;
mod object;
mod openapi;
mod ownership;
mod patch;
mod request_log;
mod rest;
mod schema;
mod selector;
mod server;
mod status;
mod store;
mod table;
mod validation;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

use cluster::{Change, Cluster, DeleteOptions, FieldValidation, Propagation, Write};
use kind::Kind;
use object::Key;
use patch::Patch;
use request_log::RequestLog;
pub use request_log::RequestRecord;
use rest::Api;
use server::Server;
pub use status::Status;

/// Name of the cluster, the user and the context in [`DevCluster::kubeconfig`].
const CONTEXT: &str = "lb-controller-dev";

/// How a [`DevCluster`] serves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Changes kept for each resource. A watch that resumes from before the oldest, and a watcher that falls behind it,
    /// gets 410 and has to list again.
    pub watch_history: usize,
    /// How often a watch that allows bookmarks gets one.
    pub bookmark_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            watch_history: 16_384,
            bookmark_interval: Duration::from_mins(1),
        }
    }
}

/// Why a call of [`DevCluster`] failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or is none of this machine.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A manifest, or a deletion, names a kind that is not served here.
    #[error("the development cluster has no kind {kind:?} in {api_version:?}; it has {}", served_kinds())]
    UnknownKind {
        /// As the manifest has it.
        api_version: String,
        /// As the manifest has it.
        kind: String,
    },
    /// A manifest is no Kubernetes object.
    #[error("the manifest has no {field}; every Kubernetes object needs apiVersion, kind and metadata.name")]
    Incomplete {
        /// The field that is missing.
        field: &'static str,
    },
    /// What a client would have been told over HTTP.
    #[error(transparent)]
    Refused(#[from] Status),
}

fn served_kinds() -> String {
    let kinds: Vec<String> = kind::KINDS.iter().map(|kind| format!("{}/{}", kind.api_version(), kind.kind)).collect();
    kinds.join(", ")
}

/// A Kubernetes API in memory, served until it is dropped.
#[derive(Debug)]
pub struct DevCluster {
    api: Arc<Api>,
    address: SocketAddr,
    /// `None` while it is stopped.
    server: Mutex<Option<Server>>,
}

impl DevCluster {
    /// Starts an empty cluster: four system namespaces, and the Service `kubernetes` with its EndpointSlice.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`]
    pub async fn start(options: Options) -> Result<Self, Error> {
        let (listener, address) = listen(options.address).await?;
        let (cluster, collector) = Cluster::new(options.watch_history);
        tokio::spawn(collector.run());
        let api = Arc::new(Api {
            cluster,
            log: RequestLog::default(),
            bookmark_interval: options.bookmark_interval.max(Duration::from_millis(1)),
            address: address.to_string(),
        });
        let server = Mutex::new(Some(Server::start(listener, api.clone())));
        let cluster = Self { api, address, server };
        for manifest in kubernetes_service(address) {
            cluster.apply_manifest("kube-apiserver", manifest).await?;
        }
        Ok(cluster)
    }

    /// Where it listens, or listened before it was stopped.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the API server.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A kubeconfig file (YAML) whose current context is `lb-controller-dev`, with namespace `default`.
    pub fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {CONTEXT}\nclusters:\n- name: {CONTEXT}\n  cluster:\n    \
             server: {}\ncontexts:\n- name: {CONTEXT}\n  context:\n    cluster: {CONTEXT}\n    user: {CONTEXT}\n    \
             namespace: default\nusers:\n- name: {CONTEXT}\n  user: {{}}\npreferences: {{}}\n",
            self.url()
        )
    }

    /// Creates or changes an object as `kubectl apply --server-side --force-conflicts` would, and returns it. A namespaced
    /// object without a namespace goes into `default`. Works while the server is stopped, too.
    ///
    /// # Errors
    ///
    /// [`Error::Incomplete`] and [`Error::UnknownKind`] for a document that cannot be applied, [`Error::Refused`] for one
    /// that the API refuses.
    #[expect(clippy::unused_async, reason = "callers must not come to rely on it finishing at once")]
    pub async fn apply_manifest(&self, field_manager: &str, document: Value) -> Result<Value, Error> {
        let text = |pointer: &str, field: &'static str| match document.pointer(pointer).and_then(Value::as_str) {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(Error::Incomplete { field }),
        };
        let kind = find_kind(&text("/apiVersion", "apiVersion")?, &text("/kind", "kind")?)?;
        let name = text("/metadata/name", "metadata.name")?;
        let key = key_of(kind, Some(object::metadata(&document, "namespace")), &name);
        let write = Write {
            kind,
            status: false,
            manager: field_manager.to_owned(),
            dry_run: false,
            validation: FieldValidation::Strict,
        };
        let change = Change::Patch(Patch::Apply { configuration: document, force: true });
        let written = self.api.cluster.modify(&write, &key, &change)?;
        let value = written.object.value.clone();
        Ok(object::typed(kind, &if kind.is_event_view() { event::to_view(value) } else { value }))
    }

    /// Deletes an object as `kubectl delete` would, without waiting for finalizers.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownKind`], or [`Error::Refused`], with code 404 when there is no such object.
    #[expect(clippy::unused_async, reason = "callers must not come to rely on it finishing at once")]
    pub async fn delete(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<(), Error> {
        let kind = find_kind(api_version, kind)?;
        let options = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
        self.api.cluster.delete(kind, &key_of(kind, namespace, name), &options)?;
        Ok(())
    }

    /// Closes the listener and every connection, as a server that goes away. Objects and history stay.
    pub async fn stop(&self) {
        let server = self.server().take();
        if let Some(server) = server {
            server.stop().await;
        }
    }

    /// Serves again, on the same address. Does nothing when it is serving.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`], when something else took the address in the meantime.
    pub async fn resume(&self) -> Result<(), Error> {
        if self.server().is_none() {
            let (listener, _) = listen(self.address).await?;
            *self.server() = Some(Server::start(listener, self.api.clone()));
        }
        Ok(())
    }

    /// Forgets all history: every watch, open or resumed, gets 410, and so does every list that continues.
    pub fn compact(&self) {
        self.api.cluster.store.compact();
    }

    /// Breaks every open connection; new ones are served.
    pub fn drop_connections(&self) {
        if let Some(server) = self.server().as_ref() {
            server.drop_connections();
        }
    }

    fn server(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().expect("no code panics while it holds the server")
    }

    /// The latest requests (at most 16,384), oldest first.
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.api.log.snapshot()
    }
}

async fn listen(address: SocketAddr) -> Result<(tokio::net::TcpListener, SocketAddr), Error> {
    Server::bind(address).await.map_err(|source| Error::Listen { address, source })
}

fn find_kind(api_version: &str, kind: &str) -> Result<&'static Kind, Error> {
    kind::find_by_name(api_version, kind)
        .ok_or_else(|| Error::UnknownKind { api_version: api_version.to_owned(), kind: kind.to_owned() })
}

fn key_of(kind: &Kind, namespace: Option<&str>, name: &str) -> Key {
    match namespace.filter(|namespace| !namespace.is_empty()) {
        _ if !kind.namespaced => Key::new("", name),
        namespace => Key::new(namespace.unwrap_or("default"), name),
    }
}

/// What every cluster has in its default namespace: the way to the API server.
fn kubernetes_service(address: SocketAddr) -> [Value; 2] {
    let family = if address.is_ipv6() { "IPv6" } else { "IPv4" };
    let labels = json!({"component": "apiserver", "provider": "kubernetes"});
    [
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "kubernetes", "labels": labels},
            "spec": {"clusterIP": defaults::API_ADDRESS,
                "ports": [{"name": "http", "port": 80, "targetPort": address.port()}]}
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family,
            "metadata": {"name": "kubernetes", "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "endpoints": [{"addresses": [address.ip().to_string()], "conditions": {"ready": true}}],
            "ports": [{"name": "http", "port": address.port(), "protocol": "TCP"}]
        }),
    ]
}
