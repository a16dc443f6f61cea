//! What a call in flight will have changed, once it succeeds.

use std::collections::BTreeSet;

use lb_model::{
    tables::{Configuration, Table, Tables},
    types::{ChangeKind, ChangeSet, HostService, Listener, LoadBalancer, ObjectRef, VirtualHost},
};

/// The step that a change-set makes. Its records are shared with the desired state, so that what is applied takes no room
/// of its own, and the change-set itself can be given away to the provider.
#[derive(Debug)]
pub(crate) enum Delta {
    Complete(Box<Configuration>),
    Incremental(Box<Increment>),
}

#[derive(Debug)]
pub(crate) struct Increment {
    load_balancer: LoadBalancer,
    upserts: Tables,
    gone: Gone,
    touched: BTreeSet<ObjectKey>,
}

#[derive(Debug)]
struct Gone {
    listeners: Vec<String>,
    virtual_hosts: Vec<String>,
    backends: Vec<String>,
    certificates: Vec<String>,
}

/// An object by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectKey {
    kind: String,
    namespace: String,
    name: String,
}

impl ObjectKey {
    pub(crate) fn of(object: &ObjectRef) -> Self {
        Self { kind: object.kind.clone(), namespace: object.namespace.clone(), name: object.name.clone() }
    }
}

impl Delta {
    pub(crate) fn new(change: &ChangeSet, desired: &Configuration, applied: Option<&Configuration>) -> Self {
        if change.kind == ChangeKind::Complete {
            return Self::Complete(Box::new(desired.clone()));
        }
        let tables = &desired.tables;
        let upserts = Tables {
            listeners: pick(&tables.listeners, change.listeners.upsert.iter().map(|it| &it.name)),
            virtual_hosts: pick(&tables.virtual_hosts, change.virtual_hosts.upsert.iter().map(|it| &it.id)),
            backends: pick(&tables.backends, change.backends.upsert.iter().map(|it| &it.id)),
            certificates: pick(&tables.certificates, change.certificates.upsert.iter().map(|it| &it.id)),
        };
        let gone = Gone {
            listeners: change.listeners.remove.clone(),
            virtual_hosts: change.virtual_hosts.remove.clone(),
            backends: change.backends.remove.clone(),
            certificates: change.certificates.remove.clone(),
        };
        let mut touched = BTreeSet::new();
        touch(&upserts, &mut touched);
        if let Some(Configuration { tables, .. }) = applied {
            // Whoever had a part in a record before the step is concerned as much as who has one after it.
            let before = Tables {
                listeners: pick(&tables.listeners, upserts.listeners.keys().chain(&gone.listeners)),
                virtual_hosts: pick(&tables.virtual_hosts, upserts.virtual_hosts.keys().chain(&gone.virtual_hosts)),
                backends: pick(&tables.backends, upserts.backends.keys().chain(&gone.backends)),
                certificates: pick(&tables.certificates, upserts.certificates.keys().chain(&gone.certificates)),
            };
            touch(&before, &mut touched);
        }
        let load_balancer = change.load_balancer.clone();
        Self::Incremental(Box::new(Increment { load_balancer, upserts, gone, touched }))
    }

    /// Makes the step. Returns the objects that had a part in it; `None`: all of them.
    pub(crate) fn absorb_into(self, applied: &mut Option<Configuration>) -> Option<BTreeSet<ObjectKey>> {
        match (self, applied) {
            (Self::Complete(configuration), applied) => {
                *applied = Some(*configuration);
                None
            }
            // What was applied came in doubt meanwhile: it stays so.
            (Self::Incremental(increment), None) => Some(increment.touched),
            (Self::Incremental(increment), Some(Configuration { load_balancer, tables })) => {
                let Increment { load_balancer: newer, upserts, gone, touched } = *increment;
                *load_balancer = newer;
                merge(&mut tables.listeners, upserts.listeners, &gone.listeners);
                merge(&mut tables.virtual_hosts, upserts.virtual_hosts, &gone.virtual_hosts);
                merge(&mut tables.backends, upserts.backends, &gone.backends);
                merge(&mut tables.certificates, upserts.certificates, &gone.certificates);
                Some(touched)
            }
        }
    }
}

fn pick<'a, T>(table: &Table<T>, keys: impl Iterator<Item = &'a String>) -> Table<T> {
    keys.filter_map(|key| table.get(key).map(|record| (key.clone(), record.clone()))).collect()
}

fn merge<T>(table: &mut Table<T>, upserts: Table<T>, gone: &[String]) {
    for key in gone {
        table.remove(key);
    }
    table.extend(upserts);
}

fn touch(tables: &Tables, touched: &mut BTreeSet<ObjectKey>) {
    let listeners = tables.listeners.values().flat_map(|listener| listener_sources(listener));
    let virtual_hosts = tables.virtual_hosts.values().flat_map(|host| host_sources(host));
    let backends = tables.backends.values().map(|backend| &backend.service);
    let certificates = tables.certificates.values().flat_map(|certificate| &certificate.sources);
    touched.extend(listeners.chain(virtual_hosts).chain(backends).chain(certificates).map(ObjectKey::of));
}

fn listener_sources(listener: &Listener) -> &[ObjectRef] {
    &listener.sources
}

fn host_sources(host: &VirtualHost) -> Vec<&ObjectRef> {
    match &host.service {
        HostService::Routes(routes) => routes.iter().map(|route| &route.source).collect(),
        HostService::Passthrough(_) => Vec::new(),
    }
}
