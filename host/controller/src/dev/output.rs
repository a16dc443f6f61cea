//! What `dev` tells: a table for people, lines of JSON for programs.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::StreamExt;
use k8s_openapi::api::{core::v1::Event, networking::v1::Ingress};
use kube::{
    Api, ResourceExt,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::screen::{Row, Screen};

/// The form of what is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

/// What is known at start.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) provider: String,
    pub(crate) api: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) admin: Option<SocketAddr>,
    pub(crate) log: PathBuf,
}

/// Writes to standard output. Clones write to the same place.
#[derive(Clone)]
pub(crate) struct Output(Arc<Mutex<State>>);

struct State {
    format: Format,
    screen: Screen,
    rows: BTreeMap<(String, String), Row>,
    seen_events: BTreeMap<String, i32>,
}

impl Output {
    /// Says that everything is up.
    pub(crate) fn new(format: Format, start: &Start) -> Self {
        let mut screen = Screen::new();
        match format {
            Format::Json => screen.line(
                &json!({
                    "event": "ready",
                    "version": env!("CARGO_PKG_VERSION"),
                    "provider": start.provider,
                    "api": start.api,
                    "kubeconfig": start.kubeconfig,
                    "http": start.http,
                    "https": start.https,
                    "admin": start.admin,
                    "log": start.log,
                })
                .to_string(),
            ),
            Format::Table => screen.header(start),
        }
        Self(Arc::new(Mutex::new(State { format, screen, rows: BTreeMap::new(), seen_events: BTreeMap::new() })))
    }

    /// Tells that a manifest could not be applied.
    pub(crate) fn problem(&self, problem: &str) {
        tracing::warn!(problem, "a manifest was not applied");
        let mut state = self.state();
        match state.format {
            Format::Json => state.screen.line(&json!({"event": "problem", "message": problem}).to_string()),
            Format::Table => state.screen.note("Problem", problem),
        }
    }

    /// Follows Ingresses and Events until shutdown.
    pub(crate) async fn run(self, client: kube::Client, shutdown: CancellationToken) -> anyhow::Result<()> {
        let ingresses = watcher(Api::<Ingress>::all(client.clone()), watcher::Config::default()).default_backoff();
        let events = watcher(Api::<Event>::all(client), watcher::Config::default()).default_backoff();
        let (mut ingresses, mut events) = (pin!(ingresses), pin!(events));
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                Some(event) = ingresses.next() => match event {
                    Ok(event) => self.ingress(event),
                    Err(error) => tracing::warn!(%error, "the table lost sight of the Ingresses"),
                },
                Some(event) = events.next() => match event {
                    Ok(watcher::Event::Apply(event) | watcher::Event::InitApply(event)) => self.event(&event),
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "the table lost sight of the Events"),
                },
            }
        }
    }

    fn ingress(&self, event: watcher::Event<Ingress>) {
        let mut state = self.state();
        let before = state.rows.clone();
        match event {
            watcher::Event::Init => state.rows.clear(),
            watcher::Event::InitDone => {}
            watcher::Event::Apply(ingress) | watcher::Event::InitApply(ingress) => {
                let row = row(&ingress);
                let key = (row.namespace.clone(), row.name.clone());
                if state.format == Format::Json && state.rows.get(&key) != Some(&row) {
                    state.screen.line(&json!({"event": "ingress", "ingress": row}).to_string());
                }
                state.rows.insert(key, row);
            }
            watcher::Event::Delete(ingress) => {
                let key = (ingress.namespace().unwrap_or_default(), ingress.name_any());
                if state.format == Format::Json {
                    let deleted = json!({"event": "ingress-deleted", "namespace": key.0, "name": key.1});
                    state.screen.line(&deleted.to_string());
                }
                state.rows.remove(&key);
            }
        }
        if state.format == Format::Table && state.rows != before {
            let rows: Vec<_> = state.rows.values().cloned().collect();
            state.screen.table(&rows);
        }
    }

    fn event(&self, event: &Event) {
        let mut state = self.state();
        let count = event.count.or_else(|| event.series.as_ref().and_then(|series| series.count)).unwrap_or(1);
        if state.seen_events.insert(event.uid().unwrap_or_default(), count) == Some(count) {
            return;
        }
        let object = &event.involved_object;
        let name = object.name.as_deref().unwrap_or_default();
        let name = object.namespace.as_ref().map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
        let object = format!("{} {name}", object.kind.as_deref().unwrap_or_default());
        let (reason, message) =
            (event.reason.as_deref().unwrap_or_default(), event.message.as_deref().unwrap_or_default());
        match state.format {
            Format::Json => {
                let line: Value = json!({
                    "event": "kubernetes-event",
                    "type": event.type_,
                    "reason": reason,
                    "object": object,
                    "message": message,
                });
                state.screen.line(&line.to_string());
            }
            Format::Table => state.screen.note(reason, &format!("{object}: {message}")),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The columns that `kubectl get ingress -A` shows.
fn row(ingress: &Ingress) -> Row {
    let spec = ingress.spec.as_ref();
    let legacy = || ingress.annotations().get("kubernetes.io/ingress.class").cloned();
    let mut hosts: Vec<_> = spec
        .and_then(|spec| spec.rules.as_ref())
        .into_iter()
        .flatten()
        .map(|rule| rule.host.clone().filter(|host| !host.is_empty()).unwrap_or_else(|| "*".to_owned()))
        .collect();
    hosts.dedup();
    if hosts.is_empty() {
        hosts.push("*".to_owned());
    }
    let addresses = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let addresses = addresses.and_then(|balancer| balancer.ingress.as_ref()).into_iter().flatten();
    let addresses: Vec<_> =
        addresses.filter_map(|address| address.ip.clone().or_else(|| address.hostname.clone())).collect();
    let tls = spec.is_some_and(|spec| spec.tls.as_ref().is_some_and(|tls| !tls.is_empty()));
    Row {
        namespace: ingress.namespace().unwrap_or_default(),
        name: ingress.name_any(),
        class: spec
            .and_then(|spec| spec.ingress_class_name.clone())
            .or_else(legacy)
            .unwrap_or_else(|| "<none>".to_owned()),
        hosts: hosts.join(","),
        address: addresses.join(","),
        ports: if tls { "80, 443" } else { "80" }.to_owned(),
    }
}
