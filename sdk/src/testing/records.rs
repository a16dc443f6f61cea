//! Builders for the records of a change-set, with the least that each needs. Change what a test is about:
//! `Listener { proxy_protocol: true, ..listener("http-80", 80, Protocol::Http) }`.

use std::collections::BTreeSet;

use crate::{
    Affinity, Backend, BackendChanges, BackendProtocol, Certificate, CertificateChanges, ChangeKind, ChangeSet,
    Endpoint, HostMatch, HostService, Listener, ListenerChanges, LoadBalancer, ObjectRef, PathMatch, Protocol, Route,
    RouteAction, VirtualHost, VirtualHostChanges, WeightedBackend,
};

/// A change-set without records.
pub fn change(kind: ChangeKind) -> ChangeSet {
    ChangeSet {
        kind,
        load_balancer: LoadBalancer { id: "lb".to_owned(), owner: None, scale: None, annotations: vec![] },
        listeners: ListenerChanges { upsert: vec![], remove: vec![] },
        virtual_hosts: VirtualHostChanges { upsert: vec![], remove: vec![] },
        backends: BackendChanges { upsert: vec![], remove: vec![] },
        certificates: CertificateChanges { upsert: vec![], remove: vec![] },
    }
}

/// A reference to an object, whose UID is made of kind and name.
pub fn object(kind: &str, name: &str) -> ObjectRef {
    ObjectRef {
        kind: kind.to_owned(),
        namespace: "default".to_owned(),
        name: name.to_owned(),
        uid: format!("{kind}-{name}").to_lowercase(),
    }
}

/// A listener that the operator configured.
pub fn listener(name: &str, port: u16, protocol: Protocol) -> Listener {
    Listener {
        name: name.to_owned(),
        port,
        protocol,
        redirect_to_https: None,
        proxy_protocol: false,
        default_certificate: None,
        targets: vec![],
        sources: vec![],
    }
}

/// What a listener serves for a host, spelled `*`, `foo.com` or `*.foo.com`.
pub fn virtual_host(listener: &str, host: &str, routes: Vec<Route>) -> VirtualHost {
    VirtualHost {
        id: format!("{listener}/{host}"),
        listener: listener.to_owned(),
        host: host_match(host),
        certificate: None,
        service: HostService::Routes(routes),
    }
}

/// A host of a `tls` listener.
pub fn passthrough(listener: &str, host: &str, backends: &[&str]) -> VirtualHost {
    VirtualHost { service: HostService::Passthrough(targets(backends)), ..virtual_host(listener, host, vec![]) }
}

fn host_match(host: &str) -> HostMatch {
    match host.strip_prefix("*.") {
        Some(suffix) => HostMatch::Wildcard(suffix.to_owned()),
        None if host == "*" => HostMatch::Any,
        None => HostMatch::Exact(host.to_owned()),
    }
}

/// A route of the Ingress `web` with an action of its own.
pub fn route(path: PathMatch, action: RouteAction) -> Route {
    Route {
        path,
        method: None,
        headers: vec![],
        query_parameters: vec![],
        action,
        policies: vec![],
        source: object("Ingress", "web"),
    }
}

/// A route by path prefix to one backend.
pub fn prefix(path: &str, backend: &str) -> Route {
    route(PathMatch::Prefix(path.to_owned()), RouteAction::Forward(targets(&[backend])))
}

/// A route by whole path to one backend.
pub fn exact(path: &str, backend: &str) -> Route {
    route(PathMatch::Exact(path.to_owned()), RouteAction::Forward(targets(&[backend])))
}

/// Backends that share evenly.
pub fn targets(backends: &[&str]) -> Vec<WeightedBackend> {
    backends.iter().map(|&backend| WeightedBackend { backend: backend.to_owned(), weight: 1 }).collect()
}

/// An HTTP backend, spelled `<namespace>/<service>/<port>`.
pub fn backend(id: &str, endpoints: Vec<Endpoint>) -> Backend {
    let mut parts = id.split('/');
    let mut next = || parts.next().expect("a backend is <namespace>/<service>/<port>");
    let (namespace, service) = (next(), next());
    let target_ports: BTreeSet<_> = endpoints.iter().map(|endpoint| endpoint.port).collect();
    let target_ports = target_ports.into_iter().collect();
    Backend {
        id: id.to_owned(),
        service: ObjectRef { namespace: namespace.to_owned(), ..object("Service", service) },
        port: next().parse().expect("the port is a number"),
        protocol: BackendProtocol::Http,
        affinity: Affinity::None,
        target_ports,
        endpoints,
    }
}

/// An endpoint that serves.
pub fn endpoint(address: &str, port: u16) -> Endpoint {
    Endpoint { address: address.to_owned(), port, terminating: false, zone: None }
}

/// A certificate of the Secret of this name.
pub fn certificate(id: &str, secret: &str, chain: &str) -> Certificate {
    Certificate {
        id: id.to_owned(),
        names: vec![],
        chain: chain.to_owned(),
        not_after: 4_102_444_800,
        sources: vec![object("Secret", secret)],
    }
}
