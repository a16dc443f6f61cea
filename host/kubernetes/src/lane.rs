//! What happens to one load balancer: one call after the other, never two at once.
//!
//! ```text
//!        change                 begin                          finish: ok
//! idle ---------> due ------------------------> in flight ----------------> idle, `applied` known
//!                  ^                               |  |
//!                  |  waits `not_before`, observe  |  | finish: failed in doubt, `applied` unknown:
//!                  +-------------------------------+--+ the next apply is complete
//! ```
//!
//! Pure: it is told the time, the desired state and how calls ended, and answers what to call.

pub(crate) mod delta;
pub(crate) mod lanes;

use std::{collections::BTreeSet, time::Duration};

use lb_model::{
    cluster::NamespacedName,
    provider::CallError,
    tables::Configuration,
    types::{Address, ChangeKind, ChangeSet, Error, Outcome, Readiness, Rejection, Removal},
};
use tokio::time::Instant;

use self::delta::{Delta, ObjectKey};
use crate::{
    addresses::Addresses,
    backoff::{exponential, jittered},
    error_policy::{Requeue, error_policy, leaves_doubt},
};

/// How soon a load balancer that is not ready is looked at again: this, then doubled each time.
const FIRST_LOOK: Duration = Duration::from_secs(2);
const LONGEST_LOOK: Duration = Duration::from_mins(1);

/// The state of one load balancer.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// What the provider serves, as far as we know; `None`: anything, so the next apply is complete.
    applied: Option<Configuration>,
    in_flight: bool,
    /// Doubted since the call in flight began: however it ends, the next apply is complete.
    doubted: bool,
    /// When the oldest change that no call carries yet came in.
    changed_at: Option<Instant>,
    not_before: Option<Instant>,
    /// In a row.
    failures: u32,
    awaits: Awaited,
    /// What the provider has under our id belongs to an object that is gone: it is removed first.
    usurped: bool,
    /// Looks in a row that found it pending.
    pending: u32,
    /// When the last call ended.
    ended: Option<Instant>,
    /// What the provider refuses of what it serves otherwise.
    rejections: Vec<Rejection>,
    addresses: Addresses,
    /// Ingresses that are not part of an applied state yet.
    joining: BTreeSet<NamespacedName>,
}

/// What has to happen before the next call.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    #[default]
    Nothing,
    /// The last one was refused as invalid, so only a change can help.
    Change,
    /// The last one met a conflict, so a look comes first.
    Observation,
}

/// What an apply in flight will have done; handed back to the lane when it ends.
#[derive(Debug)]
pub(crate) struct Step {
    delta: Delta,
    /// Ingresses that are part of the applied state from then on.
    joining: BTreeSet<NamespacedName>,
}

/// What a lane wants next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Nothing until something happens.
    Idle,
    /// Nothing before this moment.
    Wait(Instant),
    /// What is applied is what is desired; these Ingresses are part of it since.
    InSync(BTreeSet<NamespacedName>),
    /// Call `apply`.
    Apply {
        change: Box<ChangeSet>,
        step: Step,
        /// How long the oldest change waited, if a change is why.
        lag: Option<Duration>,
    },
    /// Call `remove`.
    Remove,
}

/// What the end of an apply means.
#[derive(Debug)]
pub(crate) enum Applied {
    /// All but the lane's rejections is served.
    Served {
        /// Ingresses that are served now and were not before.
        joined: BTreeSet<NamespacedName>,
        addresses_changed: bool,
        /// Why it is not ready yet.
        pending: Option<String>,
    },
    Failed {
        error: CallError,
        requeue: Requeue,
    },
}

impl Lane {
    /// Something about the load balancer changed at this time.
    pub(crate) fn change(&mut self, seen: Instant) {
        self.changed_at.get_or_insert(seen);
        self.try_again();
    }

    /// An Ingress became part of the desired state.
    pub(crate) fn join(&mut self, ingress: NamespacedName) {
        self.joining.insert(ingress);
    }

    /// What the provider has may differ from what was applied.
    pub(crate) fn doubt(&mut self) {
        self.applied = None;
        self.doubted = self.in_flight;
        self.try_again();
    }

    /// What was refused may be taken now.
    fn try_again(&mut self) {
        if self.awaits == Awaited::Change {
            self.awaits = Awaited::Nothing;
        }
    }

    /// Chooses what comes next and, if that is a call, begins it. `kind` is what the provider takes.
    pub(crate) fn begin(&mut self, desired: Option<&Configuration>, kind: ChangeKind, now: Instant) -> Next {
        if self.in_flight || self.awaits == Awaited::Observation {
            return Next::Idle;
        }
        self.doubted = false;
        if let Some(moment) = self.not_before.filter(|moment| now < *moment) {
            return Next::Wait(moment);
        }
        let Some(desired) = desired.filter(|desired| !self.is_usurped(desired)) else {
            self.in_flight = true;
            return Next::Remove;
        };
        if self.awaits == Awaited::Change {
            return Next::Idle;
        }
        let change = match &self.applied {
            None => Some(desired.complete()),
            Some(applied) => match (desired.changes_since(applied), kind) {
                (Some(_), ChangeKind::Complete) => Some(desired.complete()),
                (change, _) => change,
            },
        };
        let lag = self.changed_at.take().map(|seen| now.saturating_duration_since(seen));
        let joining = std::mem::take(&mut self.joining);
        let Some(change) = change else { return Next::InSync(joining) };
        let delta = Delta::new(&change, desired, self.applied.as_ref());
        self.in_flight = true;
        Next::Apply { change: Box::new(change), step: Step { delta, joining }, lag }
    }

