//! Ingresses that move from one provider to another: the new one first, then the status, then the old one goes.
//!
//! ```text
//! class:    A --> B
//! B:              applied - ready - settled -------------------->
//! status:   A's ----------------------------- B's -------------->
//! A:        served ------------------------------- linger - removed
//! ```
//!
//! The status is the record of it. While it shows A, A holds the Ingress; that holds after a restart as well, when nothing
//! else is known, and on replicas that do not call B. A provider with a load balancer for each object needs no such
//! record: it has the load balancer, and says so when it is observed.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use lb_model::{
    cluster::{Change, Cluster, NamespacedName},
    translate::{ClassSelection, Updated},
    types::{Address, Observed, Scope},
};
use tokio::time::Instant;
use tracing::{debug, info};

use super::{Controller, report::reference};
use crate::{
    events::{Finding, Origin, action, reason},
    lane::Lane,
    timers::{At, Timer},
};

/// How long a provider has served an Ingress before clients are sent there: a data plane takes a moment to do everywhere
/// what it was told, as nginx whose former workers accept connections for a while after a reload.
const SETTLED: Duration = Duration::from_secs(2);

/// What becomes of an Ingress at a provider that holds it.
enum Verdict {
    /// It stays; if something is wrong with its new provider, this.
    Stay(Option<String>),
    /// The new provider serves it and the status says so; it goes at this moment.
    Linger(Instant),
    Go,
}

impl Controller {
    /// The provider that serves the class of an Ingress.
    fn home(&self, key: &NamespacedName) -> Option<At> {
        let wants = |at: &At| {
            let bound = &self.bounds[*at];
            !bound.holds(key) && bound.translator.load_balancer_of(key).is_some()
        };
        self.places().find(wants)
    }

    fn holders(&self, key: &NamespacedName) -> impl Iterator<Item = At> {
        self.places().filter(|at| self.bounds[*at].holds(key))
    }

    /// The provider whose opinion of an Ingress its owner hears.
    pub(super) fn responsible(&self, key: &NamespacedName) -> Option<At> {
        self.home(key).or_else(|| self.holders(key).next())
    }

    /// The provider whose addresses the status of an Ingress shows.
    pub(super) fn shown(&self, key: &NamespacedName, now: Instant) -> Option<At> {
        let home = self.home(key);
        let mut holders = self.holders(key).peekable();
        let Some(first) = holders.peek().copied() else { return home };
        if let Some(home) = home
            && self.has_settled(home, key, now)
            && (self.bounds[home].shows_nothing() || self.addresses_at(home, key, now).is_some_and(|it| !it.is_empty()))
        {
            return Some(home);
        }
        let record = self.stores.ingress_record(key)?;
        let shows = |at: &At| self.addresses_at(*at, key, now).is_some_and(|addresses| *addresses == *record.addresses);
        holders.find(shows).or(Some(first))
    }

    fn addresses_at(&self, at: At, key: &NamespacedName, now: Instant) -> Option<Arc<[Address]>> {
        let bound = &self.bounds[at];
        bound.addresses(bound.translator.load_balancer_of(key)?, now)
    }

    /// Whether an Ingress is part of what a provider has applied.
    fn is_live(&self, at: At, key: &NamespacedName) -> bool {
        let Some(id) = self.bounds[at].translator.load_balancer_of(key) else { return false };
        self.subjects.get(key).and_then(|subject| subject.live(at)).is_some_and(|live| **live == *id)
    }

    /// Whether clients may have been sent to a provider before a restart, so that it serves an Ingress though it has not
    /// applied it since.
    fn may_be_shown(&self, at: At, key: &NamespacedName, now: Instant) -> bool {
        let Some(record) = self.stores.ingress_record(key) else { return false };
        let shown = |own: Arc<[Address]>| *own == *record.addresses;
        !record.addresses.is_empty() && self.addresses_at(at, key, now).is_none_or(shown)
    }

    /// Whether a provider serves an Ingress, as well as its holders do.
    fn serves(&self, at: At, key: &NamespacedName) -> bool {
        let bound = &self.bounds[at];
        let lane = bound.translator.load_balancer_of(key).and_then(|id| bound.lanes.get(id));
        let refused = self.is_rejected(at, key) && !self.holders(key).any(|holder| self.is_rejected(holder, key));
        self.is_live(at, key) && lane.is_some_and(Lane::is_ready) && !refused
    }

    /// Whether it has done so for a while. Once clients were sent there, a change that is under way does not call them back.
    fn has_settled(&self, at: At, key: &NamespacedName, now: Instant) -> bool {
        if self.bounds.iter().any(|bound| bound.lingering.contains_key(key)) {
            return self.is_live(at, key);
        }
        self.serves(at, key) && self.bounds[at].arrived.get(key).is_some_and(|since| now >= *since + SETTLED)
    }

