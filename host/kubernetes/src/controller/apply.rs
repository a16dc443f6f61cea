//! The second and the third verb: what is wanted, and bringing the provider there.

use std::collections::BTreeSet;

use lb_model::{
    cluster::{Change, NamespacedName},
    tables::Configuration,
    translate::Updated,
    types::{Placement, Scope},
};
use tokio::time::Instant;
use tracing::{debug, info};

use super::{Controller, bound::Bound};
use crate::{
    lane::Next,
    preview::Request,
    stores::Effects,
    timers::{At, Timer},
};

impl Controller {
    /// Brings the desired state of every provider up to the stores, and marks the load balancers that it changed.
    pub(super) fn translate(&mut self, effects: Effects) {
        let first = !self.translated;
        let changes = if !first {
            effects.changes
        } else if self.stores.complete() && self.bounds.iter().all(Bound::knows_published) {
            [Change::Everything].into()
        } else {
            return;
        };
        if changes.is_empty() && self.moving.is_empty() {
            return;
        }
        debug!(step = "translate", changes = changes.len());
        let since = effects.since.unwrap_or_else(Instant::now);
        let update = |bound: &mut Bound| bound.translator.update(&self.stores, changes.iter().cloned());
        let mut updates: Vec<_> = self.bounds.iter_mut().map(update).collect();
        self.translated = true;
        if changes.contains(&Change::IngressClasses) || first {
            self.report_classes();
        }
        self.move_ingresses(&mut updates);
        for (at, updated) in updates.into_iter().enumerate() {
            self.bounds[at].span.clone().in_scope(|| self.follow(at, updated, first, since));
        }
        if first {
            self.stand_by();
            self.announce_readiness();
        }
    }

    /// Marks what an update changed.
    pub(super) fn follow(&mut self, at: At, updated: Updated, first: bool, since: Instant) {
        let load_balancers = self.bounds[at].translator.load_balancers().count();
        self.metrics.load_balancers(&self.bounds[at].name, load_balancers);
        for ingress in &updated.ingresses {
            self.report_ingress(ingress);
        }
        self.report_streams(at);
        if first {
            info!(load_balancers, "all watches have listed; reconciling begins");
            if self.calls(at) {
                self.take_over(at);
            }
            self.bounds[at].awaited = Some(self.bounds[at].translator.load_balancers().map(str::to_owned).collect());
        } else if self.calls(at) {
            for ingress in updated.ingresses {
                self.join(at, ingress);
            }
            for id in &updated.load_balancers {
                self.bounds[at].lanes.look_at(id).change(since);
            }
        } else {
            self.due.extend(updated.ingresses);
        }
    }

    /// Begins the calls that can begin.
    pub(super) fn apply(&mut self) {
        for at in self.places() {
            if self.translated && self.calls(at) {
                let span = self.bounds[at].span.clone();
                let _entered = span.enter();
                while let Some(id) = self.bounds[at].lanes.pop() {
                    self.advance(at, &id);
                }
            }
        }
    }

    fn advance(&mut self, at: At, id: &str) {
        let now = Instant::now();
        let bound = &mut self.bounds[at];
        let desired = bound.translator.desired(id);
        let Some(lane) = bound.lanes.get_mut(id) else { return };
        match lane.begin(desired, bound.descriptor.change_sets, now) {
            Next::Idle => {}
            Next::Wait(moment) => self.timers.set(moment, Timer::LoadBalancer(at, id.to_owned())),
            Next::InSync(joined) => {
                self.joined(at, id, joined);
                self.settled(at, id);
                self.look_at_moves_to(at, id);
            }
            Next::Apply { change, step, lag } => {
                if let Some(lag) = lag {
                    self.metrics.lag(lag);
                }
                self.call_apply(at, id, *change, step);
            }
            Next::Remove => self.call_remove(at, id),
        }
    }

    /// An Ingress of ours, or one that was, changed its place.
    fn join(&mut self, at: At, ingress: NamespacedName) {
        let bound = &mut self.bounds[at];
        match bound.translator.load_balancer_of(&ingress).map(str::to_owned) {
            Some(id) => bound.lanes.look_at(&id).join(ingress),
            None => {
                self.due.insert(ingress);
            }
        }
    }

