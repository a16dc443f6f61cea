//! How swaps are told: a metric, and an Event on the class.

use k8s_openapi::api::networking::v1::IngressClass;
use kube::{
    Api, Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use tracing::warn;

use super::{Attempt, Outcome};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    provider: String,
    cause: &'static str,
    outcome: &'static str,
}

/// Counts attempts.
#[derive(Clone)]
pub(crate) struct Metrics(Family<Labels, Counter>);

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let family = Family::default();
        registry.register(
            "lb_provider_swaps",
            "Attempts to swap a provider, by what caused them and what came of it",
            family.clone(),
        );
        Self(family)
    }

    pub(super) fn ended(&self, attempt: &Attempt) {
        let labels = Labels {
            provider: attempt.provider.clone(),
            cause: attempt.cause.label(),
            outcome: attempt.outcome.label(),
        };
        self.0.get_or_create(&labels).inc();
    }
}

/// Puts Events on the IngressClass that the provider serves.
#[derive(Clone)]
pub(crate) struct Events {
    client: Client,
    controller: String,
    class: String,
}

impl Events {
    pub(crate) fn new(client: Client, controller: String, class: String) -> Self {
        Self { client, controller, class }
    }

    pub(super) async fn publish(&self, attempt: &Attempt) {
        if let Err(error) = self.try_publish(attempt).await {
            warn!(%error, class = self.class, "the Event of a swap could not be written");
        }
    }

    async fn try_publish(&self, attempt: &Attempt) -> kube::Result<()> {
        // A class that is only named has no object to tell it on.
        let Some(class) = Api::<IngressClass>::all(self.client.clone()).get_opt(&self.class).await? else {
            return Ok(());
        };
        let (type_, reason) = match attempt.outcome {
            Outcome::Swapped => (EventType::Normal, "ProviderSwapped"),
            Outcome::Waiting => (EventType::Normal, "ProviderWaiting"),
            Outcome::Unchanged => return Ok(()),
            Outcome::Refused => (EventType::Warning, "ProviderRefused"),
        };
        let reporter = Reporter { controller: self.controller.clone(), instance: None };
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(note(attempt)),
            action: "Swap".to_owned(),
            secondary: None,
        };
        Recorder::new(self.client.clone(), reporter).publish(&event, &class.object_ref(&())).await
    }
}

/// One sentence; Kubernetes takes 1 KiB.
fn note(attempt: &Attempt) -> String {
    let Attempt { provider, from, to, message, .. } = attempt;
    let short = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
    let to = format!("{} ({})", to.version, short(&to.digest));
    let from = format!("{} ({})", from.version, short(&from.digest));
    let mut note = match attempt.outcome {
        Outcome::Swapped => format!("{provider} {to} took over from {from}"),
        Outcome::Waiting => format!("{provider} {to} waits for approval while {from} goes on"),
        Outcome::Unchanged | Outcome::Refused => format!("{provider} {from} goes on, another version is refused"),
    };
    if let Some(message) = message {
        note.push_str(": ");
        note.push_str(message);
    }
    note.truncate(note.floor_char_boundary(1000));
    note
}
