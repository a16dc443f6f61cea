//! The backends in use, each computed once however many routes and load balancers use it.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    backend::{BackendKey, backend},
    features::Features,
};
use crate::{
    cluster::{Cluster, NamespacedName},
    types::Backend,
};

/// Which load balancer uses which backend, and how often.
pub(super) struct Backends {
    features: Features,
    /// By id.
    records: BTreeMap<Arc<str>, (BackendKey, Arc<Backend>)>,
    /// By backend and load balancer; never 0.
    uses: BTreeMap<(Arc<str>, Arc<str>), usize>,
}

impl Backends {
    pub(super) fn new(features: Features) -> Self {
        Self { features, records: BTreeMap::new(), uses: BTreeMap::new() }
    }

    /// Notes one use; the record if it is the load balancer's first one.
    pub(super) fn acquire(
        &mut self,
        load_balancer: &Arc<str>,
        key: &BackendKey,
        cluster: &dyn Cluster,
    ) -> Option<Arc<Backend>> {
        let id: Arc<str> = key.to_string().into();
        let (id, record) = if let Some((id, (_, record))) = self.records.get_key_value(&id) {
            (id.clone(), record.clone())
        } else {
            let record = Arc::new(backend(key, &self.features, cluster));
            self.records.insert(id.clone(), (key.clone(), record.clone()));
            (id, record)
        };
        let uses = self.uses.entry((id, load_balancer.clone())).or_default();
        *uses += 1;
        (*uses == 1).then_some(record)
    }

    /// Takes back one use; whether it was the load balancer's last one.
    pub(super) fn release(&mut self, load_balancer: &Arc<str>, id: &str) -> bool {
        let use_key = (Arc::<str>::from(id), load_balancer.clone());
        let Some(uses) = self.uses.get_mut(&use_key) else { return false };
        *uses -= 1;
        if *uses > 0 {
            return false;
        }
        self.uses.remove(&use_key);
        if self.users(&use_key.0).next().is_none() {
            self.records.remove(id);
        }
        true
    }

    /// Computes the backends of a Service anew: those that changed, with the load balancers that use them.
    pub(super) fn refresh(
        &mut self,
        service: &NamespacedName,
        cluster: &dyn Cluster,
    ) -> Vec<(Arc<Backend>, Vec<Arc<str>>)> {
        let start: Arc<str> = format!("{service}/").into();
        let own = self.records.range(start.clone()..).take_while(|(id, _)| id.starts_with(&*start));
        let changed: Vec<_> = own
            .filter_map(|(id, (key, old))| {
                let new = backend(key, &self.features, cluster);
                (new != **old).then(|| (id.clone(), Arc::new(new)))
            })
            .collect();
        changed
            .into_iter()
            .map(|(id, new)| {
                if let Some((_, record)) = self.records.get_mut(&id) {
                    *record = new.clone();
                }
                (new, self.users(&id).cloned().collect())
            })
            .collect()
    }

    /// The Services of all backends.
    pub(super) fn services(&self) -> impl Iterator<Item = &NamespacedName> {
        self.records.values().map(|(key, _)| &key.service)
    }

    fn users<'a>(&'a self, id: &'a Arc<str>) -> impl Iterator<Item = &'a Arc<str>> {
        let start = (id.clone(), Arc::from(""));
        self.uses
            .range(start..)
            .map(|((used, user), _)| (used, user))
            .take_while(move |(used, _)| *used == id)
            .map(|(_, user)| user)
    }
}
