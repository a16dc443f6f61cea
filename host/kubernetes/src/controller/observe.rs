//! Looking at what the provider has: orphans, drift, addresses, readiness.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use lb_model::{provider::CallError, types::Observed};
use tokio::time::Instant;
use tracing::{info, warn};

use super::Controller;
use crate::{
    backoff::jittered,
    error_policy::{Requeue, error_policy},
    lane::Lane,
    timers::Timer,
};

impl Controller {
    /// Observes at this moment or before.
    pub(super) fn observe_by(&mut self, moment: Instant) {
        if self.observe_at.is_none_or(|at| moment < at) {
            self.observe_at = Some(moment);
        }
        // Always: a timer that fires while an observation is under way is used up.
        self.timers.set(moment, Timer::Observe);
    }

    pub(super) fn observe_if_due(&mut self, now: Instant) {
        let due = self.observe_at.is_some_and(|at| at <= now);
        if due && !self.observing && self.calls_provider() && self.translated {
            self.observe_at = None;
            self.observing = true;
            self.call_observe();
        }
    }

    pub(super) fn observe_ended(&mut self, began: Instant, result: Result<Vec<Observed>, CallError>) {
        let now = Instant::now();
        self.observing = false;
        match result {
            Ok(observed) => {
                self.observe_failures = 0;
                self.observation_over();
                self.compare(began, observed, now);
            }
            Err(error) => {
                self.observe_failures = self.observe_failures.saturating_add(1);
                let delay = match error_policy(&error, self.observe_failures) {
                    Requeue::After(delay) => delay,
                    Requeue::OnChange | Requeue::Observe => Duration::from_secs(1),
                };
                self.report_observation(&error);
                self.observe_by(now + jittered(delay));
            }
        }
        // An observation that failed must not hold up a load balancer: the apply that follows is complete anyway.
        let waiting: Vec<_> =
            self.lanes.iter().filter(|(_, lane)| lane.awaits_observation()).map(|(id, _)| id.to_owned()).collect();
        for id in waiting {
            self.lanes.look_at(&id).release();
        }
        if self.descriptor.observe_interval > 0 && self.observe_failures == 0 {
            self.observe_by(now + jittered(Duration::from_secs(self.descriptor.observe_interval.into())));
        }
        // One that was asked for while this one was under way.
        if let Some(at) = self.observe_at {
            self.timers.set(at, Timer::Observe);
        }
    }

    fn compare(&mut self, began: Instant, observed: Vec<Observed>, now: Instant) {
        let mut seen = BTreeMap::<_, Vec<_>>::new();
        for observed in observed {
            seen.entry(observed.load_balancer.clone()).or_default().push(observed);
        }
        let ids: BTreeSet<_> = seen.keys().cloned().chain(self.lanes.ids()).collect();
        for id in ids {
            // What a call did since is newer than what was seen.
            if !self.lanes.get(&id).is_some_and(|lane| lane.outdates(began)) {
                let observed = self.choose(&id, seen.remove(&id).unwrap_or_default());
                self.compare_one(&id, observed, now);
            }
        }
    }

    /// One load balancer is there once. If an earlier owner of its name left one behind, that of the present owner
    /// counts, and a complete apply has the provider clean up.
    fn choose(&mut self, id: &str, mut observed: Vec<Observed>) -> Option<Observed> {
        if observed.len() > 1 {
            let owner = self.translator.desired(id).and_then(|desired| desired.load_balancer.owner.as_ref());
            let uid = owner.map(|owner| owner.uid.clone());
            if let Some(ours) = observed.iter().position(|observed| observed.owner_uid == uid) {
                let count = observed.len();
                observed.swap(0, ours);
                observed.truncate(1);
                info!(load_balancer = id, count, "it is there more than once; what is left over is removed");
                self.lanes.look_at(id).doubt();
            }
        }
        observed.into_iter().next()
    }

    fn compare_one(&mut self, id: &str, observed: Option<Observed>, now: Instant) {
        let owner = self.translator.desired(id).map(|desired| desired.load_balancer.owner.as_ref());
        match (owner, observed) {
            (None, Some(_)) => {
                info!(load_balancer = id, "nothing wants this load balancer any more; it is removed");
                self.lanes.look_at(id);
            }
            (None, None) => {}
            (Some(_), None) => {
                if self.lanes.get(id).is_some_and(Lane::is_known) {
                    warn!(load_balancer = id, "the load balancer vanished; it is made again");
                    self.lanes.look_at(id).doubt();
                }
            }
            (Some(owner), Some(observed)) => {
                let uid = owner.map(|owner| &owner.uid);
                if observed.owner_uid.is_some() && observed.owner_uid.as_ref() != uid {
                    info!(load_balancer = id, "its former owner is gone; it is removed and made again");
                    self.lanes.look_at(id).usurp();
                    return;
                }
                if let Some(drift) = observed.drift {
                    warn!(load_balancer = id, drift, "the load balancer is not as it was applied; it is repaired");
                    self.lanes.look_at(id).doubt();
                }
                let Some(lane) = self.lanes.get_mut(id) else { return };
                let (addresses_changed, pending) = lane.observed(observed.readiness, observed.addresses, now);
                if addresses_changed {
                    self.addresses_changed(id);
                }
                if pending.is_some() {
                    self.look_again_at(id, now);
                }
            }
        }
    }
}
