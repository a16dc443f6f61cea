//! What an update of a translator brings.

use std::collections::BTreeSet;

use crate::cluster::NamespacedName;

/// What an update changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Updated {
    /// Load balancers whose desired state, set of Ingresses, or existence changed.
    pub load_balancers: BTreeSet<String>,
    /// Ingresses whose notices or ownership changed.
    pub ingresses: BTreeSet<NamespacedName>,
    /// Ingresses that are held from now on, though their class is no longer served here.
    pub held: BTreeSet<NamespacedName>,
}

impl Updated {
    /// Adds what a later update changed.
    pub fn extend(&mut self, later: Self) {
        self.load_balancers.extend(later.load_balancers);
        self.ingresses.extend(later.ingresses);
        self.held.extend(later.held);
    }
}
