//! A change-set as the table that is written. Pure: the same change makes the same bytes, and tests need no host.

use std::collections::BTreeMap;

use lb_provider::{
    Backend, ChangeSet, HostMatch, HostService, PathMatch, Protocol, Rejection, Route, RouteAction,
    WeightedBackend,
};
use serde::Serialize;

/// What is served: port by port, host by host.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    ports: Vec<Port>,
}

#[derive(Debug, Serialize)]
struct Port {
    port: u16,
    hosts: Vec<VirtualHost>,
}

#[derive(Debug, Serialize)]
struct VirtualHost {
    /// `foo.com`, `*.foo.com`, or `*` for any.
    host: String,
    /// The first that matches serves the request.
    routes: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    path: String,
    #[serde(rename = "match")]
    kind: &'static str,
    #[serde(flatten)]
    action: Action,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Forward(Vec<Share>),
    Status(u16),
}

#[derive(Debug, Serialize)]
struct Share {
    weight: u32,
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Serialize)]
struct Endpoint {
    address: String,
    port: u16,
}

impl Table {
    /// The content of the file.
    pub(crate) fn to_json(&self, indent: bool) -> Vec<u8> {
        let json = if indent {
            serde_json::to_vec_pretty(self)
        } else {
            serde_json::to_vec(self)
        };
        let mut json = json.expect("strings and numbers can be written as JSON");
        json.push(b'\n');
        json
    }
}

/// The table of a complete change-set, and what cannot be served, each with the object whose owner is to be told.
pub(crate) fn table(change: &ChangeSet) -> (Table, Vec<Rejection>) {
    let backends = change
        .backends
        .upsert
        .iter()
        .map(|backend| (backend.id.as_str(), backend))
        .collect();
    let mut rejections = Vec::new();
    let mut ports = Vec::new();
    for listener in &change.listeners.upsert {
        if listener.protocol != Protocol::Http {
            let message = format!(
                "port {} is not HTTP, and this provider serves HTTP only",
                listener.port
            );
            rejections.extend(listener.sources.iter().map(|source| Rejection {
                object: source.clone(),
                field: String::new(),
                message: message.clone(),
            }));
            continue;
        }
        let hosts = change
            .virtual_hosts
            .upsert
            .iter()
            .filter(|host| host.listener == listener.name);
        let hosts = hosts.map(|host| VirtualHost {
            host: match &host.host {
                HostMatch::Any => "*".to_owned(),
                HostMatch::Exact(name) => name.clone(),
                HostMatch::Wildcard(suffix) => format!("*.{suffix}"),
            },
            routes: match &host.service {
                HostService::Routes(routes) => routes
                    .iter()
                    .filter_map(|route| entry(route, &backends, &mut rejections))
                    .collect(),
                HostService::Passthrough(_) => vec![],
            },
        });
        ports.push(Port {
            port: listener.port,
            hosts: hosts.collect(),
        });
    }
    (Table { ports }, rejections)
}

fn entry(
    route: &Route,
    backends: &BTreeMap<&str, &Backend>,
    rejections: &mut Vec<Rejection>,
) -> Option<Entry> {
    let mut refuse = |message: &str| {
        let object = route.source.clone();
        rejections.push(Rejection {
            object,
            field: "spec.rules".to_owned(),
            message: message.to_owned(),
        });
        None
    };
    let (kind, path) = match &route.path {
        PathMatch::Exact(path) => ("exact", path),
        PathMatch::Prefix(path) => ("prefix", path),
        PathMatch::Regex(_) => {
            return refuse("paths by regular expression are not served; use Prefix or Exact");
        }
    };
    let action = match &route.action {
        RouteAction::Forward(targets) => Action::Forward(
            targets
                .iter()
                .map(|target| share(target, backends))
                .collect(),
        ),
        RouteAction::Respond(status) => Action::Status(*status),
        RouteAction::Redirect(_) => {
            return refuse("redirects are not served; leave it to the application");
        }
    };
    Some(Entry {
        path: path.clone(),
        kind,
        action,
    })
}

fn share(target: &WeightedBackend, backends: &BTreeMap<&str, &Backend>) -> Share {
    let endpoints = backends
        .get(target.backend.as_str())
        .map_or(&[][..], |backend| &backend.endpoints);
    // One that shuts down gets new clients only while there is no other.
    let all_terminate = endpoints.iter().all(|endpoint| endpoint.terminating);
    let endpoints = endpoints
        .iter()
        .filter(|endpoint| all_terminate || !endpoint.terminating);
    let endpoints = endpoints.map(|endpoint| Endpoint {
        address: endpoint.address.clone(),
        port: endpoint.port,
    });
    Share {
        weight: target.weight,
        endpoints: endpoints.collect(),
    }
}