    /// The provider is ours from now on: everything is applied completely.
    pub(super) fn take_over(&mut self, at: At) {
        let now = Instant::now();
        self.hold_what_the_statuses_show(at, now);
        let bound = &mut self.bounds[at];
        let ids: Vec<_> = bound.translator.load_balancers().map(str::to_owned).collect();
        for id in ids {
            let lane = bound.lanes.look_at(&id);
            lane.doubt();
            lane.change(now);
            for ingress in bound.translator.ingresses(&id) {
                lane.join(ingress.clone());
            }
        }
        if bound.descriptor.observe_interval > 0 {
            self.observe_by(at, now);
        }
    }

    /// A replica that waits for the lead of another to end is as ready as it can be.
    pub(super) fn stand_by(&mut self) {
        if self.leads.borrow().is_none() || !self.translated {
            return;
        }
        for at in self.places() {
            if !self.calls(at) {
                self.bounds[at].awaited = Some(BTreeSet::new());
            }
        }
        self.announce_readiness();
    }

    /// Nothing is taken for granted any more: the next apply of each load balancer is complete.
    pub(super) fn doubt_all(&mut self) {
        self.places().for_each(|at| self.doubt(at));
    }

    fn doubt(&mut self, at: At) {
        let lanes = &mut self.bounds[at].lanes;
        for id in lanes.ids() {
            lanes.look_at(&id).doubt();
        }
    }

    /// The provider may be another one since the last look: then everything is translated for it, and applied completely.
    pub(super) fn follow_swap(&mut self, at: At) {
        let may_call = self.leading;
        let bound = &mut self.bounds[at];
        let (descriptor, swaps) = (bound.provider.descriptor(), bound.provider.swaps());
        if descriptor == bound.descriptor && swaps == bound.swaps {
            return;
        }
        bound.swaps = swaps;
        info!(
            provider = descriptor.name,
            version = descriptor.version,
            "the provider was swapped: everything is applied anew"
        );
        let called = may_call || bound.descriptor.placement == Placement::EveryReplica;
        bound.translator = bound.translator_for(descriptor.clone());
        bound.descriptor = descriptor;
        if !self.translated {
            return;
        }
        let updated = bound.translator.update(&self.stores, [Change::Everything]);
        self.report_streams(at);
        // Ingresses that have nothing wrong any more are in no update of a new translator.
        let known: Vec<_> = self.subjects.keys().cloned().collect();
        for ingress in known.iter().chain(&updated.ingresses) {
            self.report_ingress(ingress);
        }
        self.all_due();
        if self.calls(at) {
            self.take_over(at);
            // What only the old translation wanted is removed.
            self.doubt(at);
        } else if called {
            self.bounds[at].lanes.clear();
        }
    }

    /// What a provider with this descriptor would get. Without an answer the one who asks knows that it is too early.
    pub(super) fn preview(&self, at: At, request: Request) {
        if !self.translated {
            return;
        }
        let mut translator = self.bounds[at].translator_for(request.descriptor);
        translator.update(&self.stores, [Change::Everything]);
        let desired = translator.load_balancers().filter_map(|id| translator.desired(id));
        // Whoever asked may have given up.
        let _gone = request.reply.send(desired.map(Configuration::complete).collect());
    }

    /// A first call ended well, or, where a load balancer is that of a single object, ended.
    pub(super) fn settled(&mut self, at: At, id: &str) {
        if self.bounds[at].awaited.as_mut().is_some_and(|awaited| awaited.remove(id)) {
            self.announce_readiness();
        }
    }

    pub(super) fn settled_by_failure(&mut self, at: At, id: &str) {
        if self.bounds[at].descriptor.scope == Scope::PerObject {
            self.settled(at, id);
        }
    }

    fn announce_readiness(&mut self) {
        let settled = |bound: &Bound| bound.awaited.as_ref().is_some_and(BTreeSet::is_empty);
        if !self.announced && self.bounds.iter().all(settled) {
            info!("ready");
            self.ready.announce();
            self.announced = true;
        }
    }
}
