//! The ports of one load balancer: each serves one thing, for the operator or for the Ingress that asked first.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use super::fragment::{Fragment, Rank};
use crate::cluster::NamespacedName;

/// What a TCP port is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Http,
    Https,
    /// A listener that the operator configured.
    Stream,
}

impl Use {
    pub(super) fn of(secure: bool) -> Self {
        if secure { Self::Https } else { Self::Http }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Stream => "a stream",
        })
    }
}

/// Who has a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) usage: Use,
    /// The Ingress that asked first; `None`: the operator.
    pub(super) rank: Option<Rank>,
}

/// What settling a port changed.
pub(super) struct Shift {
    /// What the port is used for.
    pub(super) usage: bool,
    /// Ingresses that have, had, or lost it, as far as they must be told.
    pub(super) retell: Vec<Arc<NamespacedName>>,
}

/// Who wants which port, and who has it.
pub(super) struct Ports {
    reserved: BTreeMap<u16, Use>,
    /// By port, whether for HTTPS, and age.
    claims: BTreeSet<(u16, bool, Rank)>,
    holders: BTreeMap<u16, Holder>,
    dirty: BTreeSet<u16>,
}

impl Ports {
    pub(super) fn new(reserved: BTreeMap<u16, Use>) -> Self {
        let dirty = reserved.keys().copied().collect();
        Self { reserved, claims: BTreeSet::new(), holders: BTreeMap::new(), dirty }
    }

    pub(super) fn enter(&mut self, fragment: &Fragment) {
        for (port, secure) in fragment.ports() {
            self.claims.insert((port, secure, fragment.rank.clone()));
            self.dirty.insert(port);
        }
    }

    pub(super) fn leave(&mut self, fragment: &Fragment) {
        for (port, secure) in fragment.ports() {
            self.claims.remove(&(port, secure, fragment.rank.clone()));
            self.dirty.insert(port);
        }
    }

    pub(super) fn take_dirty(&mut self) -> BTreeSet<u16> {
        std::mem::take(&mut self.dirty)
    }

    /// Who has a port, as of the last time that it was settled.
    pub(super) fn holder(&self, port: u16) -> Option<&Holder> {
        self.holders.get(&port)
    }

    pub(super) fn is_reserved(&self, port: u16) -> bool {
        self.reserved.contains_key(&port)
    }

    /// Whether any Ingress wants a port for this.
    pub(super) fn is_wanted(&self, port: u16, secure: bool) -> bool {
        self.claimants(port, secure).next().is_some()
    }

    /// The Ingresses that want a port for this, the oldest first.
    pub(super) fn claimants(&self, port: u16, secure: bool) -> impl Iterator<Item = &Rank> {
        let claims = self.claims.range((port, secure, Rank::first())..);
        let own = claims.take_while(move |(claimed, kind, _)| (*claimed, *kind) == (port, secure));
        own.map(|(_, _, rank)| rank)
    }

    /// Decides anew who has a port.
    pub(super) fn settle(&mut self, port: u16) -> Shift {
        let new = self.decide(port);
        let old = match new.clone() {
            Some(holder) => self.holders.insert(port, holder),
            None => self.holders.remove(&port),
        };
        let usage = |holder: &Option<Holder>| holder.as_ref().map(|holder| holder.usage);
        let shifted = usage(&old) != usage(&new);
        let mut retell = Vec::new();
        if old != new {
            for secure in [false, true].into_iter().filter(|secure| shifted || usage(&new) != Some(Use::of(*secure))) {
                retell.extend(self.claimants(port, secure).map(|rank| rank.name.clone()));
            }
        }
        Shift { usage: shifted, retell }
    }

    fn decide(&self, port: u16) -> Option<Holder> {
        if let Some(usage) = self.reserved.get(&port) {
            return Some(Holder { usage: *usage, rank: None });
        }
        let oldest = |secure| self.claimants(port, secure).next().map(|rank| (rank, Use::of(secure)));
        let (rank, usage) = [false, true].into_iter().filter_map(oldest).min_by(|left, right| left.0.cmp(right.0))?;
        Some(Holder { usage, rank: Some(rank.clone()) })
    }
}
