//! From Kubernetes objects to the tables of load balancers. Pure, total, ordered: the same objects give the same tables,
//! whatever came before, and nothing that a user writes makes it fail.
//!
//! # Flow
//!
//! ```text
//! Ingress ----+                              (per Ingress)        (per listener and host)
//! Service ----+--> fragment: routes, certificates, ports --> merge: virtual host, conflicts --+
//! Secret -----+          |                                                                    +--> tables, notices
//!                        +--> ports: listeners, conflicts ------------------------------------+
//! Service, EndpointSlices -----------------> backend: endpoints ------------------------------+
//! ```
//!
//! A fragment is what one Ingress asks for by itself. It is kept, with the Services and Secrets that were looked up,
//! found or not. A change computes anew only the fragments that looked at the changed object, the virtual hosts of
//! those that came out different, and the backends of the changed Service. What comes out equal keeps its allocation,
//! so that the difference of two states is found without a look inside. There is one code path: a full translation is
//! that every Ingress changed.
//!
//! # Policy
//!
//! All that Kubernetes leaves open is decided here for all providers; `docs/decisions/0002-translation.md` says how
//! and why. In short: the older object wins and the younger is told; what cannot be read is left out alone, with a
//! notice that names the field; a route that leads nowhere is answered 503 rather than by a broader route.

mod annotations;
mod backend;
mod backends;
mod balancer;
mod certificates;
mod class;
mod features;
mod fragment;
mod hold;
mod host;
mod merge;
mod notice;
mod options;
mod path;
mod ports;
mod relation;
mod service;
mod stickiness;
mod streams;
mod tls;
mod updated;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::api::networking::v1::Ingress;

pub use class::ClassBindings;
pub use notice::{Notice, NoticeKind};
pub use options::{ClassSelection, Options, ServicePort, Stream};
pub use updated::Updated;

use self::{
    backends::Backends,
    balancer::{Balancer, Fragments},
    class::Classes,
    features::Features,
    fragment::Fragment,
    ports::Use,
    relation::Relation,
    streams::Streams,
};
use crate::{
    cluster::{Change, Cluster, NamespacedName},
    tables::Configuration,
    types::{Descriptor, Feature},
};

/// Holds the desired state of all load balancers and follows the cluster.
pub struct Translator {
    options: Options,
    features: Features,
    classes: Classes,
    fragments: Fragments,
    /// Which Ingresses looked up a Service.
    services: Relation,
    /// Which Ingresses looked up a Secret.
    secrets: Relation,
    streams: Streams,
    /// The ids of the backends that the streams lead to; `None` before the first look at the cluster.
    stream_backends: Option<Vec<String>>,
    stream_problems: Vec<String>,
    backends: Backends,
    balancers: BTreeMap<Arc<str>, Balancer>,
    notices: BTreeMap<Arc<NamespacedName>, Vec<Notice>>,
    /// Ingresses that are served although their class is not.
    held: BTreeSet<NamespacedName>,
}

/// What an update has to look at.
#[derive(Default)]
struct Dirty {
    ingresses: BTreeSet<NamespacedName>,
    services: BTreeSet<NamespacedName>,
    streams: bool,
}

impl Translator {
    /// A translator that has not seen the cluster yet; its first update should hold [`Change::Everything`]. The load
    /// balancer of a `per-class` provider is there from the start, so that it answers 404.
    pub fn new(options: Options, descriptor: Arc<Descriptor>) -> Self {
        let features = Features::new(descriptor);
        let streams =
            if features.is_per_class() { Streams::new(&options.streams, &features) } else { Streams::default() };
        let mut translator = Self {
            classes: Classes::resolve(&options, &[]),
            backends: Backends::new(features.clone()),
            options,
            features,
            fragments: Fragments::new(),
            services: Relation::default(),
            secrets: Relation::default(),
            streams,
            stream_backends: None,
            stream_problems: Vec::new(),
            balancers: BTreeMap::new(),
            notices: BTreeMap::new(),
            held: BTreeSet::new(),
        };
        if translator.features.is_per_class() {
            let id = Arc::from(translator.options.classes.name());
            translator.balancer(&id);
        }
        translator
    }

