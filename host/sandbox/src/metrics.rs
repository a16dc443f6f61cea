//! What the sandbox counts.

use std::{sync::Arc, time::Duration};

use lb_model::provider::Breach;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// The sandbox's metrics, shared by all providers and services.
#[derive(Debug)]
pub struct Metrics {
    calls: Family<CallLabels, Counter>,
    durations: Family<FunctionLabels, Histogram, fn() -> Histogram>,
    breaches: Family<BreachLabels, Counter>,
    dropped_log_lines: Family<ProviderLabel, Counter>,
    service_restarts: Family<ServiceLabel, Counter>,
    service_up: Family<ServiceLabel, Gauge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    provider: String,
    function: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FunctionLabels {
    provider: String,
    function: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BreachLabels {
    provider: String,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabel {
    provider: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServiceLabel {
    service: String,
}

impl Metrics {
    /// Registers them. Once for each registry.
    pub fn register(registry: &mut Registry) -> Arc<Self> {
        // 0.1 ms to 105 s: the overhead of an empty call up to beyond the default wall deadline.
        let duration: fn() -> Histogram = || Histogram::new(exponential_buckets(0.000_1, 4.0, 11));
        let metrics = Self {
            calls: Family::default(),
            durations: Family::new_with_constructor(duration),
            breaches: Family::default(),
            dropped_log_lines: Family::default(),
            service_restarts: Family::default(),
            service_up: Family::default(),
        };
        registry.register("lb_provider_calls", "Calls of providers by how they ended", metrics.calls.clone());
        registry.register_with_unit(
            "lb_provider_call_duration",
            "Time that calls of providers took",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register("lb_provider_breaches", "Limits that providers broke, and traps", metrics.breaches.clone());
        registry.register(
            "lb_provider_log_lines_dropped",
            "Log lines of providers beyond the limit of a call",
            metrics.dropped_log_lines.clone(),
        );
        registry.register(
            "lb_service_restarts",
            "Times that a service died and was started again",
            metrics.service_restarts.clone(),
        );
        registry.register("lb_service_up", "Whether a service runs: 1 or 0", metrics.service_up.clone());
        Arc::new(metrics)
    }

    pub(crate) fn call_ended(&self, provider: &str, function: &'static str, outcome: &'static str, took: Duration) {
        let labels = CallLabels { provider: provider.to_owned(), function, outcome };
        self.calls.get_or_create(&labels).inc();
        let labels = FunctionLabels { provider: provider.to_owned(), function };
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub(crate) fn breached(&self, provider: &str, kind: Breach) {
        self.breaches.get_or_create(&BreachLabels { provider: provider.to_owned(), kind: kind.label() }).inc();
    }

    pub(crate) fn log_lines_dropped(&self, provider: &str, count: u64) {
        self.dropped_log_lines.get_or_create(&ProviderLabel { provider: provider.to_owned() }).inc_by(count);
    }

    pub(crate) fn service_restarted(&self, service: &str) {
        self.service_restarts.get_or_create(&ServiceLabel { service: service.to_owned() }).inc();
    }

    pub(crate) fn service_up(&self, service: &str, up: bool) {
        self.service_up.get_or_create(&ServiceLabel { service: service.to_owned() }).set(i64::from(up));
    }
}
