//! Watches: from the API server to the stores, through every kind of trouble.
//!
//! # Guarantees
//!
//! - A watch never ends. Errors are counted, logged when they are new or over, and followed by a wait of 0.8 to 30 s.
//! - A watch that the server refuses to resume begins anew with a list. A list that stands still for a minute is
//!   abandoned and begun anew.
//! - Objects are trimmed, and Secrets parsed and wiped, before they leave the task that received them.

use std::{fmt::Debug, sync::Arc, time::Duration};

use futures::StreamExt;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        core::v1::{Secret, Service},
        discovery::v1::EndpointSlice,
        networking::v1::{Ingress, IngressClass},
    },
};
use kube::{
    Api, Client,
    runtime::watcher::{self, watcher},
};
use serde::de::DeserializeOwned;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tracing::{debug, info, warn};

use crate::{
    addresses,
    backoff::{exponential, jittered},
    error::one_line,
    metrics::Metrics,
    stores::{
        Event, Notice, Source,
        object::{Object, Resource, Watched},
    },
};

const SHORTEST_WAIT: Duration = Duration::from_millis(800);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A failure this long ago has nothing to do with the next.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(5);

/// How long a list may stand still.
const LIST_TIMEOUT: Duration = Duration::from_mins(1);

/// Starts all watches in `tasks`. They tell `notices` what they see. Returns what there is to wait for.
pub(crate) fn start(
    tasks: &mut JoinSet<()>,
    client: &Client,
    namespaces: &[String],
    notices: &mpsc::Sender<Notice>,
    metrics: &Arc<Metrics>,
) -> Vec<Source> {
    let mut start = Start { tasks, client, notices, metrics, sources: Vec::new() };
    start.watch(Api::<IngressClass>::all(client.clone()), None);
    start.namespaced::<Ingress>(namespaces);
    start.namespaced::<Service>(namespaces);
    start.namespaced::<EndpointSlice>(namespaces);
    start.namespaced::<Secret>(namespaces);
    start.sources
}

struct Start<'a> {
    tasks: &'a mut JoinSet<()>,
    client: &'a Client,
    notices: &'a mpsc::Sender<Notice>,
    metrics: &'a Arc<Metrics>,
    sources: Vec<Source>,
}

impl Start<'_> {
    fn namespaced<K>(&mut self, namespaces: &[String])
    where
        K: Watched + kube::Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        if namespaces.is_empty() {
            self.watch(Api::<K>::all(self.client.clone()), None);
        }
        for namespace in namespaces {
            self.watch(Api::<K>::namespaced(self.client.clone(), namespace), Some(namespace));
        }
    }

    fn watch<K>(&mut self, api: Api<K>, namespace: Option<&str>)
    where
        K: Watched + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let source = Source { resource: K::RESOURCE, namespace: namespace.unwrap_or_default().into() };
        if self.sources.contains(&source) {
            return;
        }
        self.sources.push(source.clone());
        let source = Arc::new(source);
        let notices = self.notices.clone();
        let trouble = Trouble::new(K::RESOURCE.label(), namespace, self.metrics.clone());
        let tell = move |event| {
            let (notices, source) = (notices.clone(), source.clone());
            async move {
                let notice = Notice { source, seen: Instant::now(), event: trim(event) };
                // Nobody listens any more only when the controller ends.
                notices.send(notice).await.is_ok()
            }
        };
        self.tasks.spawn(follow(api, K::selection(), trouble, tell));
    }
}

/// Watches one Service and keeps its public addresses in a channel; `None` until it has been looked for.
pub(crate) async fn publish_service(
    api: Api<Service>,
    name: String,
    addresses: watch::Sender<Option<Vec<lb_model::types::Address>>>,
    metrics: Arc<Metrics>,
) {
    let trouble = Trouble::new(Resource::Services.label(), Some(&name), metrics);
    let selection = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut found = Vec::new();
    follow(api, selection, trouble, |event| {
        match event {
            watcher::Event::Init => found.clear(),
            watcher::Event::InitApply(service) => found = addresses::of_service(&service),
            watcher::Event::InitDone => {
                if found.is_empty() {
                    warn!(service = %name, "the Service to publish is missing or has no address yet");
                }
                addresses.send_replace(Some(std::mem::take(&mut found)));
            }
            watcher::Event::Apply(service) => {
                addresses.send_replace(Some(addresses::of_service(&service)));
            }
            watcher::Event::Delete(_) => {
                addresses.send_replace(Some(Vec::new()));
            }
        }
        std::future::ready(!addresses.is_closed())
    })
    .await;
}

fn trim<K: Watched>(event: watcher::Event<K>) -> Event {
    let trimmed = |object: K| -> (_, Object) { (object.key(), object.trim()) };
    match event {
        watcher::Event::Init => Event::Begin,
        watcher::Event::InitApply(object) => {
            let (key, object) = trimmed(object);
            Event::Listed(key, object)
        }
        watcher::Event::InitDone => Event::Complete,
        watcher::Event::Apply(object) => {
            let (key, object) = trimmed(object);
            Event::Applied(key, object)
        }
        watcher::Event::Delete(object) => Event::Deleted(object.key()),
    }
}

