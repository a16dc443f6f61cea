//! The first verb: taking in what arrived, until the state is the cluster's again.

use std::time::Duration;

use futures::future::{FutureExt, select_all};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info};

use super::{
    Controller, SWAP_CHECK,
    bound::{Bound, Sign, undisturbed},
};
use crate::{
    status::{Written, writer::Write},
    stores::{Effects, Notice},
    timers::{At, Timer},
};

/// Notices that one turn takes in at most.
const BATCH: usize = 1024;

/// What woke the controller.
pub(super) enum Arrival {
    Notices(Vec<Notice>),
    Provider(At, Sign),
    Write(Write, Written),
    Leadership,
    Timer,
}

impl Controller {
    /// Waits until something happens.
    pub(super) async fn arrival(&mut self) -> Arrival {
        let alarm = self.timers.next();
        let mut notices = Vec::new();
        tokio::select! {
            _ = self.notices.recv_many(&mut notices, BATCH) => Arrival::Notices(notices),
            (at, sign) = sign(&mut self.bounds) => Arrival::Provider(at, sign),
            Some(ended) = self.writes.join_next() => {
                let (write, written) = undisturbed(ended);
                Arrival::Write(write, written)
            }
            Ok(()) = self.leads.changed() => Arrival::Leadership,
            () = sleep_until(alarm.unwrap_or_else(far_away)), if alarm.is_some() => Arrival::Timer,
        }
    }

    /// Takes it in.
    pub(super) async fn snapshot(&mut self, arrival: Arrival) -> Effects {
        let mut effects = Effects::default();
        match arrival {
            Arrival::Notices(notices) => {
                debug!(step = "snapshot", notices = notices.len());
                for notice in notices {
                    self.stores.absorb(notice, &mut effects);
                }
                self.metrics.ingresses.set(i64::try_from(self.stores.ingress_count()).unwrap_or(i64::MAX));
                self.due.extend(effects.ingresses.iter().cloned());
                self.look_at_moves_of(&effects.ingresses);
            }
            Arrival::Provider(at, sign) => self.bounds[at].span.clone().in_scope(|| self.take_in(at, sign)),
            Arrival::Write(write, written) => self.status_written(&write, written),
            Arrival::Leadership => self.leadership_changed().await,
            Arrival::Timer => {}
        }
        self.alarms();
        let oldest = self.bounds.iter().filter_map(|bound| bound.lanes.oldest_call()).min();
        self.keys.sweep(oldest.unwrap_or_else(Instant::now));
        effects
    }

    fn take_in(&mut self, at: At, sign: Sign) {
        match sign {
            Sign::Call(ended) => self.call_ended(at, *ended),
            Sign::Published => self.publish(at),
            Sign::Woken => {
                debug!(step = "woken");
                self.follow_swap(at);
                self.observe_by(at, Instant::now());
            }
            Sign::Preview(request) => self.preview(at, request),
        }
    }

    fn alarms(&mut self) {
        let now = Instant::now();
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                // Without a lane it is gone.
                Timer::LoadBalancer(at, id) => self.bounds[at].lanes.look_again(&id),
                Timer::Addresses(at, id) => {
                    self.due.extend(self.bounds[at].translator.ingresses(&id).cloned());
                    self.look_at_moves_to(at, &id);
                }
                Timer::Ingress(ingress) => {
                    self.due.insert(ingress);
                }
                Timer::Move(ingress) => {
                    self.moving.insert(ingress);
                }
                Timer::Observe(at) => self.bounds[at].span.clone().in_scope(|| self.observe_if_due(at, now)),
                Timer::Resync => {
                    self.doubt_all();
                    let interval = self.resync.unwrap_or(Duration::MAX);
                    self.timers.set(now.checked_add(interval).unwrap_or_else(far_away), Timer::Resync);
                }
                Timer::Published(_) => {
                    self.all_due();
                    self.look_at_all_moves();
                }
                Timer::Status => {}
                Timer::Provider => {
                    for at in self.places() {
                        self.bounds[at].span.clone().in_scope(|| self.follow_swap(at));
                    }
                    self.timers.set(now + SWAP_CHECK, Timer::Provider);
                }
            }
        }
    }

    async fn leadership_changed(&mut self) {
        let leading = *self.leads.borrow_and_update() == Some(true);
        if leading == self.leading {
            // It became known that another replica leads.
            return self.stand_by();
        }
        let called: Vec<_> = self.places().map(|at| self.calls(at)).collect();
        self.leading = leading;
        self.metrics.leader.set(i64::from(leading));
        if leading {
            self.report_all();
            self.all_due();
        } else {
            // Whatever is under way must not outlive the lead.
            self.writes.shutdown().await;
            for subject in self.subjects.values_mut() {
                subject.status.interrupt();
            }
            self.due.clear();
        }
        for (at, called) in called.into_iter().enumerate() {
            if called && !self.calls(at) {
                self.leave(at).await;
            } else if !called && self.calls(at) && self.translated {
                self.take_over(at);
            }
        }
        self.look_at_all_moves();
        self.stand_by();
    }

    /// The provider is the new leader's from now on.
    async fn leave(&mut self, at: At) {
        let bound = &mut self.bounds[at];
        info!(provider = bound.name, "no longer leading: the provider is left to the new leader");
        bound.calls.shutdown().await;
        bound.lanes.clear();
        bound.refused.clear();
        bound.observing = false;
        bound.observe_at = None;
        for subject in self.subjects.values_mut() {
            subject.leave(at);
        }
    }

    pub(super) fn publish(&mut self, at: At) {
        if self.bounds[at].publish(Instant::now()) {
            self.all_due();
            self.look_at_all_moves();
            if let Some(moment) = self.bounds[at].published.grace_ends() {
                self.timers.set(moment, Timer::Published(at));
            }
        }
    }

    pub(super) fn all_due(&mut self) {
        self.due.extend(self.subjects.keys().cloned());
    }
}

/// The next sign of any provider. They take turns, so that one that has much to tell does not drown out the others.
async fn sign(bounds: &mut [Bound]) -> (At, Sign) {
    let signs = bounds.iter_mut().enumerate().map(|(at, bound)| bound.sign().map(move |sign| (at, sign)).boxed());
    let mut signs: Vec<_> = signs.collect();
    let first = fastrand::usize(..signs.len());
    signs.rotate_left(first);
    select_all(signs).await.0
}

fn far_away() -> Instant {
    Instant::now() + Duration::from_hours(24 * 365)
}
