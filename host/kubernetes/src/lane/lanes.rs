//! All load balancers, and whose turn it is.

use std::collections::{BTreeSet, HashMap, VecDeque};

use tokio::time::Instant;

use super::Lane;

/// Calls at the same time.
const CONCURRENCY: usize = 16;

/// The lanes by load balancer. Those with something to do queue; each stands in the queue once.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    by_id: HashMap<String, Lane>,
    queue: VecDeque<String>,
    queued: BTreeSet<String>,
    /// Calls under way, and when they began.
    in_flight: HashMap<String, Instant>,
}

impl Lanes {
    /// The lane of a load balancer; a new one if there is none yet. It gets a look soon.
    pub(crate) fn look_at(&mut self, id: &str) -> &mut Lane {
        if self.queued.insert(id.to_owned()) {
            self.queue.push_back(id.to_owned());
        }
        self.by_id.entry(id.to_owned()).or_default()
    }

    /// The lane gets a look soon, if it is still there.
    pub(crate) fn look_again(&mut self, id: &str) {
        if self.by_id.contains_key(id) {
            self.look_at(id);
        }
    }

    /// The next load balancer to look at, while another call may begin.
    pub(crate) fn pop(&mut self) -> Option<String> {
        if self.in_flight.len() >= CONCURRENCY {
            return None;
        }
        let id = self.queue.pop_front()?;
        self.queued.remove(&id);
        Some(id)
    }

    /// A call began.
    pub(crate) fn began(&mut self, id: String, now: Instant) {
        self.in_flight.insert(id, now);
    }

    /// A call ended; the lane gets a look soon. `None`: the lane was dropped meanwhile.
    pub(crate) fn ended(&mut self, id: &str) -> Option<&mut Lane> {
        self.in_flight.remove(id);
        self.by_id.contains_key(id).then(|| self.look_at(id))
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Lane> {
        self.by_id.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Lane> {
        self.by_id.get_mut(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Lane)> {
        self.by_id.iter().map(|(id, lane)| (id.as_str(), lane))
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.by_id.keys().cloned().collect()
    }

    /// The load balancer is gone.
    pub(crate) fn forget(&mut self, id: &str) {
        self.by_id.remove(id);
    }

    /// Forgets all, calls in flight too.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// When the oldest call in flight began.
    pub(crate) fn oldest_call(&self) -> Option<Instant> {
        self.in_flight.values().min().copied()
    }
}
