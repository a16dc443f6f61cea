//! What one Ingress asks for, by itself: the part of translation that looks at no other Ingress.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::api::networking::v1::{HTTPIngressPath, Ingress, IngressSpec};

use super::{
    Options,
    annotations::{self, Settings},
    features::Features,
    host::Host,
    notice::{Notice, Report, quote},
    path,
    service::{Resolver, Target},
    tls::{self, Choice},
};
use crate::{
    cluster::{Cluster, NamespacedName},
    types::{CookieAffinity, Feature, ObjectRef, PathMatch},
};

/// Who comes first when several Ingresses want the same: the older, then by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// Seconds since the Unix epoch; an Ingress that does not say is the youngest.
    created: i64,
    pub(super) name: Arc<NamespacedName>,
}

impl Rank {
    /// This Ingress, as the one that comes after it is told of it.
    pub(super) fn before(&self, later: &Self) -> String {
        if self.created < later.created {
            format!("the older Ingress {}", self.name)
        } else {
            format!("the Ingress {}, which is as old and comes first by name", self.name)
        }
    }

    /// Before every Ingress.
    pub(super) fn first() -> Self {
        Self { created: i64::MIN, name: Arc::new(NamespacedName::new("", "")) }
    }
}

/// What one Ingress asks for, and what it was read from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) rank: Rank,
    uid: String,
    /// The port of plain HTTP; `None`: not served, or the Ingress is rejected.
    pub(super) http_port: Option<u16>,
    /// The port of HTTPS; `None`: the Ingress is rejected.
    pub(super) https_port: Option<u16>,
    pub(super) scale: Option<u32>,
    pub(super) affinity: Option<Arc<CookieAffinity>>,
    /// For the provider, uninterpreted, ordered by key.
    pub(super) annotations: Vec<(String, String)>,
    /// Ordered by host. One without routes is answered 404, not by another host.
    hosts: Box<[(Host, Box<[FragmentRoute]>)]>,
    /// Ordered by host; a part of `hosts`.
    certificates: Box<[(Host, Choice)]>,
    /// Looked up, found or not.
    pub(super) services: Box<[NamespacedName]>,
    /// Looked up, found or not.
    pub(super) secrets: Box<[NamespacedName]>,
    pub(super) notices: Vec<Notice>,
}

/// A route, before other Ingresses were asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FragmentRoute {
    pub(super) path: PathMatch,
    pub(super) target: Target,
    pub(super) origin: Origin,
}

/// Where in the Ingress a route stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Path { rule: usize, path: usize },
    DefaultBackend,
}

impl Origin {
    pub(super) fn field(self) -> String {
        match self {
            Self::Path { rule, path } => format!("spec.rules[{rule}].http.paths[{path}].path"),
            Self::DefaultBackend => String::from("spec.defaultBackend"),
        }
    }
}

impl Fragment {
    pub(super) fn object(&self) -> ObjectRef {
        object(&self.rank.name, &self.uid)
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().map(|(host, _)| host)
    }

    /// The routes of a host, if it is one of the Ingress's.
    pub(super) fn routes(&self, host: &Host) -> Option<&[FragmentRoute]> {
        let index = self.hosts.binary_search_by(|(own, _)| own.cmp(host)).ok()?;
        Some(&self.hosts[index].1)
    }

    /// What the Ingress gives to serve a host over TLS.
    pub(super) fn certificate(&self, host: &Host) -> Option<&Choice> {
        let index = self.certificates.binary_search_by(|(own, _)| own.cmp(host)).ok()?;
        Some(&self.certificates[index].1)
    }

    /// The ports that the Ingress wants open, and whether each is for HTTPS.
    pub(super) fn ports(&self) -> impl Iterator<Item = (u16, bool)> {
        let https = self.https_port.filter(|_| !self.certificates.is_empty());
        self.http_port.map(|port| (port, false)).into_iter().chain(https.map(|port| (port, true)))
    }
}

fn object(name: &NamespacedName, uid: &str) -> ObjectRef {
    ObjectRef {
        kind: String::from("Ingress"),
        namespace: name.namespace.clone(),
        name: name.name.clone(),
        uid: uid.to_owned(),
    }
}

/// Reads one Ingress that is ours.
pub(super) fn fragment(
    name: Arc<NamespacedName>,
    ingress: &Ingress,
    options: &Options,
    features: &Features,
    cluster: &dyn Cluster,
) -> Fragment {
    let metadata = &ingress.metadata;
    let uid = metadata.uid.clone().unwrap_or_default();
    let created = metadata.creation_timestamp.as_ref().map_or(i64::MAX, |time| time.0.as_second());
    let mut report = Report::new(object(&name, &uid));
    let (no_annotations, no_spec) = (BTreeMap::new(), IngressSpec::default());
    let annotations = metadata.annotations.as_ref().unwrap_or(&no_annotations);
    let spec = ingress.spec.as_ref().unwrap_or(&no_spec);
    let has_tls = spec.tls.as_ref().is_some_and(|tls| !tls.is_empty());
    let settings = annotations::parse(annotations, has_tls, options, features, &mut report);
    let namespace = name.namespace.clone();
    let rank = Rank { created, name };
    let Some(Settings { http_port, https_port, scale, affinity, uninterpreted }) = settings else {
        return Fragment {
            rank,
            uid,
            http_port: None,
            https_port: None,
            scale: None,
            affinity: None,
            annotations: Vec::new(),
            hosts: Box::default(),
            certificates: Box::default(),
            services: Box::default(),
            secrets: Box::default(),
            notices: report.into_notices(),
        };
    };

    let resolver = Resolver { namespace: &namespace, cluster, features, services: Vec::new() };
    let mut rules = Rules { features, resolver, hosts: BTreeMap::new(), report: &mut report };
    rules.read(spec);
    let Rules { resolver, hosts, .. } = rules;
    let services = resolver.services;
    let (certificates, secrets) = read_tls(spec, &hosts, options, features, &namespace, cluster, &mut report);
    Fragment {
        rank,
        uid,
        http_port,
        https_port: Some(https_port),
        scale,
        affinity,
        annotations: uninterpreted,
        hosts: hosts.into_iter().map(|(host, routes)| (host, routes.into_boxed_slice())).collect(),
        certificates: certificates.into(),
        services: services.into(),
        secrets: secrets.into(),
        notices: report.into_notices(),
    }
}

