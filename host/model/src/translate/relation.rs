//! Which Ingress looked what up.

use std::{collections::BTreeSet, sync::Arc};

use crate::cluster::NamespacedName;

/// Looked-up objects of one kind, each with the Ingresses that asked for it. One dense set, since most objects are
/// asked for by one Ingress.
#[derive(Default)]
pub(super) struct Relation(BTreeSet<(NamespacedName, Arc<NamespacedName>)>);

impl Relation {
    pub(super) fn insert(&mut self, object: &NamespacedName, ingress: &Arc<NamespacedName>) {
        self.0.insert((object.clone(), ingress.clone()));
    }

    pub(super) fn remove(&mut self, object: &NamespacedName, ingress: &Arc<NamespacedName>) {
        self.0.remove(&(object.clone(), ingress.clone()));
    }

    pub(super) fn of(&self, object: &NamespacedName) -> impl Iterator<Item = &NamespacedName> {
        let start = (object.clone(), Arc::new(NamespacedName::new("", "")));
        self.0.range(start.clone()..).take_while(move |(asked, _)| *asked == start.0).map(|(_, ingress)| &**ingress)
    }
}