    /// Recomputes what the changes touch and nothing else. Total: never fails, never panics.
    pub fn update(&mut self, cluster: &dyn Cluster, changes: impl IntoIterator<Item = Change>) -> Updated {
        let dirty = self.dirty(cluster, changes);
        let mut updated = Updated::default();
        let mut touched: BTreeSet<Arc<str>> = BTreeSet::new();
        if self.stream_backends.is_none() {
            touched.extend(self.balancers.keys().cloned());
        }
        let holds = matches!(self.options.classes, ClassSelection::Bound { .. });
        for ingress in dirty.ingresses {
            if holds {
                self.hold_if_it_leaves(&ingress, cluster, &mut updated);
            }
            self.refresh(ingress, cluster, &mut touched, &mut updated);
        }
        for service in &dirty.services {
            for (record, users) in self.backends.refresh(service, cluster) {
                for user in users {
                    if let Some(balancer) = self.balancers.get_mut(&user) {
                        balancer.put_backend(record.clone());
                        touched.insert(user);
                    }
                }
            }
        }
        if dirty.streams {
            self.refresh_streams(cluster, &mut touched);
        }
        self.settle(cluster, touched, &mut updated);
        updated
    }

    /// The desired state of a load balancer; `None` once nothing wants it any more.
    pub fn desired(&self, load_balancer: &str) -> Option<&Configuration> {
        self.balancers.get(load_balancer).map(Balancer::configuration)
    }

    /// All load balancers that are wanted.
    pub fn load_balancers(&self) -> impl Iterator<Item = &str> {
        self.balancers.keys().map(AsRef::as_ref)
    }

    /// The Ingresses of ours that a load balancer serves: those get its addresses.
    pub fn ingresses(&self, load_balancer: &str) -> impl Iterator<Item = &NamespacedName> {
        self.balancers.get(load_balancer).into_iter().flat_map(Balancer::members)
    }

    /// What is wrong with an Ingress of ours now, and warnings; empty if all is well or it is not ours.
    pub fn notices(&self, ingress: &NamespacedName) -> &[Notice] {
        self.notices.get(ingress).map_or(&[], Vec::as_slice)
    }

    /// The load balancer of an Ingress, if the Ingress is ours.
    pub fn load_balancer_of(&self, ingress: &NamespacedName) -> Option<&str> {
        let (name, _) = self.fragments.get_key_value(ingress)?;
        let id = self.load_balancer_id(name);
        self.balancers.get_key_value(&id).map(|(id, _)| &**id)
    }

    /// What of the operator's streams is not served, or leads nowhere now, one sentence each: no object of a user is to
    /// blame, so there is no notice.
    pub fn stream_problems(&self) -> &[String] {
        &self.stream_problems
    }

    fn dirty(&mut self, cluster: &dyn Cluster, changes: impl IntoIterator<Item = Change>) -> Dirty {
        let mut dirty = Dirty { streams: self.stream_backends.is_none(), ..Dirty::default() };
        let mut classes = false;
        for change in changes {
            match change {
                Change::Everything => {
                    classes = true;
                    dirty.ingresses.extend(names(cluster));
                    dirty.ingresses.extend(self.fragments.keys().map(|name| NamespacedName::clone(name)));
                    dirty.services.extend(self.backends.services().cloned());
                    dirty.streams = true;
                }
                Change::Ingress(name) => {
                    dirty.ingresses.insert(name);
                }
                Change::IngressClasses => classes = true,
                Change::Service(name) => {
                    dirty.ingresses.extend(self.services.of(&name).cloned());
                    dirty.streams |= self.streams.services().contains(&name);
                    dirty.services.insert(name);
                }
                Change::Endpoints(service) => {
                    dirty.services.insert(service);
                }
                Change::Secret(name) => dirty.ingresses.extend(self.secrets.of(&name).cloned()),
            }
        }
        if classes {
            let classes = Classes::resolve(&self.options, &cluster.ingress_classes());
            if classes != self.classes {
                self.classes = classes;
                dirty.ingresses.extend(names(cluster));
                dirty.ingresses.extend(self.fragments.keys().map(|name| NamespacedName::clone(name)));
            }
        }
        dirty
    }

