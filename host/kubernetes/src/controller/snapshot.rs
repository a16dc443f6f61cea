//! The first verb: taking in what arrived, until the state is the cluster's again.

use std::{panic::resume_unwind, time::Duration};

use tokio::{task::JoinError, time::sleep_until};
use tracing::{debug, info};

use super::{Controller, SWAP_CHECK, calls::Ended};
use crate::{
    preview::Request,
    status::{Written, writer::Write},
    stores::{Effects, Notice},
    timers::Timer,
};

/// Notices that one turn takes in at most.
const BATCH: usize = 1024;

/// What woke the controller.
pub(super) enum Arrival {
    Notices(Vec<Notice>),
    Call(Ended),
    Write(Write, Written),
    Leadership,
    Published,
    /// The provider was told that its load balancers may have changed.
    Woken,
    /// Somebody asks what another provider would get.
    Preview(Request),
    Timer,
}

impl Controller {
    /// Waits until something happens.
    pub(super) async fn arrival(&mut self) -> Arrival {
        let alarm = self.timers.next();
        let mut notices = Vec::new();
        tokio::select! {
            _ = self.notices.recv_many(&mut notices, BATCH) => Arrival::Notices(notices),
            Some(ended) = self.calls.join_next() => Arrival::Call(undisturbed(ended)),
            Some(ended) = self.writes.join_next() => {
                let (write, written) = undisturbed(ended);
                Arrival::Write(write, written)
            }
            Ok(()) = self.leads.changed() => Arrival::Leadership,
            Ok(()) = self.published_updates.changed() => Arrival::Published,
            () = self.provider.woken() => Arrival::Woken,
            Some(request) = self.previews.next() => Arrival::Preview(request),
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
            }
            Arrival::Call(ended) => self.call_ended(ended),
            Arrival::Write(write, written) => self.status_written(&write, written),
            Arrival::Leadership => self.leadership_changed().await,
            Arrival::Published => self.publish(),
            Arrival::Woken => {
                debug!(step = "woken");
                self.follow_swap();
                self.observe_by(tokio::time::Instant::now());
            }
            Arrival::Preview(request) => self.preview(request),
            Arrival::Timer => {}
        }
        self.alarms();
        let now = tokio::time::Instant::now();
        self.keys.sweep(self.lanes.oldest_call().unwrap_or(now));
        effects
    }

    fn alarms(&mut self) {
        let now = tokio::time::Instant::now();
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                // Without a lane it is gone.
                Timer::LoadBalancer(id) => self.lanes.look_again(&id),
                Timer::Addresses(id) => self.due.extend(self.translator.ingresses(&id).cloned()),
                Timer::Ingress(ingress) => {
                    self.due.insert(ingress);
                }
                Timer::Observe => self.observe_if_due(now),
                Timer::Resync => {
                    self.doubt_all();
                    let interval = self.resync.unwrap_or(Duration::MAX);
                    self.timers.set(now.checked_add(interval).unwrap_or_else(far_away), Timer::Resync);
                }
                Timer::Published => self.all_due(),
                Timer::Status => {}
                Timer::Provider => {
                    self.follow_swap();
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
        let called = self.calls_provider();
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
        if called && !self.calls_provider() {
            info!("no longer leading: the provider is left to the new leader");
            self.calls.shutdown().await;
            self.lanes.clear();
            self.refused.clear();
            self.observing = false;
            self.observe_at = None;
            for subject in self.subjects.values_mut() {
                subject.live = None;
            }
        } else if !called && self.calls_provider() && self.translated {
            self.take_over();
        }
        self.stand_by();
    }

    fn publish(&mut self) {
        let now = tokio::time::Instant::now();
        let addresses = self.published_updates.borrow_and_update().clone();
        if self.published.report(addresses.unwrap_or_default(), now) {
            self.all_due();
            if let Some(moment) = self.published.grace_ends() {
                self.timers.set(moment, Timer::Published);
            }
        }
    }

    pub(super) fn all_due(&mut self) {
        self.due.extend(self.subjects.keys().cloned());
    }
}

/// Tasks here are only ever aborted together with the set that they are in, so an error is a panic of ours.
fn undisturbed<T>(ended: Result<T, JoinError>) -> T {
    ended.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}

fn far_away() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_hours(24 * 365)
}
