//! Events about objects: what is told, and that it is told once.
//!
//! Events are written here rather than by kube's `Recorder`, which folds Events that differ only in their note into one: a
//! second, other mistake in the same object would never be seen.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use lb_model::{
    cluster::NamespacedName,
    provider::Breach,
    translate::{Notice, NoticeKind},
    types::{ObjectRef, Rejection},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{debug, warn};

use crate::{
    backoff::{exponential, jittered},
    error::one_line,
    metrics::Metrics,
    timers::At,
};

/// The reasons of our Events.
pub(crate) mod reason {
    /// The object, or a part of it, cannot be served as it is written.
    pub(crate) const REJECTED: &str = "Rejected";
    /// An older object, or the operator, has it already.
    pub(crate) const CONFLICT: &str = "Conflict";
    /// The provider cannot do it.
    pub(crate) const UNSUPPORTED: &str = "Unsupported";
    /// It is served, and probably not as meant.
    pub(crate) const WARNING: &str = "Warning";
    /// The provider answered with an error; it is tried again.
    pub(crate) const PROVIDER_FAILED: &str = "ProviderFailed";
    /// The provider was refused a credential or a capability: the operator must act.
    pub(crate) const PROVIDER_DENIED: &str = "ProviderDenied";
    /// The provider trapped or broke a limit: its author must act.
    pub(crate) const PROVIDER_BREACH: &str = "ProviderBreach";
    /// The provider kept breaking its limits and is not called for a while: its author must act.
    pub(crate) const PROVIDER_CIRCUIT_OPEN: &str = "ProviderCircuitOpen";
    /// The object stays with its former provider, because the new one does not serve it.
    pub(crate) const NOT_MOVED: &str = "NotMoved";
    /// The object is served.
    pub(crate) const SYNCED: &str = "Synced";
}

/// What was being done.
pub(crate) mod action {
    pub(crate) const TRANSLATE: &str = "Translate";
    pub(crate) const APPLY: &str = "Apply";
    pub(crate) const OBSERVE: &str = "Observe";
}

/// The longest note that the API takes, in bytes.
const NOTE_LIMIT: usize = 1024;
/// Events that wait to be written.
const QUEUE: usize = 1024;
/// Events at once, and how long it takes to earn one more.
const BURST: u32 = 100;
const REFILL: Duration = Duration::from_millis(100);
const ATTEMPTS: u32 = 4;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Something to tell about an object.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) object: ObjectRef,
    pub(crate) reason: &'static str,
    pub(crate) action: &'static str,
    /// Empty if it is about the object as a whole.
    pub(crate) field: String,
    pub(crate) message: String,
    /// The limit that the provider broke. The message tells where in the provider, and that is another place each time
    /// without being news.
    pub(crate) breach: Option<Breach>,
}

impl Finding {
    /// What translation found.
    pub(crate) fn translated(notice: &Notice) -> Self {
        let reason = match notice.kind {
            NoticeKind::Rejected => reason::REJECTED,
            NoticeKind::Conflict => reason::CONFLICT,
            NoticeKind::Unsupported => reason::UNSUPPORTED,
            NoticeKind::Warning => reason::WARNING,
        };
        Self { reason, action: action::TRANSLATE, ..Self::refused(&notice.rejection) }
    }

    /// What the provider refuses.
    pub(crate) fn refused(rejection: &Rejection) -> Self {
        Self {
            object: rejection.object.clone(),
            reason: reason::REJECTED,
            action: action::APPLY,
            field: rejection.field.clone(),
            message: rejection.message.clone(),
            breach: None,
        }
    }

    /// The field, the message, and no more than the API takes.
    fn note(&self) -> String {
        let mut note = if self.field.is_empty() { String::new() } else { format!("{}: ", self.field) };
        note.push_str(&self.message);
        if note.len() > NOTE_LIMIT {
            const ELLIPSIS: char = '…';
            note.truncate(note.floor_char_boundary(NOTE_LIMIT - ELLIPSIS.len_utf8()));
            note.push(ELLIPSIS);
        }
        note
    }

    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let ObjectRef { kind, namespace, name, uid } = &self.object;
        let message = if self.breach.is_none() { self.message.as_str() } else { "" };
        (kind, namespace, name, uid, self.reason, &self.field, message, self.breach).hash(&mut hasher);
        hasher.finish()
    }
}

/// Where findings come from: each origin tells all of its findings at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Origin {
    /// The translation of an Ingress.
    Ingress(NamespacedName),
    /// What the provider refuses of a load balancer.
    LoadBalancer(At, String),
    /// A provider that fails.
    Failure(At, String),
    /// A provider that is not called, because it kept breaking its limits.
    Circuit(At, String),
    /// A provider that cannot be observed.
    Observation(At),
    /// The listeners that the operator configured.
    Streams(At),
    /// An Ingress whose new provider does not serve it yet.
    Move(NamespacedName),
    /// The classes of our controller that none of its providers serves.
    Classes,
}

/// What was told already.
#[derive(Debug, Default)]
pub(crate) struct Told(HashMap<Origin, BTreeSet<u64>>);

