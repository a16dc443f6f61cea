//! What we know of the cluster: trimmed copies of the watched objects.
//!
//! ```text
//! watch tasks --Notice(trimmed objects)--> Stores::absorb --Effects--> translate
//!                                            |
//!                                            +-- Cluster: what translate looks up
//! ```
//!
//! An unchanged object has no effect, however often it is listed again; one that vanished while a watch was down has the
//! effect of its deletion when the new list is complete.

pub(crate) mod object;
pub(crate) mod packed;
pub(crate) mod table;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use k8s_openapi::api::{
    core::v1::Service,
    discovery::v1::EndpointSlice,
    networking::v1::{Ingress, IngressClass},
};
use lb_model::{
    cluster::{Change, Cluster, NamespacedName, SecretLookup},
    types::Certificate,
};
use tokio::time::Instant;

use self::{
    object::{IngressRecord, Object, Resource, Slice, TlsSecret},
    packed::Packed,
    table::{Inserted, Table},
};
use crate::keys::Keys;

/// One watch: a resource, in one namespace or all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Source {
    pub(crate) resource: Resource,
    /// Empty: all namespaces, or a resource that has none.
    pub(crate) namespace: Box<str>,
}

/// What a watch tells.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) source: Arc<Source>,
    /// When it came in.
    pub(crate) seen: Instant,
    pub(crate) event: Event,
}

/// One event of a watch.
#[derive(Debug)]
pub(crate) enum Event {
    /// A list begins, the first or a new one.
    Begin,
    /// An object of the list.
    Listed(NamespacedName, Object),
    /// The list is complete: what was not in it is gone.
    Complete,
    /// An object appeared or changed.
    Applied(NamespacedName, Object),
    /// An object went.
    Deleted(NamespacedName),
}

/// What a batch of notices means for the rest of the controller.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// For translation.
    pub(crate) changes: BTreeSet<Change>,
    /// Ingresses whose object or status changed.
    pub(crate) ingresses: BTreeSet<NamespacedName>,
    /// When the first effective notice came in.
    pub(crate) since: Option<Instant>,
}

/// The watched objects.
pub(crate) struct Stores {
    /// Watches that have not finished their first list.
    incomplete: HashSet<Source>,
    ingresses: Table<IngressRecord>,
    classes: Table<Arc<IngressClass>>,
    services: Table<Packed<Service>>,
    slices: Table<Slice>,
    /// The slices of a Service, by name.
    slices_of: HashMap<NamespacedName, Vec<Box<str>>>,
    secrets: Table<Result<Arc<Certificate>, String>>,
    keys: Arc<Keys>,
}

impl Stores {
    /// Empty, and complete only when all these sources have listed once.
    pub(crate) fn new(sources: impl IntoIterator<Item = Source>, keys: Arc<Keys>) -> Self {
        Self {
            incomplete: sources.into_iter().collect(),
            ingresses: Table::default(),
            classes: Table::default(),
            services: Table::default(),
            slices: Table::default(),
            slices_of: HashMap::new(),
            secrets: Table::default(),
            keys,
        }
    }

    /// Whether every source has finished its first list. Never false again.
    pub(crate) fn complete(&self) -> bool {
        self.incomplete.is_empty()
    }

    /// Takes a notice in.
    pub(crate) fn absorb(&mut self, notice: Notice, effects: &mut Effects) {
        let Notice { source, seen, event } = notice;
        let before = (effects.changes.len(), effects.ingresses.len());
        match event {
            Event::Begin => self.begin(&source),
            Event::Listed(key, object) => {
                self.listed(&source, &key);
                self.insert(key, object, effects);
            }
            Event::Complete => {
                for key in self.vanished(&source) {
                    self.remove(source.resource, &key, effects);
                }
                self.incomplete.remove(&*source);
            }
            Event::Applied(key, object) => self.insert(key, object, effects),
            Event::Deleted(key) => self.remove(source.resource, &key, effects),
        }
        if before != (effects.changes.len(), effects.ingresses.len()) {
            effects.since.get_or_insert(seen);
        }
    }

