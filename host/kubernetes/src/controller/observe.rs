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
    timers::{At, Timer},
};

impl Controller {
    /// Observes at this moment or before.
    pub(super) fn observe_by(&mut self, at: At, moment: Instant) {
        let bound = &mut self.bounds[at];
        if bound.observe_at.is_none_or(|planned| moment < planned) {
            bound.observe_at = Some(moment);
        }
        // Always: a timer that fires while an observation is under way is used up.
        self.timers.set(moment, Timer::Observe(at));
    }

    pub(super) fn observe_if_due(&mut self, at: At, now: Instant) {
        let may = self.calls(at) && self.translated;
        let bound = &mut self.bounds[at];
        let due = bound.observe_at.is_some_and(|planned| planned <= now);
        if due && may && !bound.observing {
            bound.observe_at = None;
            bound.observing = true;
            self.call_observe(at);
        }
    }

    pub(super) fn observe_ended(&mut self, at: At, began: Instant, result: Result<Vec<Observed>, CallError>) {
        let now = Instant::now();
        let bound = &mut self.bounds[at];
        bound.observing = false;
        match result {
            Ok(observed) => {
                bound.observe_failures = 0;
                self.observation_over(at);
                self.compare(at, began, observed, now);
            }
            Err(error) => {
                bound.observe_failures = bound.observe_failures.saturating_add(1);
                let delay = match error_policy(&error, bound.observe_failures) {
                    Requeue::After(delay) => delay,
                    Requeue::OnChange | Requeue::Observe => Duration::from_secs(1),
                };
                self.report_observation(at, &error);
                self.observe_by(at, now + jittered(delay));
            }
        }
        // An observation that failed must not hold up a load balancer: the apply that follows is complete anyway.
        let bound = &mut self.bounds[at];
        let waiting: Vec<_> =
            bound.lanes.iter().filter(|(_, lane)| lane.awaits_observation()).map(|(id, _)| id.to_owned()).collect();
        for id in waiting {
            bound.lanes.look_at(&id).release();
        }
        if bound.descriptor.observe_interval > 0 && bound.observe_failures == 0 {
            let interval = Duration::from_secs(bound.descriptor.observe_interval.into());
            self.observe_by(at, now + jittered(interval));
        }
        // One that was asked for while this one was under way.
        if let Some(moment) = self.bounds[at].observe_at {
            self.timers.set(moment, Timer::Observe(at));
        }
    }

    fn compare(&mut self, at: At, began: Instant, observed: Vec<Observed>, now: Instant) {
        let mut seen = BTreeMap::<_, Vec<_>>::new();
        for observed in observed {
            seen.entry(observed.load_balancer.clone()).or_default().push(observed);
        }
        let ids: BTreeSet<_> = seen.keys().cloned().chain(self.bounds[at].lanes.ids()).collect();
        for id in ids {
            // What a call did since is newer than what was seen.
            if !self.bounds[at].lanes.get(&id).is_some_and(|lane| lane.outdates(began)) {
                let observed = self.choose(at, &id, seen.remove(&id).unwrap_or_default());
                self.compare_one(at, &id, observed, now);
            }
        }
    }

    /// One load balancer is there once. If an earlier owner of its name left one behind, that of the present owner
    /// counts, and a complete apply has the provider clean up.
    fn choose(&mut self, at: At, id: &str, mut observed: Vec<Observed>) -> Option<Observed> {
        if observed.len() > 1 {
            let owner = self.bounds[at].translator.desired(id).and_then(|desired| desired.load_balancer.owner.as_ref());
            let uid = owner.map(|owner| owner.uid.clone());
            if let Some(ours) = observed.iter().position(|observed| observed.owner_uid == uid) {
                let count = observed.len();
                observed.swap(0, ours);
                observed.truncate(1);
                info!(load_balancer = id, count, "it is there more than once; what is left over is removed");
                self.bounds[at].lanes.look_at(id).doubt();
            }
        }
        observed.into_iter().next()
    }

    fn compare_one(&mut self, at: At, id: &str, observed: Option<Observed>, now: Instant) {
        let owner = self.bounds[at].translator.desired(id).map(|desired| desired.load_balancer.owner.as_ref());
        match (owner, observed) {
            (None, Some(observed)) if self.is_left_by_a_move(at, id, &observed, now) => self.hold(at, id, now),
            (None, Some(_)) => {
                info!(load_balancer = id, "nothing wants this load balancer any more; it is removed");
                self.bounds[at].lanes.look_at(id);
            }
            (None, None) => {}
            (Some(_), None) => {
                if self.bounds[at].lanes.get(id).is_some_and(Lane::is_known) {
                    warn!(load_balancer = id, "the load balancer vanished; it is made again");
                    self.bounds[at].lanes.look_at(id).doubt();
                }
            }
            (Some(owner), Some(observed)) => {
                let uid = owner.map(|owner| &owner.uid);
                if observed.owner_uid.is_some() && observed.owner_uid.as_ref() != uid {
                    info!(load_balancer = id, "its former owner is gone; it is removed and made again");
                    self.bounds[at].lanes.look_at(id).usurp();
                    return;
                }
                if let Some(drift) = observed.drift {
                    warn!(load_balancer = id, drift, "the load balancer is not as it was applied; it is repaired");
                    self.bounds[at].lanes.look_at(id).doubt();
                }
                let Some(lane) = self.bounds[at].lanes.get_mut(id) else { return };
                let (addresses_changed, pending) = lane.observed(observed.readiness, observed.addresses, now);
                if addresses_changed {
                    self.addresses_changed(at, id);
                }
                self.look_at_moves_to(at, id);
                if pending.is_some() {
                    self.look_again_at(at, id, now);
                }
            }
        }
    }
}