fn read_tls(
    spec: &IngressSpec,
    hosts: &BTreeMap<Host, Vec<FragmentRoute>>,
    options: &Options,
    features: &Features,
    namespace: &str,
    cluster: &dyn Cluster,
    report: &mut Report,
) -> (Vec<(Host, Choice)>, Vec<NamespacedName>) {
    let entries = spec.tls.as_deref().unwrap_or_default();
    if !entries.is_empty() && !features.has(Feature::Https) {
        let message =
            format!("the provider {} cannot serve HTTPS; the hosts are not served over it", features.provider());
        report.unsupported("spec.tls", message);
        return (Vec::new(), Vec::new());
    }
    let hosts: BTreeSet<_> = hosts.keys().cloned().collect();
    let mut reader = tls::Reader::new(namespace, cluster, options.default_certificate.is_some(), &hosts);
    for (index, entry) in entries.iter().enumerate() {
        reader.read(index, entry, report);
    }
    reader.finish(report)
}

/// Reads the rules and the default backend.
struct Rules<'a> {
    features: &'a Features,
    resolver: Resolver<'a>,
    hosts: BTreeMap<Host, Vec<FragmentRoute>>,
    report: &'a mut Report,
}

impl Rules<'_> {
    fn read(&mut self, spec: &IngressSpec) {
        for (index, rule) in spec.rules.iter().flatten().enumerate() {
            let paths = rule.http.as_ref().map(|http| http.paths.as_slice()).unwrap_or_default();
            let text = rule.host.as_deref().filter(|host| !host.is_empty());
            let Some(host) = self.host(text, index) else { continue };
            if text.is_none() && paths.is_empty() {
                continue;
            }
            let routes: Vec<_> =
                paths.iter().enumerate().filter_map(|(position, path)| self.route(index, position, path)).collect();
            self.hosts.entry(host).or_default().extend(routes);
        }
        if let Some(backend) = &spec.default_backend {
            let target = self.resolver.target(backend, "spec.defaultBackend", self.report);
            // A host that has only a certificate is served by the default backend too.
            let tls = spec.tls.iter().flatten().flat_map(|entry| entry.hosts.iter().flatten());
            for host in tls.filter_map(|host| Host::parse(host).ok()) {
                if self.can_match(&host) {
                    self.hosts.entry(host).or_default();
                }
            }
            self.hosts.entry(Host::any()).or_default();
            for routes in self.hosts.values_mut() {
                routes.push(FragmentRoute {
                    path: path::root(),
                    target: target.clone(),
                    origin: Origin::DefaultBackend,
                });
            }
        }
    }

    fn can_match(&self, host: &Host) -> bool {
        !host.is_wildcard() || self.features.has(Feature::HostWildcard)
    }

    /// The host of a rule, unless it cannot be served.
    fn host(&mut self, text: Option<&str>, index: usize) -> Option<Host> {
        let field = || format!("spec.rules[{index}].host");
        let Some(text) = text else { return Some(Host::any()) };
        match Host::parse(text) {
            Ok(host) if self.can_match(&host) => Some(host),
            Ok(host) => {
                let provider = self.features.provider();
                self.report.unsupported(
                    field(),
                    format!("the provider {provider} has no wildcard hosts; {host} is not served"),
                );
                None
            }
            Err(error) => {
                self.report.rejected(field(), format!("the host {} {error}", quote(text)));
                None
            }
        }
    }

    /// A path of a rule, unless it cannot be served.
    fn route(&mut self, rule: usize, position: usize, path: &HTTPIngressPath) -> Option<FragmentRoute> {
        let field = format!("spec.rules[{rule}].http.paths[{position}]");
        let text = path.path.as_deref().unwrap_or_default();
        let matched = match path::parse(text, &path.path_type) {
            Ok(matched) => matched,
            Err(error @ path::PathError::Type) => {
                self.report.rejected(format!("{field}.pathType"), format!("{} {error}", quote(&path.path_type)));
                return None;
            }
            Err(error) => {
                self.report.rejected(format!("{field}.path"), format!("the path {} {error}", quote(text)));
                return None;
            }
        };
        let supported = match &matched {
            PathMatch::Exact(_) => self.features.has(Feature::PathExact),
            PathMatch::Prefix(prefix) => prefix == "/" || self.features.has(Feature::PathPrefix),
            PathMatch::Regex(_) => self.features.has(Feature::PathRegex),
        };
        if !supported {
            let provider = self.features.provider();
            let (kind, text) = path::describe(&matched);
            let message = format!("the provider {provider} has no paths of type {kind}; {} is not served", quote(text));
            self.report.unsupported(format!("{field}.pathType"), message);
            return None;
        }
        let target = self.resolver.target(&path.backend, &format!("{field}.backend"), self.report);
        Some(FragmentRoute { path: matched, target, origin: Origin::Path { rule, path: position } })
    }
}