    /// One Ingress with its status.
    pub(crate) fn ingress_record(&self, key: &NamespacedName) -> Option<&IngressRecord> {
        self.ingresses.get(key)
    }

    /// Every Ingress with its status.
    pub(crate) fn ingress_records(&self) -> impl Iterator<Item = (&NamespacedName, &IngressRecord)> {
        self.ingresses.iter()
    }

    /// How many Ingresses there are, of whatever class.
    pub(crate) fn ingress_count(&self) -> usize {
        self.ingresses.len()
    }

    /// An IngressClass.
    pub(crate) fn ingress_class(&self, name: &str) -> Option<&Arc<IngressClass>> {
        self.classes.get(&NamespacedName::new("", name))
    }

    fn begin(&mut self, source: &Source) {
        match source.resource {
            Resource::Ingresses => self.ingresses.begin(&source.namespace),
            Resource::IngressClasses => self.classes.begin(&source.namespace),
            Resource::Services => self.services.begin(&source.namespace),
            Resource::EndpointSlices => self.slices.begin(&source.namespace),
            Resource::Secrets => self.secrets.begin(&source.namespace),
        }
    }

    fn listed(&mut self, source: &Source, key: &NamespacedName) {
        match source.resource {
            Resource::Ingresses => self.ingresses.listed(&source.namespace, key),
            Resource::IngressClasses => self.classes.listed(&source.namespace, key),
            Resource::Services => self.services.listed(&source.namespace, key),
            Resource::EndpointSlices => self.slices.listed(&source.namespace, key),
            Resource::Secrets => self.secrets.listed(&source.namespace, key),
        }
    }

    fn vanished(&mut self, source: &Source) -> Vec<NamespacedName> {
        match source.resource {
            Resource::Ingresses => self.ingresses.complete(&source.namespace),
            Resource::IngressClasses => self.classes.complete(&source.namespace),
            Resource::Services => self.services.complete(&source.namespace),
            Resource::EndpointSlices => self.slices.complete(&source.namespace),
            Resource::Secrets => self.secrets.complete(&source.namespace),
        }
    }

    fn insert(&mut self, key: NamespacedName, object: Object, effects: &mut Effects) {
        match object {
            Object::Ingress(record) => {
                let known = self.ingresses.get(&key);
                let (spec_changed, status_changed) = known.map_or((true, true), |known| known.changes(&record));
                if spec_changed {
                    effects.changes.insert(Change::Ingress(key.clone()));
                }
                if spec_changed || status_changed {
                    effects.ingresses.insert(key.clone());
                }
                // Always: the resource version moves even where nothing that matters does.
                self.ingresses.replace(key, record);
            }
            Object::IngressClass(class) => {
                if self.classes.insert(key, class) != Inserted::Unchanged {
                    effects.changes.insert(Change::IngressClasses);
                }
            }
            Object::Service(service) => {
                if self.services.insert(key.clone(), service) != Inserted::Unchanged {
                    effects.changes.insert(Change::Service(key));
                }
            }
            Object::EndpointSlice(slice) => self.insert_slice(key, slice, effects),
            Object::Secret(secret) => self.insert_secret(key, secret, effects),
            Object::Irrelevant(resource) => self.remove(resource, &key, effects),
        }
    }

    fn insert_slice(&mut self, key: NamespacedName, slice: Slice, effects: &mut Effects) {
        let service = NamespacedName::new(&*key.namespace, &*slice.service);
        match self.slices.insert(key.clone(), slice) {
            Inserted::Unchanged => return,
            Inserted::Changed(former) if *former.service == *service.name => {}
            Inserted::Changed(former) => {
                self.unlink_slice(&key, &former, effects);
                self.slices_of.entry(service.clone()).or_default().push(key.name.into());
            }
            Inserted::New => self.slices_of.entry(service.clone()).or_default().push(key.name.into()),
        }
        effects.changes.insert(Change::Endpoints(service));
    }