/// Hands every event to `tell` until that says `false`.
async fn follow<K, F>(
    api: Api<K>,
    selection: watcher::Config,
    mut trouble: Trouble,
    mut tell: impl FnMut(watcher::Event<K>) -> F,
) where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    F: Future<Output = bool>,
{
    loop {
        let mut events = watcher(api.clone(), selection.clone()).boxed();
        let mut listing = false;
        loop {
            let next = events.next();
            let event = if listing { timeout(LIST_TIMEOUT, next).await } else { Ok(next.await) };
            match event {
                Ok(Some(Ok(event))) => {
                    // That a list begins is no progress yet.
                    listing = matches!(event, watcher::Event::Init | watcher::Event::InitApply(_));
                    if !matches!(event, watcher::Event::Init) {
                        trouble.over();
                    }
                    if !tell(event).await {
                        return;
                    }
                }
                Ok(Some(Err(error))) => {
                    if is_outdated(&error) && trouble.is_over() {
                        trouble.note(&one_line(&error));
                    } else {
                        trouble.wait(&one_line(&error), advice(&error)).await;
                    }
                    if refused_to_resume(&error) {
                        break;
                    }
                }
                Ok(None) => break,
                Err(_elapsed) => {
                    trouble.wait("the list stood still for a minute", None).await;
                    break;
                }
            }
        }
    }
}

/// The server has forgotten where we were, as it does after a while: nothing is wrong.
fn is_outdated(error: &watcher::Error) -> bool {
    matches!(error,
        watcher::Error::WatchError(status) | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            if status.code == 410)
}

/// The server answered, and would not go on from where we were: it may not know our resource version any more. kube's
/// watcher lists anew only when it is told so by a 410 inside a watch.
fn refused_to_resume(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(_)) | watcher::Error::WatchError(_))
}

/// What the operator can do.
fn advice(error: &watcher::Error) -> Option<&'static str> {
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))
    | watcher::Error::WatchFailed(kube::Error::Api(status))
    | watcher::Error::WatchError(status)) = error
    else {
        return None;
    };
    match status.code {
        401 => Some("check the credentials of the controller"),
        403 => Some("grant the controller's ServiceAccount the verbs list and watch on this resource"),
        _ => None,
    }
}

/// What goes wrong with one watch.
struct Trouble {
    resource: &'static str,
    scope: String,
    metrics: Arc<Metrics>,
    /// Since the last success.
    failures: u32,
    failed_at: Option<Instant>,
    /// What was last told.
    told: Option<String>,
}

impl Trouble {
    fn new(resource: &'static str, scope: Option<&str>, metrics: Arc<Metrics>) -> Self {
        Self { resource, scope: scope.unwrap_or("all").to_owned(), metrics, failures: 0, failed_at: None, told: None }
    }

    /// No failure since the last success.
    fn is_over(&self) -> bool {
        self.failures == 0
    }

    /// Counts a failure that is ordinary once; what comes right after it is not.
    fn note(&mut self, error: &str) {
        self.failures += 1;
        self.failed_at = Some(Instant::now());
        self.metrics.watch_error(self.resource);
        debug!(resource = self.resource, scope = self.scope, error, "the watch is outdated; it begins anew");
    }

    async fn wait(&mut self, error: &str, advice: Option<&str>) {
        // A quiet watch that works shows no event for a long time.
        if self.failed_at.is_some_and(|at| at.elapsed() > FORGOTTEN_AFTER) {
            self.over();
        }
        self.failures += 1;
        self.failed_at = Some(Instant::now());
        self.metrics.watch_error(self.resource);
        let delay = jittered(exponential(self.failures, SHORTEST_WAIT, LONGEST_WAIT));
        let (resource, scope) = (self.resource, self.scope.as_str());
        if self.told.as_deref() == Some(error) {
            debug!(resource, scope, error, ?delay, "the watch failed again");
        } else {
            warn!(resource, scope, error, advice, "the watch failed; it is tried again for as long as it takes");
            self.told = Some(error.to_owned());
        }
        sleep(delay).await;
    }

    fn over(&mut self) {
        self.failures = 0;
        if self.told.take().is_some() {
            info!(resource = self.resource, scope = self.scope, "the watch works again");
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn api(code: u16) -> kube::Error {
        kube::Error::Api(Status { code, ..Status::default() }.boxed())
    }

    #[test]
    fn a_refused_resume_lists_anew() {
        assert!(refused_to_resume(&watcher::Error::WatchStartFailed(api(410))));
        assert!(refused_to_resume(&watcher::Error::WatchStartFailed(api(504))));
        assert!(refused_to_resume(&watcher::Error::WatchError(Status { code: 410, ..Status::default() }.boxed())));
        assert!(!refused_to_resume(&watcher::Error::WatchFailed(kube::Error::TlsRequired)));
        assert!(!refused_to_resume(&watcher::Error::InitialListFailed(api(500))));
    }

    #[test]
    fn only_a_forgotten_position_is_ordinary() {
        assert!(is_outdated(&watcher::Error::WatchStartFailed(api(410))));
        assert!(is_outdated(&watcher::Error::WatchError(Status { code: 410, ..Status::default() }.boxed())));
        assert!(!is_outdated(&watcher::Error::WatchStartFailed(api(504))));
        assert!(!is_outdated(&watcher::Error::InitialListFailed(api(410))), "a list does not resume anything");
    }

    #[test]
    fn a_forbidden_watch_says_what_to_grant() {
        let advice = advice(&watcher::Error::InitialListFailed(api(403))).unwrap();
        assert!(advice.contains("list and watch"), "{advice}");
    }
}
