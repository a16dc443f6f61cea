//! Calls of the provider: how they begin, and what their end means.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use lb_model::{
    provider::{Breach, CallError},
    types::{ChangeKind, ChangeSet, Observed, Outcome, Removal},
};
use tokio::time::Instant;
use tracing::{debug, info};

use super::Controller;
use crate::{
    error_policy::{self, Requeue},
    lane::{Applied, Lane, Step, refusals},
    timers::Timer,
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
    pub(super) fn call_apply(&mut self, id: &str, change: ChangeSet, step: Step) {
        let began = self.begin(id);
        debug!(step = "apply-begin", load_balancer = id);
        let (provider, id, size) = (self.provider.clone(), id.to_owned(), Size::of(&change));
        self.calls.spawn(async move {
            let result = survive(async { provider.apply(change).await }).await;
            debug!(step = "apply-end", load_balancer = id);
            Ended::Apply { id, began, size, step, result }
        });
    }

    pub(super) fn call_remove(&mut self, id: &str) {
        self.begin(id);
        debug!(step = "remove-begin", load_balancer = id);
        let (provider, id) = (self.provider.clone(), id.to_owned());
        self.calls.spawn(async move {
            let result = survive(provider.remove(&id)).await;
            debug!(step = "remove-end", load_balancer = id);
            Ended::Remove { id, result }
        });
    }

    pub(super) fn call_observe(&mut self) {
        let (provider, began) = (self.provider.clone(), Instant::now());
        debug!(step = "observe-begin");
        self.calls.spawn(async move {
            let result = survive(provider.observe()).await;
            debug!(step = "observe-end");
            Ended::Observe { began, result }
        });
    }

    fn begin(&mut self, id: &str) -> Instant {
        let now = Instant::now();
        self.lanes.began(id.to_owned(), now);
        self.count_calls();
        now
    }

    fn count_calls(&self) {
        self.metrics.calls.set(i64::try_from(self.lanes.in_flight()).unwrap_or(i64::MAX));
    }

    pub(super) fn call_ended(&mut self, ended: Ended) {
        match ended {
            Ended::Apply { id, began, size, step, result } => self.apply_ended(&id, began, &size, step, result),
            Ended::Remove { id, result } => self.remove_ended(&id, result),
            Ended::Observe { began, result } => self.observe_ended(began, result),
        }
        self.count_calls();
    }

    fn apply_ended(&mut self, id: &str, began: Instant, size: &Size, step: Step, result: Result<Outcome, CallError>) {
        let now = Instant::now();
        let Some(lane) = self.lanes.ended(id) else { return };
        match lane.applied(step, result, now) {
            Applied::Served { joined, addresses_changed, pending } => {
                self.metrics.reconciled(if pending.is_some() { "pending" } else { "applied" });
                let Size { listeners, virtual_hosts, backends, certificates, .. } = size;
                let kind = match size.kind {
                    ChangeKind::Complete => "complete",
                    ChangeKind::Incremental => "incremental",
                };
                let duration = now.saturating_duration_since(began);
                #[rustfmt::skip]
                info!(load_balancer = id, kind, listeners, virtual_hosts, backends, certificates, ?duration, pending, "applied");
                self.failure_over(id);
                self.report_refusals(id, &[]);
                self.joined(id, joined);
                if addresses_changed {
                    self.addresses_changed(id);
                }
                if pending.is_some() {
                    self.look_again_at(id, now);
                }
                self.settled(id);
            }
            Applied::Failed { error, requeue } => {
                self.metrics.reconciled(error_policy::label(&error));
                self.report_failure(id, &error, requeue);
                self.report_refusals(id, refusals(&error));
                match requeue {
                    Requeue::Observe => self.observe_by(now),
                    Requeue::OnChange => self.settled(id),
                    Requeue::After(_) => self.settled_by_failure(id),
                }
            }
        }
    }

    fn remove_ended(&mut self, id: &str, result: Result<Removal, CallError>) {
        let now = Instant::now();
        let Some(lane) = self.lanes.ended(id) else { return };
        match lane.removed(result, now) {
            Ok(None) => {
                self.metrics.reconciled("removed");
                info!(load_balancer = id, "removed");
                self.failure_over(id);
                self.report_refusals(id, &[]);
                if self.translator.desired(id).is_none() {
                    self.lanes.forget(id);
                    self.settled(id);
                }
            }
            Ok(Some(reason)) => {
                self.metrics.reconciled("removing");
                debug!(load_balancer = id, reason, "removal is under way");
            }
            Err((error, requeue)) => {
                self.metrics.reconciled(error_policy::label(&error));
                self.report_failure(id, &error, requeue);
                if requeue == Requeue::Observe {
                    self.observe_by(now);
                }
                self.settled_by_failure(id);
            }
        }
    }

    /// The addresses of a load balancer are others now, or will be once the grace is over.
    pub(super) fn addresses_changed(&mut self, id: &str) {
        self.due.extend(self.translator.ingresses(id).cloned());
        if let Some(moment) = self.lanes.get(id).and_then(|lane| lane.addresses().grace_ends()) {
            self.timers.set(moment, Timer::Addresses(id.to_owned()));
        }
    }

    pub(super) fn look_again_at(&mut self, id: &str, now: Instant) {
        if let Some(delay) = self.lanes.get(id).and_then(Lane::next_look) {
            self.observe_by(now + delay);
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