    /// Notes whether an Ingress that others hold is served at its new home.
    fn note_arrival(&mut self, key: &NamespacedName, now: Instant) {
        let home = self.home(key).filter(|home| self.serves(*home, key) && self.holders(key).next().is_some());
        for at in self.places() {
            let arrived = &mut self.bounds[at].arrived;
            if Some(at) == home {
                let settled = *arrived.entry(key.clone()).or_insert(now) + SETTLED;
                if now < settled {
                    self.timers.set(settled, Timer::Move(key.clone()));
                }
            } else {
                arrived.remove(key);
            }
        }
    }

    /// Lets go of the Ingresses that have moved; each provider's update grows by what that changes.
    pub(super) fn move_ingresses(&mut self, updates: &mut [Updated]) {
        if updates.len() < 2 {
            return;
        }
        let now = Instant::now();
        for (at, updated) in updates.iter_mut().enumerate() {
            for key in std::mem::take(&mut updated.held) {
                if self.calls(at) && (self.is_live(at, &key) || self.may_be_shown(at, &key, now)) {
                    info!(ingress = %key, provider = self.bounds[at].name, "its class changed; it is held for now");
                    self.moving.insert(key);
                } else {
                    // There is nothing to go on with.
                    updated.extend(self.let_go(at, &key));
                }
            }
            self.moving.extend(updated.ingresses.iter().cloned());
        }
        let keys = std::mem::take(&mut self.moving);
        for key in &keys {
            for bound in self.bounds.iter_mut().filter(|bound| !bound.holds(key)) {
                bound.lingering.remove(key);
            }
            self.note_arrival(key, now);
            let holders: Vec<_> = self.holders(key).collect();
            let mut problems = Vec::new();
            for at in holders {
                match self.verdict(at, key, now) {
                    Verdict::Stay(problem) => {
                        self.bounds[at].lingering.remove(key);
                        problems.extend(problem.map(|problem| (at, problem)));
                    }
                    Verdict::Linger(until) => self.timers.set(until, Timer::Move(key.clone())),
                    Verdict::Go => {
                        info!(ingress = %key, provider = self.bounds[at].name, "it is held no longer");
                        updates[at].extend(self.let_go(at, key));
                    }
                }
                self.due.insert(key.clone());
            }
            self.report_move(key, problems);
        }
        if !keys.is_empty() {
            for bound in &self.bounds {
                self.metrics.held(&bound.name, bound.translator.held().len());
            }
        }
    }

    fn let_go(&mut self, at: At, key: &NamespacedName) -> Updated {
        self.bounds[at].lingering.remove(key);
        if let Some(subject) = self.subjects.get_mut(key) {
            subject.leave(at);
        }
        self.bounds[at].translator.release(key, &self.stores)
    }

    fn verdict(&mut self, at: At, key: &NamespacedName, now: Instant) -> Verdict {
        if !self.calls(at) {
            return Verdict::Go;
        }
        let Some(home) = self.home(key) else {
            let unbound = self.bounds[at].translator.is_unbound(key, &self.stores);
            let problem = || Verdict::Stay(Some("its class is bound to no provider".to_owned()));
            return if unbound { problem() } else { Verdict::Go };
        };
        if self.has_moved(at, home, key, now) {
            let since = *self.bounds[at].lingering.entry(key.clone()).or_insert(now);
            let until = since + self.linger;
            return if now < until { Verdict::Linger(until) } else { Verdict::Go };
        }
        let bound = &self.bounds[home];
        let fails = bound.translator.load_balancer_of(key).and_then(|id| bound.lanes.get(id)).is_some_and(Lane::fails);
        Verdict::Stay(if self.is_rejected(home, key) {
            Some(format!("provider {} refuses it", bound.name))
        } else if fails {
            Some(format!("provider {} fails", bound.name))
        } else {
            None
        })
    }

    /// Whether an Ingress is served at its new home, and its status says so.
    fn has_moved(&self, from: At, home: At, key: &NamespacedName, now: Instant) -> bool {
        let Some(record) = self.stores.ingress_record(key) else { return true };
        let shown = |addresses: Option<Arc<[Address]>>| addresses.is_some_and(|it| *it == *record.addresses);
        if !self.calls(home) {
            // The leader knows, and tells by the status.
            return !record.addresses.is_empty() && !shown(self.addresses_at(from, key, now));
        }
        self.has_settled(home, key, now)
            && match self.addresses_at(home, key, now) {
                Some(addresses) if !addresses.is_empty() => *addresses == *record.addresses,
                _ => self.bounds[home].shows_nothing(),
            }
    }

