//! What a change-set asks for, in Rancher's terms but for the ids of services and certificates.

mod rules;
mod stickiness;

use std::collections::{BTreeMap, BTreeSet};

use lb_provider::{Certificate, ChangeSet, HostService, Listener, ObjectRef, Protocol, Rejection, VirtualHost};
use serde_json::Value;

use crate::{
    labels,
    ports::{Port, Transport},
};

/// The port of the health check within each container.
const RESERVED_PORT: u16 = 42;

/// What is wanted of one load balancer.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// `None`: the Ingress does not say.
    pub(crate) scale: Option<u32>,
    pub(crate) ports: BTreeSet<Port>,
    pub(crate) labels: BTreeMap<String, String>,
    /// Text for HAProxy, as the user wrote it.
    pub(crate) config: String,
    /// In match order.
    pub(crate) rules: Vec<Rule<'a>>,
    pub(crate) stickiness: Option<BTreeMap<String, Value>>,
    /// The one for clients that no host's matches; it is among `certificates`.
    pub(crate) default_certificate: Option<&'a str>,
    /// The operator's default, where no host names it; it is among `certificates`.
    pub(crate) operators_certificate: Option<&'a str>,
    /// The certificates that are used, by id.
    pub(crate) certificates: BTreeMap<&'a str, &'a Certificate>,
    /// Services of which no port is known.
    pub(crate) without_port: BTreeSet<&'a str>,
    pub(crate) rejections: Vec<Rejection>,
}

/// One `portRule`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule<'a> {
    pub(crate) source_port: u16,
    pub(crate) protocol: &'static str,
    /// `None`: any.
    pub(crate) hostname: Option<String>,
    /// A prefix; `None`: all.
    pub(crate) path: Option<String>,
    /// The UID of the Service.
    pub(crate) service: &'a str,
    pub(crate) target_port: u16,
    /// The certificate without which this cannot be served.
    pub(crate) certificate: Option<&'a str>,
}

/// Reads a change-set, which is always complete. Total: what Rancher cannot do is rejected alone.
pub(crate) fn plan(change: &ChangeSet) -> Plan<'_> {
    let load_balancer = &change.load_balancer;
    let mut rejections = vec![];
    let labels = labels::labels(&load_balancer.annotations, &mut rejections);
    let config = load_balancer.annotations.iter().find(|annotation| annotation.key == "config");
    let listeners: Vec<_> =
        change.listeners.upsert.iter().filter(|listener| is_served(listener, &mut rejections)).collect();
    let mut hosts: Vec<_> = change.virtual_hosts.upsert.iter().collect();
    hosts.sort_by_cached_key(|host| rules::host_order(&host.host));
    // One without a source was made by the host for itself and is another one at each start: it would be uploaded again and
    // again, for clients that no certificate helps.
    let lasting = change.certificates.upsert.iter().filter(|each| !each.sources.is_empty());
    let known: BTreeMap<_, _> = lasting.map(|each| (&*each.id, each)).collect();

    let mut reader = rules::Reader::new(&change.backends.upsert, &mut rejections);
    let mut rules = vec![];
    let (mut named, mut operators, mut first) = (BTreeSet::new(), None, None);
    for listener in &listeners {
        rules.extend(reader.stream(listener));
        let is_secure = listener.protocol == Protocol::Https;
        let usable = |id: &&str| is_secure && known.contains_key(id);
        let default = listener.default_certificate.as_deref().filter(usable);
        operators = operators.or(default);
        for host in hosts.iter().filter(|host| host.listener == listener.name) {
            let own = host.certificate.as_deref();
            let certificate = own.or(default).filter(usable);
            if is_secure && certificate.is_none() {
                reader.without_certificate(host);
                continue;
            }
            named.extend(certificate.filter(|_| own.is_some()));
            first = first.or(certificate);
            rules.extend(reader.host(listener, host, certificate));
        }
    }
    let default_certificate = operators.or(first);
    let operators_certificate = operators.filter(|id| !named.contains(id));
    let without_port = reader.without_port;
    let stickiness = stickiness::policy(&change.virtual_hosts.upsert, &mut rejections);
    let transport =
        |listener: &Listener| if listener.protocol == Protocol::Udp { Transport::Udp } else { Transport::Tcp };
    let ports =
        listeners.iter().filter(|listener| listener.protocol != Protocol::Https || default_certificate.is_some());
    let is_used = |id: &str| named.contains(id) || operators_certificate == Some(id);
    Plan {
        scale: load_balancer.scale,
        ports: ports.map(|listener| Port::same(listener.port, transport(listener))).collect(),
        labels,
        config: config.map(|annotation| annotation.value.clone()).unwrap_or_default(),
        rules,
        stickiness,
        default_certificate,
        operators_certificate,
        certificates: known.into_iter().filter(|(id, _)| is_used(id)).collect(),
        without_port,
        rejections,
    }
}

impl Plan<'_> {
    /// The UIDs of the Services that traffic goes to.
    pub(crate) fn services(&self) -> BTreeSet<&str> {
        self.rules.iter().map(|rule| rule.service).collect()
    }

    /// One instance on every host.
    pub(crate) fn is_global(&self) -> bool {
        labels::is_global(&self.labels)
    }
}

/// Whether a listener can be served, and why it cannot.
fn is_served(listener: &Listener, rejections: &mut Vec<Rejection>) -> bool {
    let field = match listener.protocol {
        Protocol::Https => "metadata.annotations[\"https.port\"]",
        _ => "metadata.annotations[\"http.port\"]",
    };
    let mut refuse = |field: &str, message: String| {
        let refusal = |object: &ObjectRef| Rejection {
            object: object.clone(),
            field: field.to_owned(),
            message: message.clone(),
        };
        rejections.extend(listener.sources.iter().map(refusal));
        false
    };
    if listener.port == RESERVED_PORT {
        return refuse(field, format!("Rancher keeps port {RESERVED_PORT} for its health checks; choose another one"));
    }
    if listener.proxy_protocol {
        return refuse("", format!("Rancher does not read the PROXY protocol; port {} is not served", listener.port));
    }
    if listener.redirect_to_https.is_some() {
        return refuse("", format!("Rancher does not redirect to HTTPS; port {} is not served", listener.port));
    }
    true
}

/// The objects that a virtual host came from.
fn sources(host: &VirtualHost) -> impl Iterator<Item = &ObjectRef> {
    let routes = match &host.service {
        HostService::Routes(routes) => routes.as_slice(),
        HostService::Passthrough(_) => &[],
    };
    let mut seen = BTreeSet::new();
    routes.iter().map(|route| &route.source).filter(move |source| seen.insert(&*source.uid))
}

#[cfg(test)]
mod tests;
