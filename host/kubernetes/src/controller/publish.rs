//! The fourth verb: where users connect, in the status of their Ingresses.

use std::sync::Arc;

use lb_model::cluster::NamespacedName;
use tokio::time::Instant;

use super::{Controller, report::KINDS};
use crate::{
    status::{
        Decision, Status, Target, Written,
        writer::{self, Write},
    },
    timers::{At, Timer},
};

/// Status writes at the same time.
const WRITES: usize = 8;

/// Statuses that one turn looks at, so that a change of all does not hold up a change of one.
const LOOKS: usize = 256;

/// What we remember of an Ingress that is, or was, ours.
#[derive(Debug, Default)]
pub(super) struct Subject {
    uid: Box<str>,
    /// The load balancers whose applied state it is part of, of each provider one at most.
    live: Vec<(At, Arc<str>)>,
    said: Said,
    /// How many notices of each of [`KINDS`] the metrics count.
    pub(super) counted: [usize; KINDS.len()],
    pub(super) status: Status,
}

/// What the owner of an Ingress last heard.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Said {
    #[default]
    Nothing,
    Rejected,
    /// That this provider serves it.
    Synced(At),
}

impl Subject {
    /// The load balancer of a provider that serves it.
    pub(super) fn live(&self, at: At) -> Option<&Arc<str>> {
        self.live.iter().find(|(live, _)| *live == at).map(|(_, load_balancer)| load_balancer)
    }

    fn join(&mut self, at: At, load_balancer: Arc<str>) {
        self.leave(at);
        self.live.push((at, load_balancer));
    }

    /// A provider serves it no longer.
    pub(super) fn leave(&mut self, at: At) {
        self.live.retain(|(live, _)| *live != at);
    }
}

impl Controller {
    /// Looks at the Ingresses that are due, as long as a write may begin.
    pub(super) fn status(&mut self) {
        if !self.leading || !self.translated {
            // Who comes to lead looks at all of them.
            self.due.clear();
        }
        for _ in 0..LOOKS {
            if self.writes.len() >= WRITES {
                return;
            }
            let Some(ingress) = self.due.pop_first() else { return };
            self.look_at_status(&ingress);
        }
        self.timers.set(Instant::now(), Timer::Status);
    }

    fn look_at_status(&mut self, key: &NamespacedName) {
        let now = Instant::now();
        let at = self.shown(key, now);
        let (target, rejected) = self.target(key, at, now);
        let Some(record) = self.stores.ingress_record(key) else { return self.forget(key) };
        let Some(subject) = self.subjects.get_mut(key) else { return };
        let uid = &*record.uid;
        if *subject.uid != *uid {
            // The name lives on, for another object.
            *subject = Subject {
                uid: uid.into(),
                live: std::mem::take(&mut subject.live),
                counted: subject.counted,
                ..Subject::default()
            };
        }
        let decision = subject.status.decide(record, &target, now);
        let served = at.and_then(|at| Some((at, subject.live(at)?.clone())));
        match served {
            _ if rejected => subject.said = Said::Rejected,
            Some((at, load_balancer)) if subject.said != Said::Synced(at) => {
                let right = matches!(&target, Target::Addresses(wanted) if **wanted == *record.addresses);
                // After a restart, a status that is right already says that our predecessor announced it.
                let predecessor = right && subject.said == Said::Nothing;
                subject.said = Said::Synced(at);
                if !predecessor {
                    self.announce(at, key, uid, &load_balancer);
                }
            }
            _ => {}
        }
        match decision {
            Decision::Nothing if target == Target::Nothing => self.forget_unless_busy(key),
            Decision::Nothing => {}
            Decision::Wait(moment) => self.timers.set(moment, Timer::Ingress(key.clone())),
            Decision::Write(addresses) => self.write(Write { ingress: key.clone(), addresses, only_if: None }),
            Decision::Clear => {
                let only_if = Some(record.resource_version.clone());
                self.write(Write { ingress: key.clone(), addresses: Arc::default(), only_if });
            }
        }
    }

    /// The addresses that an Ingress should show, those of its load balancer at this provider, and whether it is rejected.
    fn target(&self, key: &NamespacedName, at: Option<At>, now: Instant) -> (Target, bool) {
        let Some(at) = at else { return (Target::Nothing, false) };
        let Some(id) = self.bounds[at].translator.load_balancer_of(key) else { return (Target::Nothing, false) };
        let rejected = self.responsible(key).is_some_and(|responsible| self.is_rejected(responsible, key));
        let live = self.subjects.get(key).and_then(|subject| subject.live(at)).is_some_and(|live| **live == *id);
        if !live || self.bounds[at].lanes.get(id).is_none() {
            return (Target::Leave, rejected);
        }
        let addresses = self.bounds[at].addresses(id, now);
        (addresses.map_or(Target::Leave, Target::Addresses), rejected)
    }

    /// These Ingresses are part of what is applied now.
    pub(super) fn joined(&mut self, at: At, id: &str, ingresses: impl IntoIterator<Item = NamespacedName>) {
        let id: Arc<str> = id.into();
        for ingress in ingresses {
            // It may have left again while the call was under way.
            if self.bounds[at].translator.load_balancer_of(&ingress) == Some(&*id) {
                self.subjects.entry(ingress.clone()).or_default().join(at, id.clone());
                self.due.insert(ingress);
            }
        }
    }

    fn write(&mut self, write: Write) {
        let (client, metrics) = (self.client.clone(), self.metrics.clone());
        self.writes.spawn(async move {
            let written = writer::write(client, &write, &metrics).await;
            (write, written)
        });
    }

    pub(super) fn status_written(&mut self, write: &Write, written: Written) {
        let Some(subject) = self.subjects.get_mut(&write.ingress) else { return };
        if let Some(moment) = subject.status.written(write.addresses.clone(), written, Instant::now()) {
            self.timers.set(moment, Timer::Ingress(write.ingress.clone()));
        }
        // The target may be another one by now.
        self.due.insert(write.ingress.clone());
    }

    fn forget_unless_busy(&mut self, key: &NamespacedName) {
        if self.subjects.get(key).is_some_and(|subject| !subject.status.is_writing()) {
            self.forget(key);
        }
    }

    pub(super) fn forget(&mut self, key: &NamespacedName) {
        if let Some(subject) = self.subjects.remove(key) {
            self.count(subject.counted, Default::default());
        }
    }
}