    /// Computes the fragment of one Ingress anew and hands it to its load balancer if it came out different.
    fn refresh(
        &mut self,
        name: NamespacedName,
        cluster: &dyn Cluster,
        touched: &mut BTreeSet<Arc<str>>,
        updated: &mut Updated,
    ) {
        let ours = |ingress: &Arc<Ingress>| self.held.contains(&name) || self.classes.own(ingress);
        let ingress = cluster.ingress(&name).filter(ours);
        let name = self.fragments.get_key_value(&name).map_or_else(|| Arc::new(name), |(name, _)| name.clone());
        let new =
            ingress.map(|ingress| fragment::fragment(name.clone(), &ingress, &self.options, &self.features, cluster));
        let old = self.fragments.get(&name);
        if old.map(AsRef::as_ref) == new.as_ref() {
            return;
        }
        if old.is_some() != new.is_some() {
            updated.ingresses.insert(NamespacedName::clone(&name));
        }
        let id = self.load_balancer_id(&name);
        touched.insert(id.clone());
        let old = self.fragments.remove(&name);
        if let Some(old) = &old {
            self.relate(old, Relation::remove);
        }
        if let Some(new) = &new {
            self.relate(new, Relation::insert);
        }
        let per_object = !self.features.is_per_class();
        let balancer = self.balancer(&id);
        balancer.replace(old.as_deref(), new.as_ref());
        if let Some(new) = new {
            if per_object {
                balancer.belong_to(&new);
            }
            self.fragments.insert(name, Box::new(new));
        }
    }

    fn relate(&mut self, fragment: &Fragment, relate: fn(&mut Relation, &NamespacedName, &Arc<NamespacedName>)) {
        let name = &fragment.rank.name;
        fragment.services.iter().for_each(|service| relate(&mut self.services, service, name));
        fragment.secrets.iter().for_each(|secret| relate(&mut self.secrets, secret, name));
    }

    fn refresh_streams(&mut self, cluster: &dyn Cluster, touched: &mut BTreeSet<Arc<str>>) {
        let mut records = self.streams.resolve(cluster);
        self.stream_problems = std::mem::take(&mut records.problems);
        let new = records.backends.iter().map(ToString::to_string).collect();
        let old = self.stream_backends.replace(new).unwrap_or_default();
        if self.features.is_per_class() {
            let id: Arc<str> = Arc::from(self.options.classes.name());
            if let Some(balancer) = self.balancers.get_mut(&id) {
                balancer.put_streams(old, records, &mut self.backends, cluster);
                touched.insert(id);
            }
        }
    }

    /// Brings the touched load balancers up to date, and what their Ingresses are told.
    fn settle(&mut self, cluster: &dyn Cluster, touched: BTreeSet<Arc<str>>, updated: &mut Updated) {
        for id in touched {
            let Some(balancer) = self.balancers.get_mut(&id) else { continue };
            let settled = balancer.settle(&self.fragments, &mut self.backends, cluster);
            if settled.changed {
                updated.load_balancers.insert(id.to_string());
            }
            for ingress in settled.retell {
                self.tell(ingress, &id, updated);
            }
            if !self.features.is_per_class() && self.balancers.get(&id).is_some_and(Balancer::is_empty) {
                self.balancers.remove(&id);
            }
        }
    }

    fn tell(&mut self, ingress: Arc<NamespacedName>, load_balancer: &Arc<str>, updated: &mut Updated) {
        let notices = match (self.fragments.get(&ingress), self.balancers.get(load_balancer)) {
            (Some(fragment), Some(balancer)) => {
                let mut notices = fragment.notices.clone();
                notices.extend(balancer.conflicts(fragment));
                notices
            }
            _ => Vec::new(),
        };
        if self.notices(&ingress) == notices {
            return;
        }
        updated.ingresses.insert(NamespacedName::clone(&ingress));
        if notices.is_empty() {
            self.notices.remove(&ingress);
        } else {
            self.notices.insert(ingress, notices);
        }
    }

    fn load_balancer_id(&self, ingress: &NamespacedName) -> Arc<str> {
        if self.features.is_per_class() {
            Arc::from(self.options.classes.name())
        } else {
            Arc::from(ingress.to_string())
        }
    }

    /// The load balancer of this id, a new one if need be.
    fn balancer(&mut self, id: &Arc<str>) -> &mut Balancer {
        self.balancers.entry(id.clone()).or_insert_with(|| {
            let mut reserved = BTreeMap::new();
            if self.features.is_per_class() {
                if self.features.has(Feature::Https) {
                    reserved.insert(self.options.https_port, Use::Https);
                }
                reserved.insert(self.options.http_port, Use::Http);
                self.streams.reserve(&mut reserved);
            }
            Balancer::new(id.clone(), reserved, self.options.default_certificate.clone())
        })
    }
}

fn names(cluster: &dyn Cluster) -> impl Iterator<Item = NamespacedName> {
    cluster.ingresses().into_iter().map(|ingress| {
        let metadata = &ingress.metadata;
        let (namespace, name) = (metadata.namespace.as_deref(), metadata.name.as_deref());
        NamespacedName::new(namespace.unwrap_or("default"), name.unwrap_or_default())
    })
}
