//! What there is to measure.

use std::{sync::Arc, time::Duration};

use lb_model::translate::NoticeKind;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// The metrics of this crate.
#[derive(Debug)]
pub struct Metrics {
    reconcile: Family<Outcome, Counter>,
    lag: Histogram,
    status_writes: Counter,
    status_errors: Counter,
    events: Family<Reason, Counter>,
    events_dropped: Counter,
    notices: Family<Kind, Gauge>,
    watch_errors: Family<Watch, Counter>,
    pub(crate) leader: Gauge,
    pub(crate) ingresses: Gauge,
    load_balancers: Family<ProviderLabel, Gauge>,
    calls: Family<ProviderLabel, Gauge>,
    held: Family<ProviderLabel, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    provider: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabel {
    provider: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Watch {
    resource: &'static str,
}

/// 0.1 ms to 10 s: the aim is 5 ms.
const LAG_BUCKETS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

impl Metrics {
    /// Adds the metrics to a registry.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        let metrics = Self {
            reconcile: Family::default(),
            lag: Histogram::new(LAG_BUCKETS),
            status_writes: Counter::default(),
            status_errors: Counter::default(),
            events: Family::default(),
            events_dropped: Counter::default(),
            notices: Family::default(),
            watch_errors: Family::default(),
            leader: Gauge::default(),
            ingresses: Gauge::default(),
            load_balancers: Family::default(),
            calls: Family::default(),
            held: Family::default(),
        };
        registry.register("lb_reconcile", "Calls of the provider that ended, by outcome", metrics.reconcile.clone());
        registry.register_with_unit(
            "lb_reconcile_lag",
            "From a change being seen to the provider being called",
            Unit::Seconds,
            metrics.lag.clone(),
        );
        registry.register("lb_status_writes", "Ingress statuses written", metrics.status_writes.clone());
        registry.register(
            "lb_status_errors",
            "Ingress statuses that could not be written",
            metrics.status_errors.clone(),
        );
        registry.register("lb_events", "Events written, by reason", metrics.events.clone());
        registry.register(
            "lb_events_dropped",
            "Events that could not be written, or were too many",
            metrics.events_dropped.clone(),
        );
        registry.register("lb_notices", "What is wrong with Ingresses now, by kind", metrics.notices.clone());
        registry.register("lb_watch_errors", "Failures of watches, by resource", metrics.watch_errors.clone());
        registry.register("lb_leader", "1 while this replica leads", metrics.leader.clone());
        registry.register(
            "lb_ingresses",
            "Ingresses in the watched namespaces, of any class",
            metrics.ingresses.clone(),
        );
        registry.register("lb_load_balancers", "Load balancers that are wanted", metrics.load_balancers.clone());
        registry.register("lb_calls_in_flight", "Calls of the provider under way", metrics.calls.clone());
        registry.register(
            "lb_ingresses_held",
            "Ingresses of another provider's class that this one serves until that one does",
            metrics.held.clone(),
        );
        for kind in [NoticeKind::Rejected, NoticeKind::Conflict, NoticeKind::Unsupported, NoticeKind::Warning] {
            metrics.notices(kind, 0);
        }
        Arc::new(metrics)
    }

    /// A call ended.
    pub(crate) fn reconciled(&self, provider: &str, outcome: &'static str) {
        self.reconcile.get_or_create(&Outcome { provider: provider.to_owned(), outcome }).inc();
    }

    pub(crate) fn load_balancers(&self, provider: &str, count: usize) {
        set(&self.load_balancers, provider, count);
    }

    pub(crate) fn calls_in_flight(&self, provider: &str, count: usize) {
        set(&self.calls, provider, count);
    }

    pub(crate) fn held(&self, provider: &str, count: usize) {
        set(&self.held, provider, count);
    }

    /// A change reached the provider.
    pub(crate) fn lag(&self, lag: Duration) {
        self.lag.observe(lag.as_secs_f64());
    }

    pub(crate) fn status_written(&self) {
        self.status_writes.inc();
    }

    pub(crate) fn status_failed(&self) {
        self.status_errors.inc();
    }

    pub(crate) fn event_written(&self, reason: &'static str) {
        self.events.get_or_create(&Reason { reason }).inc();
    }

    pub(crate) fn event_dropped(&self) {
        self.events_dropped.inc();
    }

    /// More or fewer notices of a kind.
    pub(crate) fn notices(&self, kind: NoticeKind, change: i64) {
        let kind = match kind {
            NoticeKind::Rejected => "rejected",
            NoticeKind::Conflict => "conflict",
            NoticeKind::Unsupported => "unsupported",
            NoticeKind::Warning => "warning",
        };
        self.notices.get_or_create(&Kind { kind }).inc_by(change);
    }

    pub(crate) fn watch_error(&self, resource: &'static str) {
        self.watch_errors.get_or_create(&Watch { resource }).inc();
    }
}

fn set(family: &Family<ProviderLabel, Gauge>, provider: &str, count: usize) {
    let label = ProviderLabel { provider: provider.to_owned() };
    family.get_or_create(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_convention() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.reconciled("edge", "applied");
        metrics.lag(Duration::from_millis(3));
        metrics.watch_error("ingresses");
        metrics.event_written("Rejected");
        metrics.notices(NoticeKind::Conflict, 2);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "lb_reconcile_total{provider=\"edge\",outcome=\"applied\"} 1",
            "lb_reconcile_lag_seconds_bucket{le=\"0.005\"} 1",
            "lb_watch_errors_total{resource=\"ingresses\"} 1",
            "lb_events_total{reason=\"Rejected\"} 1",
            "lb_notices{kind=\"conflict\"} 2",
            "lb_notices{kind=\"rejected\"} 0",
            "lb_leader 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in:\n{text}");
        }
    }
}
