//! The second and the third verb: what is wanted, and bringing the provider there.

use std::collections::BTreeSet;

use lb_model::{
    cluster::{Change, NamespacedName},
    tables::Configuration,
    translate::Translator,
    types::Scope,
};
use tokio::time::Instant;
use tracing::{debug, info};

use super::Controller;
use crate::{lane::Next, preview::Request, stores::Effects, timers::Timer};

impl Controller {
    /// Brings the desired state up to the stores, and marks the load balancers that it changed.
    pub(super) fn translate(&mut self, effects: Effects) {
        let changes = if self.translated {
            effects.changes
        } else if self.stores.complete() {
            [Change::Everything].into()
        } else {
            return;
        };
        if changes.is_empty() {
            return;
        }
        debug!(step = "translate", changes = changes.len());
        let since = effects.since.unwrap_or_else(Instant::now);
        let first = !std::mem::replace(&mut self.translated, true);
        let updated = self.translator.update(&self.stores, changes);
        self.metrics.load_balancers.set(i64::try_from(self.translator.load_balancers().count()).unwrap_or(i64::MAX));
        for ingress in &updated.ingresses {
            self.report_ingress(ingress);
        }
        self.report_streams();
        if first {
            info!(
                load_balancers = self.translator.load_balancers().count(),
                "all watches have listed; reconciling begins"
            );
            self.awaited = Some(self.translator.load_balancers().map(str::to_owned).collect());
            if self.calls_provider() {
                self.take_over();
                self.announce_readiness();
            } else {
                self.stand_by();
            }
        } else if self.calls_provider() {
            for ingress in updated.ingresses {
                self.join(ingress);
            }
            for id in &updated.load_balancers {
                self.lanes.look_at(id).change(since);
            }
        } else {
            self.due.extend(updated.ingresses);
        }
    }

    /// Begins the calls that can begin.
    pub(super) fn apply(&mut self) {
        if self.translated && self.calls_provider() {
            while let Some(id) = self.lanes.pop() {
                self.advance(&id);
            }
        }
    }

    fn advance(&mut self, id: &str) {
        let now = Instant::now();
        let desired = self.translator.desired(id);
        let Some(lane) = self.lanes.get_mut(id) else { return };
        match lane.begin(desired, self.descriptor.change_sets, now) {
            Next::Idle => {}
            Next::Wait(moment) => self.timers.set(moment, Timer::LoadBalancer(id.to_owned())),
            Next::InSync(joined) => {
                self.joined(id, joined);
                self.settled(id);
            }
            Next::Apply { change, step, lag } => {
                if let Some(lag) = lag {
                    self.metrics.lag(lag);
                }
                self.call_apply(id, *change, step);
            }
            Next::Remove => self.call_remove(id),
        }
    }

    /// An Ingress of ours, or one that was, changed its place.
    fn join(&mut self, ingress: NamespacedName) {
        match self.translator.load_balancer_of(&ingress).map(str::to_owned) {
            Some(id) => self.lanes.look_at(&id).join(ingress),
            None => {
                self.due.insert(ingress);
            }
        }
    }

    /// The provider is ours from now on: everything is applied completely.
    pub(super) fn take_over(&mut self) {
        let now = Instant::now();
        let ids: Vec<_> = self.translator.load_balancers().map(str::to_owned).collect();
        for id in ids {
            let lane = self.lanes.look_at(&id);
            lane.doubt();
            lane.change(now);
            for ingress in self.translator.ingresses(&id) {
                lane.join(ingress.clone());
            }
        }
        if self.descriptor.observe_interval > 0 {
            self.observe_by(now);
        }
    }

    /// A replica that waits for the lead of another to end is as ready as it can be.
    pub(super) fn stand_by(&mut self) {
        let knows = self.leads.borrow().is_some();
        if knows && self.translated && !self.calls_provider() && self.awaited.is_some() {
            self.awaited = Some(BTreeSet::new());
            self.announce_readiness();
        }
    }

    /// Nothing is taken for granted any more: the next apply of each load balancer is complete.
    pub(super) fn doubt_all(&mut self) {
        for id in self.lanes.ids() {
            self.lanes.look_at(&id).doubt();
        }
    }

    /// The provider may be another one since the last look: then everything is translated for it, and applied completely.
    pub(super) fn follow_swap(&mut self) {
        let (descriptor, swaps) = (self.provider.descriptor(), self.provider.swaps());
        if descriptor == self.descriptor && swaps == self.swaps {
            return;
        }
        self.swaps = swaps;
        info!(
            provider = descriptor.name,
            version = descriptor.version,
            "the provider was swapped: everything is applied anew"
        );
        let called = self.calls_provider();
        self.translator = Translator::new(self.translate_options.clone(), descriptor.clone());
        self.descriptor = descriptor;
        if !self.translated {
            return;
        }
        let updated = self.translator.update(&self.stores, [Change::Everything]);
        self.report_streams();
        // Ingresses that have nothing wrong any more are in no update of a new translator.
        let known: Vec<_> = self.subjects.keys().cloned().collect();
        for ingress in known.iter().chain(&updated.ingresses) {
            self.report_ingress(ingress);
        }
        self.all_due();
        if self.calls_provider() {
            self.take_over();
            // What only the old translation wanted is removed.
            self.doubt_all();
        } else if called {
            self.lanes.clear();
        }
    }

    /// What a provider with this descriptor would get. Without an answer the one who asks knows that it is too early.
    pub(super) fn preview(&self, request: Request) {
        if !self.translated {
            return;
        }
        let mut translator = Translator::new(self.translate_options.clone(), request.descriptor);
        translator.update(&self.stores, [Change::Everything]);
        let desired = translator.load_balancers().filter_map(|id| translator.desired(id));
        // Whoever asked may have given up.
        let _gone = request.reply.send(desired.map(Configuration::complete).collect());
    }

    /// A first call ended well, or, where a load balancer is that of a single object, ended.
    pub(super) fn settled(&mut self, id: &str) {
        if self.awaited.as_mut().is_some_and(|awaited| awaited.remove(id)) {
            self.announce_readiness();
        }
    }

    pub(super) fn settled_by_failure(&mut self, id: &str) {
        if self.descriptor.scope == Scope::PerObject {
            self.settled(id);
        }
    }

    fn announce_readiness(&mut self) {
        if self.awaited.as_ref().is_some_and(BTreeSet::is_empty) {
            info!("ready");
            self.ready.announce();
            // Once is enough.
            self.awaited = None;
        }
    }
}