impl Told {
    /// Of all that an origin finds now, what it did not find before.
    pub(crate) fn news<'a>(&mut self, origin: Origin, findings: &'a [Finding]) -> Vec<&'a Finding> {
        if findings.is_empty() {
            self.0.remove(&origin);
            return Vec::new();
        }
        let known = self.0.entry(origin).or_default();
        let now: BTreeSet<_> = findings.iter().map(Finding::fingerprint).collect();
        let mut fresh: BTreeSet<_> = now.difference(known).copied().collect();
        *known = now;
        findings.iter().filter(|finding| fresh.remove(&finding.fingerprint())).collect()
    }

    /// An origin has nothing to tell any more. Whether it had.
    pub(crate) fn forget(&mut self, origin: &Origin) -> bool {
        self.0.remove(origin).is_some()
    }

    /// As if nothing had been told.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Where Events are handed in. Never waits: Events beyond what the queue holds are dropped and counted.
#[derive(Debug, Clone)]
pub(crate) struct Events {
    queue: mpsc::Sender<Finding>,
    metrics: Arc<Metrics>,
}

impl Events {
    /// A queue, and the end that [`deliver`] takes.
    pub(crate) fn new(metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Finding>) {
        let (queue, deliveries) = mpsc::channel(QUEUE);
        (Self { queue, metrics }, deliveries)
    }

    /// Hands an Event in.
    pub(crate) fn publish(&self, finding: Finding) {
        if let Err(error) = self.queue.try_send(finding) {
            let finding = error.into_inner();
            debug!(object = %finding.object.name, reason = finding.reason, "too many Events; one is dropped");
            self.metrics.event_dropped();
        }
    }
}

/// Writes Events, not too fast.
pub(crate) async fn deliver(
    client: Client,
    controller: String,
    instance: String,
    mut findings: mpsc::Receiver<Finding>,
    metrics: Arc<Metrics>,
) {
    // The bucket is full at this moment; an Event moves it on.
    let mut full_at = Instant::now();
    while let Some(finding) = findings.recv().await {
        let now = Instant::now();
        full_at = full_at.max(now) + REFILL;
        sleep_until(full_at - (REFILL * BURST).min(full_at - now)).await;
        if write(&client, &event(&finding, &controller, &instance)).await {
            metrics.event_written(finding.reason);
        } else {
            metrics.event_dropped();
        }
    }
}

async fn write(client: &Client, event: &Event) -> bool {
    let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
    let name = event.metadata.name.as_deref().unwrap_or_default();
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    for attempt in 1..=ATTEMPTS {
        let problem = match timeout(TIMEOUT, api.create(&PostParams::default(), event)).await {
            Ok(Ok(_)) => return true,
            // The first try was carried out, though its answer was lost.
            Ok(Err(kube::Error::Api(status))) if status.code == 409 && attempt > 1 => return true,
            Ok(Err(kube::Error::Api(status))) if status.code < 500 && status.code != 429 => {
                warn!(namespace, event = name, error = status.message, "the API server refuses an Event");
                return false;
            }
            Ok(Err(error)) => one_line(&error),
            Err(_elapsed) => "no answer in time".to_owned(),
        };
        if attempt == ATTEMPTS {
            warn!(namespace, event = name, error = problem, "could not write an Event");
        } else {
            sleep(jittered(exponential(attempt, Duration::from_secs(1), Duration::from_secs(8)))).await;
        }
    }
    false
}

fn event(finding: &Finding, controller: &str, instance: &str) -> Event {
    let ObjectRef { kind, namespace, name, uid } = &finding.object;
    let now = Timestamp::now();
    // Events of objects without a namespace live in `default`.
    let home = if namespace.is_empty() { "default" } else { namespace };
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    // A name may end in a letter or a digit only.
    let stem = name[..name.floor_char_boundary(220)].trim_end_matches(['-', '.']);
    Event {
        metadata: ObjectMeta {
            namespace: Some(home.to_owned()),
            name: Some(format!("{stem}.{:x}{:04x}", now.as_nanosecond(), fastrand::u16(..))),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        regarding: Some(ObjectReference {
            api_version: api_version(kind).map(str::to_owned),
            kind: some(kind),
            namespace: some(namespace),
            name: some(name),
            uid: some(uid),
            ..ObjectReference::default()
        }),
        type_: Some(if finding.reason == reason::SYNCED { "Normal" } else { "Warning" }.to_owned()),
        reason: Some(finding.reason.to_owned()),
        action: Some(finding.action.to_owned()),
        note: Some(finding.note()),
        reporting_controller: Some(controller.to_owned()),
        reporting_instance: Some(instance[..instance.floor_char_boundary(128)].to_owned()),
        ..Event::default()
    }
}

fn api_version(kind: &str) -> Option<&'static str> {
    match kind {
        "Ingress" | "IngressClass" => Some("networking.k8s.io/v1"),
        "Service" | "Secret" => Some("v1"),
        "EndpointSlice" => Some("discovery.k8s.io/v1"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
