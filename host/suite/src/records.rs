//! Records of a change-set, with the least that each needs.

use std::{collections::BTreeMap, sync::Arc};

use lb_model::{
    tables::{Configuration, Table, Tables},
    types::{
        Certificate, HostMatch, HostService, Listener, LoadBalancer, ObjectRef, PathMatch, Protocol, Route,
        RouteAction, VirtualHost, WeightedBackend,
    },
};
use sha2::{Digest, Sha256};

use crate::fixtures::NAMESPACE;

/// An object of the suite, whose UID is one that Kubernetes could have given.
pub(crate) fn object(kind: &str, name: &str) -> ObjectRef {
    let digest = hex::encode(Sha256::digest(format!("{kind}/{name}")));
    let uid =
        format!("{}-{}-4{}-8{}-{}", &digest[..8], &digest[8..12], &digest[13..16], &digest[17..20], &digest[20..32]);
    ObjectRef { kind: kind.to_owned(), namespace: NAMESPACE.to_owned(), name: name.to_owned(), uid }
}

pub(crate) fn listener(port: u16, protocol: Protocol, source: &ObjectRef) -> Listener {
    let scheme = match protocol {
        Protocol::Http => "http",
        Protocol::Https => "https",
        Protocol::Tls => "tls",
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    Listener {
        name: format!("{scheme}-{port}"),
        port,
        protocol,
        redirect_to_https: None,
        proxy_protocol: false,
        default_certificate: None,
        targets: Vec::new(),
        sources: vec![source.clone()],
    }
}

/// What a listener serves for a host, spelled `*`, `foo.com` or `*.foo.com`.
pub(crate) fn virtual_host(listener: &str, host: &str, routes: Vec<Route>) -> VirtualHost {
    let matched = match host.strip_prefix("*.") {
        Some(suffix) => HostMatch::Wildcard(suffix.to_owned()),
        None if host == "*" => HostMatch::Any,
        None => HostMatch::Exact(host.to_owned()),
    };
    VirtualHost {
        id: format!("{listener}/{host}"),
        listener: listener.to_owned(),
        host: matched,
        certificate: None,
        service: HostService::Routes(routes),
    }
}

pub(crate) fn route(path: PathMatch, action: RouteAction, source: &ObjectRef) -> Route {
    Route {
        path,
        method: None,
        headers: Vec::new(),
        query_parameters: Vec::new(),
        action,
        policies: Vec::new(),
        source: source.clone(),
    }
}

/// Backends that share evenly.
pub(crate) fn targets(backends: &[&str]) -> Vec<WeightedBackend> {
    backends.iter().map(|&backend| WeightedBackend { backend: backend.to_owned(), weight: 1 }).collect()
}

/// A configuration without records.
pub(crate) fn empty(load_balancer: LoadBalancer) -> Configuration {
    Configuration { load_balancer, tables: Tables::default() }
}

/// Adds records of one table, or replaces them.
pub(crate) fn put<T>(table: &mut Table<T>, key: impl Fn(&T) -> &str, record: T) {
    let key = key(&record).to_owned();
    table.insert(key, Arc::new(record));
}

/// Adds to a configuration in the order of its tables.
pub(crate) trait Add: Sized {
    fn listener(self, listener: Listener) -> Self;
    fn host(self, host: VirtualHost) -> Self;
    fn backend(self, backend: lb_model::types::Backend) -> Self;
    fn certificate(self, certificate: Certificate) -> Self;
    /// Takes a virtual host away.
    fn without_host(self, id: &str) -> Self;
}

impl Add for Configuration {
    fn listener(mut self, listener: Listener) -> Self {
        put(&mut self.tables.listeners, |it| &it.name, listener);
        self
    }

    fn host(mut self, host: VirtualHost) -> Self {
        put(&mut self.tables.virtual_hosts, |it| &it.id, host);
        self
    }

    fn backend(mut self, backend: lb_model::types::Backend) -> Self {
        put(&mut self.tables.backends, |it| &it.id, backend);
        self
    }

    fn certificate(mut self, certificate: Certificate) -> Self {
        put(&mut self.tables.certificates, |it| &it.id, certificate);
        self
    }

    fn without_host(mut self, id: &str) -> Self {
        BTreeMap::remove(&mut self.tables.virtual_hosts, id);
        self
    }
}
