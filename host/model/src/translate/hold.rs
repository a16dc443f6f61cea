//! Ingresses that move from one of several providers to another: they are held where they were, until somebody who knows that
//! they are served elsewhere releases them.

use std::collections::BTreeSet;

use super::{Translator, Updated};
use crate::cluster::{Cluster, NamespacedName};

impl Translator {
    /// Serves Ingresses although their class is not served here, until they are released, come back, or go. The next update
    /// has to look at them.
    pub fn hold(&mut self, ingresses: impl IntoIterator<Item = NamespacedName>) {
        self.held.extend(ingresses);
    }

    /// Serves an Ingress no longer that was held.
    pub fn release(&mut self, ingress: &NamespacedName, cluster: &dyn Cluster) -> Updated {
        let (mut touched, mut updated) = (BTreeSet::new(), Updated::default());
        if self.held.remove(ingress) {
            self.refresh(ingress.clone(), cluster, &mut touched, &mut updated);
            self.settle(cluster, touched, &mut updated);
        }
        updated
    }

    /// The Ingresses that are served although their class is not.
    pub fn held(&self) -> &BTreeSet<NamespacedName> {
        &self.held
    }

    /// Whether the class of an Ingress is one of our controller that none of its providers serves.
    pub fn is_unbound(&self, ingress: &NamespacedName, cluster: &dyn Cluster) -> bool {
        cluster.ingress(ingress).is_some_and(|ingress| self.classes.leave_unbound(&ingress))
    }

    /// An Ingress whose class is served elsewhere now is held; one that came back, or is gone, is not.
    pub(super) fn hold_if_it_leaves(&mut self, name: &NamespacedName, cluster: &dyn Cluster, updated: &mut Updated) {
        let ingress = cluster.ingress(name).filter(|ingress| ingress.metadata.deletion_timestamp.is_none());
        let elsewhere = ingress.is_some_and(|ingress| !self.classes.own(&ingress));
        if !elsewhere {
            if self.held.remove(name) {
                updated.ingresses.insert(name.clone());
            }
        } else if self.fragments.contains_key(name) && self.held.insert(name.clone()) {
            updated.held.insert(name.clone());
        }
    }
}