    /// The id lives on, for another object than before.
    fn is_usurped(&self, desired: &Configuration) -> bool {
        let owner =
            |configuration: &Configuration| configuration.load_balancer.owner.as_ref().map(|owner| owner.uid.clone());
        self.usurped || self.applied.as_ref().is_some_and(|applied| owner(applied) != owner(desired))
    }

    /// The apply in flight ended.
    pub(crate) fn applied(&mut self, step: Step, result: Result<Outcome, CallError>, now: Instant) -> Applied {
        let Step { delta, joining } = step;
        self.ended = Some(now);
        self.in_flight = false;
        match result {
            Ok(outcome) => {
                let touched = delta.absorb_into(&mut self.applied);
                if std::mem::take(&mut self.doubted) {
                    self.applied = None;
                }
                self.succeeded();
                match touched {
                    None => self.rejections = outcome.rejections,
                    Some(touched) => {
                        self.rejections.retain(|old| !touched.contains(&ObjectKey::of(&old.object)));
                        self.rejections.extend(outcome.rejections);
                    }
                }
                Applied::Served {
                    joined: joining,
                    addresses_changed: self.addresses.report(outcome.addresses, now),
                    pending: self.note_readiness(outcome.readiness),
                }
            }
            Err(error) => {
                self.joining.extend(joining);
                let requeue = self.failed(&error, now);
                Applied::Failed { error, requeue }
            }
        }
    }

    /// The removal in flight ended. `Ok(None)`: it is gone.
    pub(crate) fn removed(
        &mut self,
        result: Result<Removal, CallError>,
        now: Instant,
    ) -> Result<Option<String>, (CallError, Requeue)> {
        self.ended = Some(now);
        self.in_flight = false;
        self.applied = None;
        match result {
            Ok(Removal::Removed) => {
                self.succeeded();
                self.usurped = false;
                self.rejections.clear();
                self.addresses = Addresses::default();
                Ok(None)
            }
            Ok(Removal::Pending(reason)) => {
                self.pending += 1;
                self.not_before = Some(now + jittered(exponential(self.pending, FIRST_LOOK, LONGEST_LOOK)));
                Ok(Some(reason))
            }
            Err(error) => {
                let requeue = self.failed(&error, now);
                Err((error, requeue))
            }
        }
    }

    fn succeeded(&mut self) {
        self.failures = 0;
        self.pending = 0;
        self.not_before = None;
    }

    fn failed(&mut self, error: &CallError, now: Instant) -> Requeue {
        // A call that was not made did not fail.
        if !matches!(error, CallError::Open { .. }) {
            self.failures = self.failures.saturating_add(1);
        }
        if leaves_doubt(error) {
            self.applied = None;
        }
        let requeue = error_policy(error, self.failures);
        match requeue {
            // A change that came in meanwhile is reason enough.
            Requeue::OnChange if self.changed_at.is_some() => {}
            Requeue::OnChange => self.awaits = Awaited::Change,
            Requeue::Observe => self.awaits = Awaited::Observation,
            Requeue::After(delay) => self.not_before = Some(now + jittered(delay)),
        }
        requeue
    }

    fn note_readiness(&mut self, readiness: Readiness) -> Option<String> {
        match readiness {
            Readiness::Ready => {
                self.pending = 0;
                None
            }
            Readiness::Pending(reason) => {
                self.pending = self.pending.saturating_add(1);
                Some(reason)
            }
        }
    }

    /// How long to wait before looking whether it is ready; `None`: it is.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        (self.pending > 0 && self.applied.is_some()).then(|| exponential(self.pending, FIRST_LOOK, LONGEST_LOOK))
    }

    /// Whether an observation that began then tells nothing new of this load balancer.
    pub(crate) fn outdates(&self, observation: Instant) -> bool {
        self.in_flight || self.ended.is_some_and(|ended| ended >= observation)
    }

    /// It was seen as it should be. Whether its addresses changed, and why it is not ready yet.
    pub(crate) fn observed(
        &mut self,
        readiness: Readiness,
        addresses: Vec<Address>,
        now: Instant,
    ) -> (bool, Option<String>) {
        let pending = self.note_readiness(readiness);
        (self.addresses.report(addresses, now), pending)
    }

    /// What the provider has under this id belongs to an object that is gone.
    pub(crate) fn usurp(&mut self) {
        self.usurped = true;
    }

    /// The observation that a conflict asked for is over.
    pub(crate) fn release(&mut self) {
        self.awaits = Awaited::Nothing;
    }

    pub(crate) fn awaits_observation(&self) -> bool {
        self.awaits == Awaited::Observation
    }

    /// Whether the provider is known to have it.
    pub(crate) fn is_known(&self) -> bool {
        self.applied.is_some()
    }

    /// Whether all that was applied last is served.
    pub(crate) fn is_ready(&self) -> bool {
        self.applied.is_some() && self.pending == 0
    }

    /// Whether the last call failed.
    pub(crate) fn fails(&self) -> bool {
        self.failures > 0
    }

    pub(crate) fn rejections(&self) -> &[Rejection] {
        &self.rejections
    }

    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }
}

/// The objects that a failed call names.
pub(crate) fn refusals(error: &CallError) -> &[Rejection] {
    match error {
        CallError::Provider(Error::Invalid(rejections)) => rejections,
        _ => &[],
    }
}

#[cfg(test)]
mod tests;
