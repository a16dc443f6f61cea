//! Configurations that a provider has to serve, made of nothing but what it declares.

use std::sync::Arc;

use lb_model::{
    tables::Configuration,
    types::{
        Affinity, Backend, BackendDetail, BackendProtocol, Descriptor, Endpoint, Feature, Listener, LoadBalancer,
        ObjectRef, PathMatch, Protocol, Route, RouteAction, Scope, VirtualHost,
    },
};

use crate::{
    bench::has,
    certificates::Certificates,
    ports,
    records::{self, Add as _, listener, object, route, targets, virtual_host},
};

/// The namespace of every object of the suite.
pub const NAMESPACE: &str = "lb-suite";

/// The longest name of a Service.
const LONG: &str = "a0123456789-0123456789-0123456789-0123456789-0123456789-0123456";

/// The Services that backends are of. An API that looks Services up by UID, or a double of one, has to know them.
pub fn services() -> impl Iterator<Item = ObjectRef> {
    ["shop", "cart", LONG].into_iter().map(|name| object("Service", name))
}

/// The port of each Service, and that of its pods.
const PORT: u16 = 80;
const TARGET_PORT: u16 = 8080;

/// A host that is served first and not any more later: its name is found nowhere else.
pub(crate) const STRANGER: &str = "stranger-0b5e6c1d.suite.test";

/// What one clause builds its configurations with.
pub(crate) struct Fixtures {
    /// Of the clause; names its load balancers.
    name: String,
    pub(crate) descriptor: Descriptor,
    pub(crate) certificates: Arc<Certificates>,
}

impl Fixtures {
    pub(crate) fn new(name: &str, descriptor: Descriptor, certificates: Arc<Certificates>) -> Self {
        Self { name: name.to_owned(), descriptor, certificates }
    }

    pub(crate) fn has(&self, feature: Feature) -> bool {
        has(&self.descriptor, feature)
    }

    pub(crate) fn is_per_object(&self) -> bool {
        self.descriptor.scope == Scope::PerObject
    }

    /// The load balancer of the clause.
    pub(crate) fn load_balancer(&self) -> LoadBalancer {
        self.named(&self.name)
    }

    /// The load balancer of this name: of an Ingress, or of a class.
    pub(crate) fn named(&self, name: &str) -> LoadBalancer {
        let (id, owner) = if self.is_per_object() {
            (format!("{NAMESPACE}/{name}"), Some(object("Ingress", name)))
        } else {
            (name.to_owned(), None)
        };
        LoadBalancer { id, owner, scale: None, annotations: Vec::new() }
    }

    /// Who asked for the records.
    pub(crate) fn source(&self) -> ObjectRef {
        object("Ingress", &self.name)
    }

    /// A port for plain HTTP, with one host and its backend.
    pub(crate) fn web(&self) -> Web {
        self.web_of(self.load_balancer())
    }

    pub(crate) fn web_of(&self, load_balancer: LoadBalancer) -> Web {
        let http = listener(ports::free(), Protocol::Http, &self.source());
        let web = records::empty(load_balancer).listener(http.clone()).backend(self.backend("shop"));
        Web { configuration: web.host(self.host(&http.name, "shop.suite.test", "shop")), http }
    }

    /// A host whose every path goes to a Service.
    pub(crate) fn host(&self, listener: &str, host: &str, service: &str) -> VirtualHost {
        virtual_host(listener, host, self.routes("/", service))
    }

    /// A route for a path, by prefix where the provider can do that.
    pub(crate) fn routes(&self, path: &str, service: &str) -> Vec<Route> {
        let path = if self.has(Feature::PathPrefix) {
            PathMatch::Prefix(path.to_owned())
        } else if self.has(Feature::PathExact) {
            PathMatch::Exact(path.to_owned())
        } else {
            return Vec::new();
        };
        vec![self.forward(path, service)]
    }

    pub(crate) fn forward(&self, path: PathMatch, service: &str) -> Route {
        route(path, RouteAction::Forward(targets(&[&backend_id(service)])), &self.source())
    }

    /// The port of a Service, with one pod behind it.
    pub(crate) fn backend(&self, service: &str) -> Backend {
        self.backend_with(service, vec![endpoint("127.0.0.1", TARGET_PORT)])
    }

    pub(crate) fn backend_with(&self, service: &str, endpoints: Vec<Endpoint>) -> Backend {
        let told = self.descriptor.backend_detail == BackendDetail::Endpoints;
        Backend {
            id: backend_id(service),
            service: object("Service", service),
            port: PORT,
            protocol: BackendProtocol::Http,
            affinity: Affinity::None,
            target_ports: vec![TARGET_PORT],
            endpoints: if told { endpoints } else { Vec::new() },
        }
    }

    /// The same for streams.
    pub(crate) fn stream_backend(&self, service: &str, protocol: BackendProtocol) -> Backend {
        let suffix = if protocol == BackendProtocol::Udp { "udp" } else { "tcp" };
        let backend = self.backend(service);
        Backend { id: format!("{}/{suffix}", backend.id), protocol, ..backend }
    }
}

/// Plain HTTP with one host.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) configuration: Configuration,
    pub(crate) http: Listener,
}

/// The longest name of a Service.
pub(crate) fn long_service() -> &'static str {
    LONG
}

pub(crate) fn backend_id(service: &str) -> String {
    format!("{NAMESPACE}/{service}/{PORT}")
}

pub(crate) fn endpoint(address: &str, port: u16) -> Endpoint {
    Endpoint { address: address.to_owned(), port, terminating: false, zone: None }
}

#[cfg(test)]
mod tests {
    use super::LONG;

    #[test]
    fn the_long_name_is_the_longest() {
        assert_eq!(LONG.len(), 63);
    }
}
