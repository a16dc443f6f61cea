//! From listeners, hosts and routes to rules in match order.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use lb_provider::{
    Backend, BackendProtocol, HostMatch, HostService, Listener, ObjectRef, PathMatch, Protocol, Rejection, Route,
    RouteAction, VirtualHost, WeightedBackend,
};

use super::{Rule, sources};

/// Hosts in the order in which they match: names, wildcards with the longest suffix first, any.
pub(super) fn host_order(host: &HostMatch) -> (u8, Reverse<usize>, String) {
    match host {
        HostMatch::Exact(name) => (0, Reverse(0), name.clone()),
        HostMatch::Wildcard(suffix) => (1, Reverse(suffix.len()), suffix.clone()),
        HostMatch::Any => (2, Reverse(0), String::new()),
    }
}

/// Reads the parts of a change-set, and notes what is left out.
pub(super) struct Reader<'a, 'b> {
    backends: BTreeMap<&'a str, &'a Backend>,
    pub(super) without_port: BTreeSet<&'a str>,
    rejections: &'b mut Vec<Rejection>,
}

impl<'a, 'b> Reader<'a, 'b> {
    pub(super) fn new(backends: &'a [Backend], rejections: &'b mut Vec<Rejection>) -> Self {
        let backends = backends.iter().map(|backend| (&*backend.id, backend)).collect();
        Self { backends, without_port: BTreeSet::new(), rejections }
    }

    /// The rules of a `tcp` or `udp` listener; none for others.
    pub(super) fn stream(&mut self, listener: &'a Listener) -> Vec<Rule<'a>> {
        let Some(protocol) = stream_protocol(listener.protocol) else { return vec![] };
        let base = Base { port: listener.port, protocol, hostname: None, certificate: None };
        self.rules(&base, None, &listener.targets, listener.sources.first())
    }

    /// The rules of one host.
    pub(super) fn host(
        &mut self,
        listener: &Listener,
        host: &'a VirtualHost,
        certificate: Option<&'a str>,
    ) -> Vec<Rule<'a>> {
        let protocol = match listener.protocol {
            Protocol::Http => "http",
            Protocol::Https => "https",
            Protocol::Tls => "sni",
            Protocol::Tcp | Protocol::Udp => return vec![],
        };
        let base = Base { port: listener.port, protocol, hostname: hostname(&host.host), certificate };
        match &host.service {
            HostService::Routes(routes) => routes.iter().flat_map(|route| self.route(&base, route)).collect(),
            HostService::Passthrough(targets) => self.rules(&base, None, targets, listener.sources.first()),
        }
    }

    /// A host over TLS to which nobody gives a certificate.
    pub(super) fn without_certificate(&mut self, host: &VirtualHost) {
        let name = hostname(&host.host).unwrap_or_else(|| "*".to_owned());
        let message = format!("no certificate serves the host {name}; it is not served over TLS; name a Secret for it");
        let refusal = |object: &ObjectRef| Rejection {
            object: object.clone(),
            field: "spec.tls".to_owned(),
            message: message.clone(),
        };
        self.rejections.extend(sources(host).map(refusal));
    }

    fn route(&mut self, base: &Base<'a>, route: &'a Route) -> Vec<Rule<'a>> {
        let conditions = route.method.is_some() || !route.headers.is_empty() || !route.query_parameters.is_empty();
        let path = match &route.path {
            PathMatch::Prefix(path) if path.trim_matches('/').is_empty() => None,
            PathMatch::Prefix(path) => Some(path.trim_end_matches('/')),
            PathMatch::Exact(path) | PathMatch::Regex(path) => {
                return self
                    .refuse(&route.source, format!("Rancher matches paths by prefix only; {path} is not served"));
            }
        };
        if conditions {
            let message =
                "Rancher matches hosts and paths only, no methods, headers or queries; the route is not served";
            return self.refuse(&route.source, message.to_owned());
        }
        match &route.action {
            RouteAction::Forward(targets) => self.rules(base, path, targets, Some(&route.source)),
            // Rancher answers 503 where no rule matches. The host told why there is no backend.
            RouteAction::Respond(503) => vec![],
            RouteAction::Respond(_) | RouteAction::Redirect(_) => {
                let message = "Rancher forwards only; the route is not served".to_owned();
                self.refuse(&route.source, message)
            }
        }
    }

    fn rules(
        &mut self,
        base: &Base<'a>,
        path: Option<&str>,
        targets: &'a [WeightedBackend],
        source: Option<&ObjectRef>,
    ) -> Vec<Rule<'a>> {
        let mut rules = vec![];
        for target in targets.iter().filter(|target| target.weight > 0) {
            let Some(&backend) = self.backends.get(&*target.backend) else { continue };
            if !matches!(backend.protocol, BackendProtocol::Http | BackendProtocol::Tcp | BackendProtocol::Udp) {
                let service = &backend.service;
                let message = format!(
                    "Rancher speaks plain HTTP to {}/{} only; it is not served",
                    service.namespace, service.name
                );
                self.refuse(source.unwrap_or(service), message);
                continue;
            }
            // Pods that name their port differently cannot all be reached.
            let Some(&target_port) = backend.target_ports.first() else {
                self.without_port.insert(&backend.id);
                continue;
            };
            rules.push(Rule {
                source_port: base.port,
                protocol: base.protocol,
                hostname: base.hostname.clone(),
                path: path.map(str::to_owned),
                service: &backend.service.uid,
                target_port,
                certificate: base.certificate,
            });
        }
        rules
    }

    fn refuse(&mut self, object: &ObjectRef, message: String) -> Vec<Rule<'a>> {
        let rejection = Rejection { object: object.clone(), field: String::new(), message };
        if !self.rejections.contains(&rejection) {
            self.rejections.push(rejection);
        }
        vec![]
    }
}

/// What all rules of one host share.
struct Base<'a> {
    port: u16,
    protocol: &'static str,
    hostname: Option<String>,
    certificate: Option<&'a str>,
}

fn stream_protocol(protocol: Protocol) -> Option<&'static str> {
    match protocol {
        Protocol::Tcp => Some("tcp"),
        Protocol::Udp => Some("udp"),
        Protocol::Http | Protocol::Https | Protocol::Tls => None,
    }
}

fn hostname(host: &HostMatch) -> Option<String> {
    match host {
        HostMatch::Any => None,
        HostMatch::Exact(name) => Some(name.clone()),
        HostMatch::Wildcard(suffix) => Some(format!("*.{suffix}")),
    }
}
