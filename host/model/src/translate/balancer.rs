//! One load balancer: who wants what of it, and the tables that follow.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    annotations,
    backend::BackendKey,
    backends::Backends,
    certificates::Certificates,
    fragment::{Fragment, Rank},
    host::Host,
    merge::{self, Conflict},
    notice::{Notice, Report},
    ports::{Holder, Ports, Use},
    streams,
    tls::Held,
};
use crate::{
    cluster::{Cluster, NamespacedName},
    tables::{Configuration, Table, Tables},
    types::{Annotation, Backend, Certificate, Listener, LoadBalancer, Protocol},
};

/// The fragments of all Ingresses of ours.
pub(super) type Fragments = BTreeMap<Arc<NamespacedName>, Box<Fragment>>;

/// One host of one listener.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Slot {
    port: u16,
    secure: bool,
    host: Host,
}

/// What a virtual host uses, and whom it turned away; only those are kept that have either.
#[derive(Default, PartialEq, Eq)]
struct Served {
    certificate: Option<Arc<Held>>,
    conflicts: Vec<Conflict>,
}

/// A load balancer that follows the fragments of its Ingresses: `replace` only notes what is to be done, `settle` does
/// it.
pub(super) struct Balancer {
    id: Arc<str>,
    configuration: Configuration,
    default_certificate: Option<Arc<Certificate>>,
    members: BTreeSet<Arc<NamespacedName>>,
    ports: Ports,
    /// Who has the host, the oldest first.
    claims: BTreeSet<(Slot, Rank)>,
    served: BTreeMap<Slot, Served>,
    certificates: Certificates,
    annotations: BTreeMap<(String, Arc<NamespacedName>), Annotation>,
    dirty_slots: BTreeSet<Slot>,
    dirty_annotations: bool,
    /// Uses of backends to take back once all new ones are noted, so that what only moves is not computed anew.
    released: Vec<String>,
    retell: BTreeSet<Arc<NamespacedName>>,
    changed: bool,
}

/// What settling changed.
pub(super) struct Settled {
    /// The desired state or the set of Ingresses.
    pub(super) changed: bool,
    /// Ingresses whose notices may have changed.
    pub(super) retell: BTreeSet<Arc<NamespacedName>>,
}

impl Balancer {
    /// A load balancer without Ingresses, with the ports that are the operator's.
    pub(super) fn new(
        id: Arc<str>,
        reserved: BTreeMap<u16, Use>,
        default_certificate: Option<Arc<Certificate>>,
    ) -> Self {
        let load_balancer = LoadBalancer { id: id.to_string(), owner: None, scale: None, annotations: Vec::new() };
        let mut balancer = Self {
            id,
            configuration: Configuration { load_balancer, tables: Tables::default() },
            default_certificate,
            members: BTreeSet::new(),
            ports: Ports::new(reserved),
            claims: BTreeSet::new(),
            served: BTreeMap::new(),
            certificates: Certificates::default(),
            annotations: BTreeMap::new(),
            dirty_slots: BTreeSet::new(),
            dirty_annotations: false,
            released: Vec::new(),
            retell: BTreeSet::new(),
            changed: true,
        };
        balancer.settle_ports(&Fragments::new());
        balancer.settle_certificates();
        balancer
    }

