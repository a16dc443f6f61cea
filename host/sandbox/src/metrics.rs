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
    circuit_open: Family<ProviderLabel, Gauge>,
    circuit_openings: Family<ProviderLabel, Counter>,
    dropped_log_lines: Family<ProviderLabel, Counter>,
    service_restarts: Family<ServiceLabel, Counter>,
    service_up: Family<ServiceLabel, Gauge>,
    http_requests: Family<RequestLabels, Counter>,
    http_durations: Family<GrantLabels, Histogram, fn() -> Histogram>,
    http_refusals: Family<RefusalLabels, Counter>,
    subscription_connected: Family<SubscriptionLabels, Gauge>,
    subscription_reconnects: Family<SubscriptionLabels, Counter>,
    subscription_wakes: Family<SubscriptionLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    provider: String,
    grant: String,
    method: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GrantLabels {
    provider: String,
    grant: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    provider: String,
    grant: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SubscriptionLabels {
    provider: String,
    subscription: String,
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
            circuit_open: Family::default(),
            circuit_openings: Family::default(),
            dropped_log_lines: Family::default(),
            service_restarts: Family::default(),
            service_up: Family::default(),
            http_requests: Family::default(),
            http_durations: Family::new_with_constructor(duration),
            http_refusals: Family::default(),
            subscription_connected: Family::default(),
            subscription_reconnects: Family::default(),
            subscription_wakes: Family::default(),
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
            "lb_provider_circuit_open",
            "Load balancers that a provider is not called for, because it kept breaking its limits",
            metrics.circuit_open.clone(),
        );
        registry.register(
            "lb_provider_circuit_openings",
            "Times that a provider began not to be called for a load balancer",
            metrics.circuit_openings.clone(),
        );
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
        registry.register(
            "lb_provider_http_requests",
            "HTTP requests of providers by how they ended",
            metrics.http_requests.clone(),
        );
        registry.register_with_unit(
            "lb_provider_http_request_duration",
            "Time that HTTP requests of providers took, the wait for their turn included",
            Unit::Seconds,
            metrics.http_durations.clone(),
        );
        registry.register(
            "lb_provider_http_refusals",
            "HTTP requests of providers that the host refused",
            metrics.http_refusals.clone(),
        );
        registry.register(
            "lb_subscription_connected",
            "Connections of a subscription that stand: 1 or 0, 2 while a new version takes over",
            metrics.subscription_connected.clone(),
        );
        registry.register(
            "lb_subscription_reconnects",
            "Times that a subscription was connected again",
            metrics.subscription_reconnects.clone(),
        );
        registry.register(
            "lb_subscription_wakes",
            "Times that a subscription woke its provider",
            metrics.subscription_wakes.clone(),
        );
        Arc::new(metrics)
    }

    pub(crate) fn http_ended(&self, provider: &str, grant: &str, method: &str, outcome: &'static str, took: Duration) {
        let (provider, grant) = (provider.to_owned(), grant.to_owned());
        let labels = GrantLabels { provider: provider.clone(), grant: grant.clone() };
        self.http_durations.get_or_create(&labels).observe(took.as_secs_f64());
        let labels = RequestLabels { provider, grant, method: method.to_owned(), outcome };
        self.http_requests.get_or_create(&labels).inc();
    }

    pub(crate) fn http_refused(&self, provider: &str, grant: &str, reason: &'static str) {
        let labels = RefusalLabels { provider: provider.to_owned(), grant: grant.to_owned(), reason };
        self.http_refusals.get_or_create(&labels).inc();
    }

    pub(crate) fn subscriptions_connected(&self, provider: &str, subscription: &str, more: i64) {
        let labels = SubscriptionLabels { provider: provider.to_owned(), subscription: subscription.to_owned() };
        self.subscription_connected.get_or_create(&labels).inc_by(more);
    }

    pub(crate) fn subscription_reconnected(&self, provider: &str, subscription: &str) {
        let labels = SubscriptionLabels { provider: provider.to_owned(), subscription: subscription.to_owned() };
        self.subscription_reconnects.get_or_create(&labels).inc();
    }

    pub(crate) fn subscription_woke(&self, provider: &str, subscription: &str) {
        let labels = SubscriptionLabels { provider: provider.to_owned(), subscription: subscription.to_owned() };
        self.subscription_wakes.get_or_create(&labels).inc();
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

    pub(crate) fn circuits_open(&self, provider: &str, more: i64) {
        self.circuit_open.get_or_create(&ProviderLabel { provider: provider.to_owned() }).inc_by(more);
    }

    pub(crate) fn circuit_opened(&self, provider: &str) {
        self.circuits_open(provider, 1);
        self.circuit_openings.get_or_create(&ProviderLabel { provider: provider.to_owned() }).inc();
    }

    pub(crate) fn call_refused(&self, provider: &str, function: &'static str) {
        let labels = CallLabels { provider: provider.to_owned(), function, outcome: "circuit_open" };
        self.calls.get_or_create(&labels).inc();
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
