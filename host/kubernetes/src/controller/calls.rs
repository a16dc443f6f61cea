//! Calls of the provider: how they begin, and what their end means.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use lb_model::{
    provider::{Breach, CallError},
    types::{ChangeKind, ChangeSet, Observed, Outcome, Removal},
};
use tokio::time::Instant;
use tracing::{Instrument, debug, info};

use super::Controller;
use crate::{
    error_policy::{self, Requeue},
    lane::{Applied, Lane, Step, refusals},
    timers::{At, Timer},
};

/// A call that ended.
pub(super) enum Ended {
    Apply { id: String, began: Instant, size: Size, step: Step, result: Result<Outcome, CallError> },
    Remove { id: String, result: Result<Removal, CallError> },
    Observe { began: Instant, result: Result<Vec<Observed>, CallError> },
}

/// How much a change-set changes, for the log: `+upserts -removals` of each table.
pub(super) struct Size {
    kind: ChangeKind,
    listeners: String,
    virtual_hosts: String,
    backends: String,
    certificates: String,
}

impl Size {
    fn of(change: &ChangeSet) -> Self {
        fn size<T>(upsert: &[T], remove: &[String]) -> String {
            format!("+{} -{}", upsert.len(), remove.len())
        }
        Self {
            kind: change.kind,
            listeners: size(&change.listeners.upsert, &change.listeners.remove),
            virtual_hosts: size(&change.virtual_hosts.upsert, &change.virtual_hosts.remove),
            backends: size(&change.backends.upsert, &change.backends.remove),
            certificates: size(&change.certificates.upsert, &change.certificates.remove),
        }
    }
}

impl Controller {
    pub(super) fn call_apply(&mut self, at: At, id: &str, change: ChangeSet, step: Step) {
        let began = self.begin(at, id);
        debug!(step = "apply-begin", load_balancer = id);
        let bound = &mut self.bounds[at];
        let (provider, id, size) = (bound.provider.clone(), id.to_owned(), Size::of(&change));
        let call = async move {
            let result = survive(async { provider.apply(change).await }).await;
            debug!(step = "apply-end", load_balancer = id);
            Ended::Apply { id, began, size, step, result }
        };
        bound.calls.spawn(call.instrument(bound.span.clone()));
    }

    pub(super) fn call_remove(&mut self, at: At, id: &str) {
        self.begin(at, id);
        debug!(step = "remove-begin", load_balancer = id);
        let bound = &mut self.bounds[at];
        let (provider, id) = (bound.provider.clone(), id.to_owned());
        let call = async move {
            let result = survive(provider.remove(&id)).await;
            debug!(step = "remove-end", load_balancer = id);
            Ended::Remove { id, result }
        };
        bound.calls.spawn(call.instrument(bound.span.clone()));
    }

    pub(super) fn call_observe(&mut self, at: At) {
        let bound = &mut self.bounds[at];
        let (provider, began) = (bound.provider.clone(), Instant::now());
        debug!(step = "observe-begin");
        let call = async move {
            let result = survive(provider.observe()).await;
            debug!(step = "observe-end");
            Ended::Observe { began, result }
        };
        bound.calls.spawn(call.instrument(bound.span.clone()));
    }

    fn begin(&mut self, at: At, id: &str) -> Instant {
        let now = Instant::now();
        self.bounds[at].lanes.began(id.to_owned(), now);
        self.count_calls(at);
        now
    }

    fn count_calls(&self, at: At) {
        self.metrics.calls_in_flight(&self.bounds[at].name, self.bounds[at].lanes.in_flight());
    }

    pub(super) fn call_ended(&mut self, at: At, ended: Ended) {
        match ended {
            Ended::Apply { id, began, size, step, result } => {
                self.apply_ended(at, &id, began, &size, step, result);
                self.look_at_moves_to(at, &id);
            }
            Ended::Remove { id, result } => self.remove_ended(at, &id, result),
            Ended::Observe { began, result } => self.observe_ended(at, began, result),
        }
        self.count_calls(at);
    }