    fn report_move(&mut self, key: &NamespacedName, problems: Vec<(At, String)>) {
        let uid = self.stores.ingress_record(key).map(|record| record.uid.to_string()).unwrap_or_default();
        let finding = |(at, problem): (At, String)| Finding {
            object: reference("Ingress", key, &uid),
            reason: reason::NOT_MOVED,
            action: action::APPLY,
            field: String::new(),
            message: format!("it stays with provider {}: {problem}", self.bounds[at].name),
            breach: None,
        };
        let findings: Vec<_> = problems.into_iter().map(finding).collect();
        self.report(&Origin::Move(key.clone()), &findings);
    }

    /// Tells which classes of our controller none of its providers serves.
    pub(super) fn report_classes(&mut self) {
        let Some(bound) = self.bounds.first() else { return };
        let ClassSelection::Bound { bindings, .. } = &bound.translate_options.classes else { return };
        let problems = bindings.problems(&bound.translate_options.controller_name, &self.stores.ingress_classes());
        let finding = |problem| Finding { action: action::TRANSLATE, ..Finding::refused(problem) };
        let findings: Vec<_> = problems.iter().map(finding).collect();
        self.report(&Origin::Classes, &findings);
    }

    /// Something changed at the new home of these Ingresses.
    pub(super) fn look_at_moves_to(&mut self, home: At, load_balancer: &str) {
        let held = |bound: &super::Bound| !bound.translator.held().is_empty();
        if self.bounds.iter().any(held) {
            let ingresses = self.bounds[home].translator.ingresses(load_balancer);
            self.moving.extend(ingresses.cloned());
        }
    }

    /// The statuses of these Ingresses changed, or they themselves.
    pub(super) fn look_at_moves_of(&mut self, ingresses: &BTreeSet<NamespacedName>) {
        let held = ingresses.iter().filter(|key| self.bounds.iter().any(|bound| bound.holds(key)));
        self.moving.extend(held.cloned());
    }

    pub(super) fn look_at_all_moves(&mut self) {
        for bound in &self.bounds {
            self.moving.extend(bound.translator.held().iter().cloned());
        }
    }

    /// A provider that is about to apply all it has must not leave out what it served before a restart: what the statuses
    /// show it to serve still, though another one has the class.
    pub(super) fn hold_what_the_statuses_show(&mut self, at: At, now: Instant) {
        let bound = &self.bounds[at];
        if bound.alone || bound.descriptor.scope == Scope::PerObject {
            return;
        }
        let Some(own) = bound.published(now).filter(|own| !own.is_empty()) else { return };
        let shows_it = |key: &NamespacedName| match self.home(key) {
            // Two that publish the same address cannot be told apart.
            Some(home) => home != at && self.bounds[home].published(now).as_ref() != Some(&own),
            None => !bound.holds(key) && bound.translator.is_unbound(key, &self.stores),
        };
        let shown = self.stores.ingress_records().filter(|(_, record)| *record.addresses == *own);
        let keys: Vec<_> = shown.map(|(key, _)| key).filter(|key| shows_it(key)).cloned().collect();
        if keys.is_empty() {
            return;
        }
        info!(ingresses = keys.len(), "some were about to move to another provider; they are held for now");
        self.moving.extend(keys.iter().cloned());
        let bound = &mut self.bounds[at];
        bound.translator.hold(keys.iter().cloned());
        let updated = bound.translator.update(&self.stores, keys.into_iter().map(Change::Ingress));
        for ingress in &updated.ingresses {
            self.report_ingress(ingress);
        }
    }

    /// Whether a provider has the load balancer of an Ingress that was on its way to another one when we started.
    pub(super) fn is_left_by_a_move(&self, at: At, id: &str, observed: &Observed, now: Instant) -> bool {
        let bound = &self.bounds[at];
        if bound.alone || bound.descriptor.scope != Scope::PerObject {
            return false;
        }
        let Some(key) = name(id) else { return false };
        let Some(record) = self.stores.ingress_record(&key) else { return false };
        if record.addresses.is_empty() || observed.owner_uid.as_deref() != Some(&*record.uid) {
            return false;
        }
        match self.home(&key) {
            Some(home) if home == at => false,
            Some(home) => self.addresses_at(home, &key, now).is_none_or(|shown| *shown != *record.addresses),
            None => bound.translator.is_unbound(&key, &self.stores),
        }
    }

    /// Has a provider serve an Ingress of another one's class.
    pub(super) fn hold(&mut self, at: At, id: &str, now: Instant) {
        let Some(key) = name(id) else { return };
        debug!(ingress = %key, "its load balancer is held until another provider serves it");
        let bound = &mut self.bounds[at];
        bound.translator.hold([key.clone()]);
        let updated = bound.translator.update(&self.stores, [Change::Ingress(key.clone())]);
        self.moving.insert(key);
        self.follow(at, updated, false, now);
    }
}

/// The Ingress of a load balancer for a single one.
fn name(id: &str) -> Option<NamespacedName> {
    id.split_once('/').map(|(namespace, name)| NamespacedName::new(namespace, name))
}
