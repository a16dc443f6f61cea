//! Moments at which something is to be looked at again.

use std::collections::BTreeSet;

use lb_model::cluster::NamespacedName;
use tokio::time::Instant;

/// A provider, by its place among those that the controller has.
pub(crate) type At = usize;

/// What to look at. A look too many does no harm, so timers are never taken back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    LoadBalancer(At, String),
    /// Its addresses.
    Addresses(At, String),
    Ingress(NamespacedName),
    /// An Ingress that moves.
    Move(NamespacedName),
    Observe(At),
    Resync,
    /// The statuses that one turn left over.
    Status,
    /// The addresses of the published Service.
    Published(At),
    /// Whether a provider was swapped.
    Provider,
}

/// Timers by their moment.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Instant, Timer)>);

impl Timers {
    pub(crate) fn set(&mut self, moment: Instant, timer: Timer) {
        self.0.insert((moment, timer));
    }

    /// The next moment.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(moment, _)| *moment)
    }

    /// Takes out one that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }
}