    fn apply_ended(
        &mut self,
        at: At,
        id: &str,
        began: Instant,
        size: &Size,
        step: Step,
        result: Result<Outcome, CallError>,
    ) {
        let now = Instant::now();
        let bound = &mut self.bounds[at];
        let Some(lane) = bound.lanes.ended(id) else { return };
        match lane.applied(step, result, now) {
            Applied::Served { joined, addresses_changed, pending } => {
                self.metrics.reconciled(&bound.name, if pending.is_some() { "pending" } else { "applied" });
                let Size { listeners, virtual_hosts, backends, certificates, .. } = size;
                let kind = match size.kind {
                    ChangeKind::Complete => "complete",
                    ChangeKind::Incremental => "incremental",
                };
                let duration = now.saturating_duration_since(began);
                #[rustfmt::skip]
                info!(load_balancer = id, kind, listeners, virtual_hosts, backends, certificates, ?duration, pending, "applied");
                self.failure_over(at, id);
                self.report_refusals(at, id, &[]);
                self.joined(at, id, joined);
                if addresses_changed {
                    self.addresses_changed(at, id);
                }
                if pending.is_some() {
                    self.look_again_at(at, id, now);
                }
                self.settled(at, id);
            }
            Applied::Failed { error, requeue } => {
                self.metrics.reconciled(&bound.name, error_policy::label(&error));
                self.report_failure(at, id, &error, requeue);
                self.report_refusals(at, id, refusals(&error));
                match requeue {
                    Requeue::Observe => self.observe_by(at, now),
                    Requeue::OnChange => self.settled(at, id),
                    Requeue::After(_) => self.settled_by_failure(at, id),
                }
            }
        }
    }

    fn remove_ended(&mut self, at: At, id: &str, result: Result<Removal, CallError>) {
        let now = Instant::now();
        let bound = &mut self.bounds[at];
        let Some(lane) = bound.lanes.ended(id) else { return };
        match lane.removed(result, now) {
            Ok(None) => {
                self.metrics.reconciled(&bound.name, "removed");
                info!(load_balancer = id, "removed");
                self.failure_over(at, id);
                self.report_refusals(at, id, &[]);
                if self.bounds[at].translator.desired(id).is_none() {
                    self.bounds[at].lanes.forget(id);
                    self.settled(at, id);
                }
            }
            Ok(Some(reason)) => {
                self.metrics.reconciled(&bound.name, "removing");
                debug!(load_balancer = id, reason, "removal is under way");
            }
            Err((error, requeue)) => {
                self.metrics.reconciled(&bound.name, error_policy::label(&error));
                self.report_failure(at, id, &error, requeue);
                if requeue == Requeue::Observe {
                    self.observe_by(at, now);
                }
                self.settled_by_failure(at, id);
            }
        }
    }

    /// The addresses of a load balancer are others now, or will be once the grace is over.
    pub(super) fn addresses_changed(&mut self, at: At, id: &str) {
        let bound = &self.bounds[at];
        self.due.extend(bound.translator.ingresses(id).cloned());
        if let Some(moment) = bound.lanes.get(id).and_then(|lane| lane.addresses().grace_ends()) {
            self.timers.set(moment, Timer::Addresses(at, id.to_owned()));
        }
        self.look_at_moves_to(at, id);
    }

    pub(super) fn look_again_at(&mut self, at: At, id: &str, now: Instant) {
        if let Some(delay) = self.bounds[at].lanes.get(id).and_then(Lane::next_look) {
            self.observe_by(at, now + delay);
        }
    }
}

/// A panic on the way to the provider is a bug of ours; it costs this call only, as a breach of the provider's does.
async fn survive<T>(call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let message = format!("the host panicked: {}", text.unwrap_or("no message"));
        Err(CallError::Breach { kind: Breach::Trap, message })
    })
}
