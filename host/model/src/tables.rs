//! The four tables of a load balancer, and the difference of two states of them.

use std::{collections::BTreeMap, sync::Arc};

use crate::types::{
    Backend, BackendChanges, Certificate, CertificateChanges, ChangeKind, ChangeSet, Listener, ListenerChanges,
    LoadBalancer, VirtualHost, VirtualHostChanges,
};

/// Records by key. Records are shared: an unchanged one is the same allocation before and after a change.
pub type Table<T> = BTreeMap<String, Arc<T>>;

/// What a load balancer serves, or should.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Tables {
    /// By `name`.
    pub listeners: Table<Listener>,
    /// By `id`.
    pub virtual_hosts: Table<VirtualHost>,
    /// By `id`.
    pub backends: Table<Backend>,
    /// By `id`.
    pub certificates: Table<Certificate>,
}

/// A load balancer with its tables: the desired state, or the one that was last applied.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Configuration {
    /// Which one, and what concerns it as a whole.
    pub load_balancer: LoadBalancer,
    /// Its records.
    pub tables: Tables,
}

impl Configuration {
    /// Everything, for a provider that may have anything.
    pub fn complete(&self) -> ChangeSet {
        fn all<T: Clone>(table: &Table<T>) -> Vec<T> {
            table.values().map(|record| T::clone(record)).collect()
        }
        ChangeSet {
            kind: ChangeKind::Complete,
            load_balancer: self.load_balancer.clone(),
            listeners: ListenerChanges { upsert: all(&self.tables.listeners), remove: Vec::new() },
            virtual_hosts: VirtualHostChanges { upsert: all(&self.tables.virtual_hosts), remove: Vec::new() },
            backends: BackendChanges { upsert: all(&self.tables.backends), remove: Vec::new() },
            certificates: CertificateChanges { upsert: all(&self.tables.certificates), remove: Vec::new() },
        }
    }

    /// What leads from `applied` to this; `none` if nothing does.
    pub fn changes_since(&self, applied: &Self) -> Option<ChangeSet> {
        let (old, new) = (&applied.tables, &self.tables);
        let (listeners, gone_listeners) = diff(&old.listeners, &new.listeners);
        let (virtual_hosts, gone_virtual_hosts) = diff(&old.virtual_hosts, &new.virtual_hosts);
        let (backends, gone_backends) = diff(&old.backends, &new.backends);
        let (certificates, gone_certificates) = diff(&old.certificates, &new.certificates);
        let change = ChangeSet {
            kind: ChangeKind::Incremental,
            load_balancer: self.load_balancer.clone(),
            listeners: ListenerChanges { upsert: listeners, remove: gone_listeners },
            virtual_hosts: VirtualHostChanges { upsert: virtual_hosts, remove: gone_virtual_hosts },
            backends: BackendChanges { upsert: backends, remove: gone_backends },
            certificates: CertificateChanges { upsert: certificates, remove: gone_certificates },
        };
        let changed = self.load_balancer != applied.load_balancer || !is_empty(&change);
        changed.then_some(change)
    }

    /// Brings an applied state up to a change that succeeded.
    pub fn absorb(&mut self, change: ChangeSet) {
        let tables = &mut self.tables;
        if change.kind == ChangeKind::Complete {
            *tables = Tables::default();
        }
        self.load_balancer = change.load_balancer;
        merge(&mut tables.listeners, change.listeners.upsert, &change.listeners.remove, |it| it.name.clone());
        merge(&mut tables.virtual_hosts, change.virtual_hosts.upsert, &change.virtual_hosts.remove, |it| it.id.clone());
        merge(&mut tables.backends, change.backends.upsert, &change.backends.remove, |it| it.id.clone());
        merge(&mut tables.certificates, change.certificates.upsert, &change.certificates.remove, |it| it.id.clone());
    }
}

fn is_empty(change: &ChangeSet) -> bool {
    change.listeners.upsert.is_empty()
        && change.listeners.remove.is_empty()
        && change.virtual_hosts.upsert.is_empty()
        && change.virtual_hosts.remove.is_empty()
        && change.backends.upsert.is_empty()
        && change.backends.remove.is_empty()
        && change.certificates.upsert.is_empty()
        && change.certificates.remove.is_empty()
}

/// New or changed records, and the keys that are gone. Shared records are equal without a look inside.
fn diff<T: PartialEq + Clone>(old: &Table<T>, new: &Table<T>) -> (Vec<T>, Vec<String>) {
    let mut upsert = Vec::new();
    let mut remove = Vec::new();
    let (mut before, mut after) = (old.iter().peekable(), new.iter().peekable());
    loop {
        match (before.peek(), after.peek()) {
            (Some((old_key, old_record)), Some((new_key, new_record))) => match old_key.cmp(new_key) {
                std::cmp::Ordering::Less => {
                    remove.push((*old_key).clone());
                    before.next();
                }
                std::cmp::Ordering::Greater => {
                    upsert.push(T::clone(new_record));
                    after.next();
                }
                std::cmp::Ordering::Equal => {
                    if !Arc::ptr_eq(old_record, new_record) && old_record != new_record {
                        upsert.push(T::clone(new_record));
                    }
                    before.next();
                    after.next();
                }
            },
            (Some((old_key, _)), None) => {
                remove.push((*old_key).clone());
                before.next();
            }
            (None, Some((_, new_record))) => {
                upsert.push(T::clone(new_record));
                after.next();
            }
            (None, None) => return (upsert, remove),
        }
    }
}

fn merge<T>(table: &mut Table<T>, upsert: Vec<T>, remove: &[String], key: impl Fn(&T) -> String) {
    for gone in remove {
        table.remove(gone);
    }
    for record in upsert {
        table.insert(key(&record), Arc::new(record));
    }
}
