//! What Rancher's Kubernetes agent does: each Service becomes a `kubernetesService`.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Service;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::Rancher;

/// How often it looks whether a service that is being removed is gone.
const LOOK: Duration = Duration::from_millis(5);
const STACK: &str = "kubernetes://";

/// How an [`Agent`] works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentOptions {
    /// Id of the project that gets the services.
    pub project: String,
    /// How much later than in Kubernetes something appears or goes in Rancher; real time.
    pub delay: Duration,
}

impl Default for AgentOptions {
    fn default() -> Self {
        Self { project: "1a5".to_owned(), delay: Duration::ZERO }
    }
}

/// Keeps the services of a project in step with those of Kubernetes, until it is dropped.
///
/// A `kubernetesService` has the name of the Service, its UID as `externalId`, and is in a stack of its namespace, with
/// `externalId` `kubernetes://<namespace>`. One of the same name with another UID is removed, and is gone, first.
/// Services that are in Rancher but not in Kubernetes are removed once the first list is complete.
#[derive(Debug)]
pub struct Agent {
    task: AbortHandle,
}

impl Agent {
    /// Follows this Kubernetes API for project `1a5`, without delay.
    pub fn start(client: Client, rancher: Rancher) -> Self {
        Self::start_with(client, rancher, AgentOptions::default())
    }

    /// Follows this Kubernetes API.
    pub fn start_with(client: Client, rancher: Rancher, options: AgentOptions) -> Self {
        let events = watcher(Api::all(client), watcher::Config::default()).default_backoff();
        Self { task: tokio::spawn(follow(events, rancher, options)).abort_handle() }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Received = (Instant, Event<Service>);

async fn follow(events: impl Stream<Item = watcher::Result<Event<Service>>>, rancher: Rancher, options: AgentOptions) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let delay = options.delay;
    let replica = Replica { rancher, project: options.project, wanted: BTreeMap::new(), complete: false };
    let receive = async {
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => {
                    if sender.send((Instant::now() + delay, event)).is_err() {
                        return;
                    }
                }
                Err(error) => tracing::warn!(%error, "the agent cannot watch Services; it tries again"),
            }
        }
    };
    tokio::join!(receive, replica.run(receiver));
}

/// Namespace and name.
type Name = (String, String);

/// What is to be in Rancher.
struct Replica {
    rancher: Rancher,
    project: String,
    /// UIDs of the Services.
    wanted: BTreeMap<Name, String>,
    /// Whether `wanted` is all that there is.
    complete: bool,
}

impl Replica {
    async fn run(mut self, mut events: mpsc::UnboundedReceiver<Received>) {
        let mut settled = true;
        loop {
            let look = async {
                if settled {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(LOOK).await;
            };
            tokio::select! {
                received = events.recv() => {
                    let Some((due, event)) = received else { return };
                    tokio::time::sleep_until(due).await;
                    self.take(event);
                }
                () = look => {}
            }
            settled = self.reconcile();
        }
    }

    fn take(&mut self, event: Event<Service>) {
        match event {
            Event::Apply(service) | Event::InitApply(service) => {
                self.wanted.insert(name(&service), service.uid().unwrap_or_default());
            }
            Event::Delete(service) => {
                self.wanted.remove(&name(&service));
            }
            Event::Init => {
                self.wanted.clear();
                self.complete = false;
            }
            Event::InitDone => self.complete = true,
        }
    }

    /// Makes Rancher's services those that are wanted; `false` while one has to go first.
    fn reconcile(&self) -> bool {
        if !self.complete {
            return true;
        }
        let present = self.present();
        for row in &present {
            let wanted = self.wanted.get(&row.name).is_some_and(|uid| *uid == row.uid);
            if !wanted && !row.leaving {
                self.rancher.remove(&row.id);
            }
        }
        let mut settled = true;
        for (name, uid) in &self.wanted {
            let mut same_name = present.iter().filter(|row| row.name == *name).peekable();
            if same_name.peek().is_none() {
                self.rancher.add_kubernetes_service(&self.project, uid, &name.0, &name.1);
            } else if !same_name.any(|row| row.uid == *uid && !row.leaving) {
                settled = false;
            }
        }
        settled
    }

    fn present(&self) -> Vec<Row> {
        let ours = |row: &Value| text(row, "accountId") == self.project && text(row, "state") != "removed";
        let namespaces: BTreeMap<String, String> = self
            .rancher
            .rows("stack")
            .iter()
            .filter(|row| ours(row))
            .filter_map(|row| {
                Some((text(row, "id").to_owned(), text(row, "externalId").strip_prefix(STACK)?.to_owned()))
            })
            .collect();
        let rows = self.rancher.rows("kubernetesService");
        let row = |row: &Value| {
            let namespace = namespaces.get(text(row, "stackId"))?.clone();
            Some(Row {
                id: text(row, "id").to_owned(),
                name: (namespace, text(row, "name").to_owned()),
                uid: text(row, "externalId").to_owned(),
                leaving: text(row, "state") == "removing",
            })
        };
        rows.iter().filter(|each| ours(each)).filter_map(row).collect()
    }
}

/// One `kubernetesService` in Rancher that is not gone.
struct Row {
    id: String,
    name: Name,
    uid: String,
    leaving: bool,
}

fn name(service: &Service) -> Name {
    (service.namespace().unwrap_or_default(), service.name_any())
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