    fn unlink_slice(&mut self, key: &NamespacedName, slice: &Slice, effects: &mut Effects) {
        let service = NamespacedName::new(&*key.namespace, &*slice.service);
        if let Some(names) = self.slices_of.get_mut(&service) {
            names.retain(|name| **name != *key.name);
            if names.is_empty() {
                self.slices_of.remove(&service);
            }
        }
        effects.changes.insert(Change::Endpoints(service));
    }

    fn insert_secret(&mut self, key: NamespacedName, secret: TlsSecret, effects: &mut Effects) {
        let (record, private_key) = match secret {
            TlsSecret::Usable { certificate, key } => (Ok(certificate), Some(key)),
            TlsSecret::Malformed(reason) => (Err(reason), None),
        };
        let id = record.as_ref().ok().map(|certificate| certificate.id.clone());
        let former = match self.secrets.insert(key.clone(), record) {
            Inserted::Unchanged => return,
            Inserted::New => None,
            Inserted::Changed(former) => Some(former),
        };
        // The new key is held before the old one is let go, as they may be the same.
        if let (Some(id), Some(private_key)) = (id, private_key) {
            self.keys.hold(&id, private_key);
        }
        self.release(former);
        effects.changes.insert(Change::Secret(key));
    }

    fn release(&self, secret: Option<Result<Arc<Certificate>, String>>) {
        if let Some(Ok(certificate)) = secret {
            self.keys.release(&certificate.id, Instant::now());
        }
    }

    fn remove(&mut self, resource: Resource, key: &NamespacedName, effects: &mut Effects) {
        match resource {
            Resource::Ingresses => {
                if self.ingresses.remove(key).is_some() {
                    effects.changes.insert(Change::Ingress(key.clone()));
                    effects.ingresses.insert(key.clone());
                }
            }
            Resource::IngressClasses => {
                if self.classes.remove(key).is_some() {
                    effects.changes.insert(Change::IngressClasses);
                }
            }
            Resource::Services => {
                if self.services.remove(key).is_some() {
                    effects.changes.insert(Change::Service(key.clone()));
                }
            }
            Resource::EndpointSlices => {
                if let Some(slice) = self.slices.remove(key) {
                    self.unlink_slice(key, &slice, effects);
                }
            }
            Resource::Secrets => {
                let former = self.secrets.remove(key);
                if former.is_some() {
                    effects.changes.insert(Change::Secret(key.clone()));
                }
                self.release(former);
            }
        }
    }
}

impl Cluster for Stores {
    fn ingresses(&self) -> Vec<Arc<Ingress>> {
        self.ingresses.values().map(|record| record.ingress.unpack()).collect()
    }

    fn ingress(&self, key: &NamespacedName) -> Option<Arc<Ingress>> {
        self.ingresses.get(key).map(|record| record.ingress.unpack())
    }

    fn ingress_classes(&self) -> Vec<Arc<IngressClass>> {
        self.classes.values().cloned().collect()
    }

    fn service(&self, key: &NamespacedName) -> Option<Arc<Service>> {
        self.services.get(key).map(Packed::unpack)
    }

    fn endpoint_slices(&self, service: &NamespacedName) -> Vec<Arc<EndpointSlice>> {
        let names = self.slices_of.get(service).into_iter().flatten();
        names
            .filter_map(|name| self.slices.get(&NamespacedName::new(&*service.namespace, &**name)))
            .map(|slice| slice.packed.unpack())
            .collect()
    }

    fn certificate(&self, secret: &NamespacedName) -> SecretLookup {
        match self.secrets.get(secret) {
            None => SecretLookup::Missing,
            Some(Ok(certificate)) => SecretLookup::Certificate(certificate.clone()),
            Some(Err(reason)) => SecretLookup::Malformed(reason.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