    pub(super) fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &NamespacedName> {
        self.members.iter().map(AsRef::as_ref)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Makes the load balancer that of one Ingress.
    pub(super) fn belong_to(&mut self, fragment: &Fragment) {
        let (owner, scale) = (Some(fragment.object()), fragment.scale);
        let load_balancer = &mut self.configuration.load_balancer;
        self.changed |= load_balancer.owner != owner || load_balancer.scale != scale;
        (load_balancer.owner, load_balancer.scale) = (owner, scale);
    }

    /// Puts what an Ingress now asks for in place of what it asked for before; `None`: it is not ours.
    pub(super) fn replace(&mut self, old: Option<&Fragment>, new: Option<&Fragment>) {
        if let Some(old) = old {
            self.leave(old);
        }
        if let Some(new) = new {
            self.enter(new);
        }
        self.changed |= old.is_some() != new.is_some();
    }

    fn enter(&mut self, fragment: &Fragment) {
        let name = &fragment.rank.name;
        self.members.insert(name.clone());
        for slot in slots(fragment) {
            self.claims.insert((slot.clone(), fragment.rank.clone()));
            self.dirty_slots.insert(slot);
        }
        self.ports.enter(fragment);
        for (key, value) in &fragment.annotations {
            let annotation = Annotation { key: key.clone(), value: value.clone(), source: fragment.object() };
            self.annotations.insert((key.clone(), name.clone()), annotation);
            self.dirty_annotations = true;
        }
        self.retell.insert(name.clone());
    }

    fn leave(&mut self, fragment: &Fragment) {
        let name = &fragment.rank.name;
        self.members.remove(name);
        for slot in slots(fragment) {
            let claim = (slot, fragment.rank.clone());
            self.claims.remove(&claim);
            self.dirty_slots.insert(claim.0);
        }
        self.ports.leave(fragment);
        for (key, _) in &fragment.annotations {
            self.annotations.remove(&(key.clone(), name.clone()));
            self.dirty_annotations = true;
        }
        self.retell.insert(name.clone());
    }

    /// Replaces the record of a backend that is in use.
    pub(super) fn put_backend(&mut self, record: Arc<Backend>) {
        self.configuration.tables.backends.insert(record.id.clone(), record);
        self.changed = true;
    }

    /// Puts the operator's streams in place of what they were.
    pub(super) fn put_streams(
        &mut self,
        old: Vec<String>,
        new: streams::Records,
        backends: &mut Backends,
        cluster: &dyn Cluster,
    ) {
        for key in &new.backends {
            self.acquire(key, backends, cluster);
        }
        self.released.extend(old);
        for listener in new.listeners {
            self.changed |= put(&mut self.configuration.tables.listeners, &listener.name.clone(), Some(listener));
        }
        for host in new.virtual_hosts {
            self.changed |= put(&mut self.configuration.tables.virtual_hosts, &host.id.clone(), Some(host));
        }
    }

    /// Brings the tables up to what the fragments want.
    pub(super) fn settle(&mut self, fragments: &Fragments, backends: &mut Backends, cluster: &dyn Cluster) -> Settled {
        self.settle_ports(fragments);
        for slot in std::mem::take(&mut self.dirty_slots) {
            self.settle_slot(slot, fragments, backends, cluster);
        }
        for id in std::mem::take(&mut self.released) {
            if backends.release(&self.id, &id) {
                self.configuration.tables.backends.remove(&id);
                self.changed = true;
            }
        }
        self.settle_certificates();
        if std::mem::take(&mut self.dirty_annotations) {
            let annotations: Vec<_> = self.annotations.values().cloned().collect();
            let load_balancer = &mut self.configuration.load_balancer;
            self.changed |= load_balancer.annotations != annotations;
            load_balancer.annotations = annotations;
        }
        Settled { changed: std::mem::take(&mut self.changed), retell: std::mem::take(&mut self.retell) }
    }

    /// What an Ingress is told because of others.
    pub(super) fn conflicts(&self, fragment: &Fragment) -> Vec<Notice> {
        let mut report = Report::new(fragment.object());
        for (port, secure) in fragment.ports() {
            let Some(holder) = self.ports.holder(port).filter(|holder| holder.usage != Use::of(secure)) else {
                continue;
            };
            let by = match &holder.rank {
                Some(rank) => rank.before(&fragment.rank),
                None => String::from("the controller's own configuration"),
            };
            let message = format!("port {port} is already used for {} by {by}; choose another port", holder.usage);
            report.conflict(annotations::port_field(secure), message);
        }
        let mut notices = report.into_notices();
        for served in slots(fragment).filter_map(|slot| self.served.get(&slot)) {
            for (_, notice) in served.conflicts.iter().filter(|(loser, _)| *loser == fragment.rank.name) {
                // The same host is told of once, though it is served by HTTP and by HTTPS.
                if !notices.contains(notice) {
                    notices.push(notice.clone());
                }
            }
        }
        notices
    }

    fn settle_ports(&mut self, fragments: &Fragments) {
        for port in self.ports.take_dirty() {
            let shift = self.ports.settle(port);
            if shift.usage {
                let (start, end) = (Slot::first(port), port.checked_add(1).map(Slot::first));
                let claims = self.claims.range((start, Rank::first())..);
                let own = claims.take_while(|(slot, _)| end.as_ref().is_none_or(|end| slot < end));
                self.dirty_slots.extend(own.map(|(slot, _)| slot.clone()));
            }
            self.retell.extend(shift.retell);
            for secure in [false, true] {
                let listener = self.listener(port, secure, fragments);
                self.changed |= put(&mut self.configuration.tables.listeners, &listener_name(port, secure), listener);
            }
            if let Some(certificate) = &self.default_certificate {
                self.certificates.touch(&certificate.id);
            }
        }
    }

    /// The listener of a port, if it is to be open.
    fn listener(&self, port: u16, secure: bool, fragments: &Fragments) -> Option<Listener> {
        let Holder { usage, .. } = self.ports.holder(port).filter(|holder| holder.usage == Use::of(secure))?;
        let default = self.default_certificate.as_ref().filter(|_| secure);
        let reserved = self.ports.is_reserved(port);
        // A port of the operator's is open for all, so no Ingress is its source; the one for HTTPS opens once there is
        // a certificate.
        if reserved && *usage == Use::Https && default.is_none() && !self.ports.is_wanted(port, secure) {
            return None;
        }
        let claimants = self.ports.claimants(port, secure).filter(|_| !reserved);
        let sources = claimants.filter_map(|rank| Some(fragments.get(&rank.name)?.object()));
        Some(Listener {
            name: listener_name(port, secure),
            port,
            protocol: if secure { Protocol::Https } else { Protocol::Http },
            redirect_to_https: None,
            proxy_protocol: false,
            default_certificate: default.map(|certificate| certificate.id.clone()),
            targets: Vec::new(),
            sources: sources.collect(),
        })
    }

    fn settle_slot(&mut self, slot: Slot, fragments: &Fragments, backends: &mut Backends, cluster: &dyn Cluster) {
        let start = (slot.clone(), Rank::first());
        let claims = self.claims.range(start..).take_while(|(claimed, _)| *claimed == slot);
        let claimants: Vec<_> = claims.filter_map(|(_, rank)| fragments.get(&rank.name).map(AsRef::as_ref)).collect();
        let listener = listener_name(slot.port, slot.secure);
        let won = self.ports.holder(slot.port).is_some_and(|holder| holder.usage == Use::of(slot.secure));
        let merged = won.then(|| merge::virtual_host(&listener, slot.secure, &slot.host, &claimants)).flatten();
        let (record, keys, new) = match merged {
            Some(merged) => {
                let served = Served { certificate: merged.certificate, conflicts: merged.conflicts };
                (Some(merged.record), merged.backends, served)
            }
            None => (None, Vec::new(), Served::default()),
        };

        let id = format!("{listener}/{}", slot.host);
        let old = self.configuration.tables.virtual_hosts.get(&id).cloned();
        if old.as_deref() != record.as_ref() {
            for key in &keys {
                self.acquire(key, backends, cluster);
            }
            self.released.extend(old.iter().flat_map(|old| merge::forwards(old)).map(str::to_owned));
            self.changed |= put(&mut self.configuration.tables.virtual_hosts, &id, record);
        }
        self.settle_served(slot, new);
    }

    fn settle_served(&mut self, slot: Slot, new: Served) {
        let old = self.served.remove(&slot).unwrap_or_default();
        if old.certificate != new.certificate {
            if let Some(held) = &new.certificate {
                self.certificates.acquire(held);
            }
            if let Some(held) = &old.certificate {
                self.certificates.release(held);
            }
        }
        if old.conflicts != new.conflicts {
            self.retell.extend(old.conflicts.iter().chain(&new.conflicts).map(|(loser, _)| loser.clone()));
        }
        if new != Served::default() {
            self.served.insert(slot, new);
        }
    }

    fn settle_certificates(&mut self) {
        let tables = &mut self.configuration.tables;
        let used = tables.listeners.values().any(|listener| listener.protocol == Protocol::Https);
        let default = self.default_certificate.as_ref().filter(|_| used);
        for (id, record) in self.certificates.settle(default) {
            let old = tables.certificates.get(&id);
            if old == record.as_ref() {
                continue;
            }
            self.changed = true;
            match record {
                Some(record) => tables.certificates.insert(id, record),
                None => tables.certificates.remove(&id),
            };
        }
    }

    fn acquire(&mut self, key: &BackendKey, backends: &mut Backends, cluster: &dyn Cluster) {
        if let Some(record) = backends.acquire(&self.id, key, cluster) {
            self.put_backend(record);
        }
    }
}

impl Slot {
    /// Not after any slot of a port.
    fn first(port: u16) -> Self {
        Self { port, secure: false, host: Host::least() }
    }
}

/// The hosts of an Ingress on its listeners. It has them on the one for HTTPS even if it brings no certificate: another
/// Ingress may.
fn slots(fragment: &Fragment) -> impl Iterator<Item = Slot> {
    let ports = [(fragment.http_port, false), (fragment.https_port, true)];
    let ports = ports.into_iter().filter_map(|(port, secure)| Some((port?, secure)));
    ports.flat_map(|(port, secure)| fragment.hosts().map(move |host| Slot { port, secure, host: host.clone() }))
}

fn listener_name(port: u16, secure: bool) -> String {
    if secure { format!("https-{port}") } else { format!("http-{port}") }
}

/// Sets or removes a record and says whether that changed anything. An equal record stays the allocation it was.
fn put<T: PartialEq>(table: &mut Table<T>, key: &str, record: Option<T>) -> bool {
    match record {
        None => table.remove(key).is_some(),
        Some(record) if table.get(key).is_some_and(|old| **old == record) => false,
        Some(record) => {
            table.insert(key.to_owned(), Arc::new(record));
            true
        }
    }
}
