use std::collections::BTreeMap;

use lb_provider::{HostMatch, HostService, Listener, Protocol, VirtualHost};

use super::{Scope, Unserved, edge, host, policies};
use crate::{
    config::{AutomaticHttps, Errors, Handler, Matcher, Route, Server},
    names::{Tier, digest, socket},
};

/// What a Caddy does for every port that can be served.
pub(super) fn servers(tier: Tier, scope: &Scope, unserved: &mut Unserved) -> BTreeMap<String, Server> {
    let mut servers = BTreeMap::new();
    for listener in &scope.change.listeners.upsert {
        if scope.exclusions.listener(&listener.name) {
            continue;
        }
        match unsupported(listener) {
            None => {
                let server = match tier {
                    Tier::Edge => edge::server(scope, listener, &hosts(scope, listener)),
                    Tier::Router => router(scope, listener, unserved),
                };
                servers.insert(digest(&listener.name), server);
            }
            // Told once.
            Some(_) if tier == Tier::Router => {}
            Some(reason) => {
                let message = format!("the port {} is not served: {reason}", listener.port);
                unserved.rejections.push_all(&listener.sources, &message);
                if listener.sources.is_empty() {
                    unserved.complaints.push(message);
                }
            }
        }
    }
    servers
}

fn unsupported(listener: &Listener) -> Option<&'static str> {
    match listener.protocol {
        Protocol::Http | Protocol::Https if listener.proxy_protocol => {
            Some("the Caddy provider does not know the PROXY protocol")
        }
        Protocol::Http | Protocol::Https => None,
        Protocol::Tls | Protocol::Tcp | Protocol::Udp => Some("the Caddy provider serves HTTP and HTTPS only"),
    }
}

fn router(scope: &Scope, listener: &Listener, unserved: &mut Unserved) -> Server {
    let hosts = hosts(scope, listener);
    let (exact, others): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|it| matches!(it.host, HostMatch::Exact(_)));
    let mut route = |host| host::route(scope, listener, host, unserved);
    let mut routes = vec![Route { matches: vec![], handle: vec![policies::nameless()], terminal: false }];
    routes.extend(grouped(exact.into_iter().filter_map(&mut route).collect()));
    routes.extend(others.into_iter().filter_map(&mut route));
    routes.push(host::not_found());
    Server {
        listen: vec![socket(&listener.name)],
        protocols: vec!["h1"],
        automatic_https: AutomaticHttps { disable: true },
        routes,
        errors: Errors { routes: policies::errors() },
        tls_connection_policies: vec![],
    }
}

/// Caddy tries one route after the other, but in a list of more than a hundred names it searches.
fn grouped(routes: Vec<Route>) -> Vec<Route> {
    const GROUP: usize = 128;
    if routes.len() < 2 * GROUP {
        return routes;
    }
    let mut groups = Vec::new();
    let mut routes = routes.into_iter().peekable();
    while routes.peek().is_some() {
        let group: Vec<_> = routes.by_ref().take(GROUP).collect();
        let hosts = group.iter().flat_map(|route| &route.matches).filter_map(|matcher| matcher.host.as_ref());
        let names = hosts.flatten().cloned().collect();
        let matches = vec![Matcher { host: Some(names), ..Matcher::default() }];
        groups.push(Route { matches, handle: vec![Handler::Subroute { routes: group }], terminal: true });
    }
    groups
}

/// The listener's hosts in match order: names, then wildcards, which never match the same name, then any.
fn hosts<'a>(scope: &Scope<'a>, listener: &Listener) -> Vec<&'a VirtualHost> {
    let is_ours = |host: &&VirtualHost| {
        host.listener == listener.name
            && !scope.exclusions.virtual_host(&host.id)
            && matches!(host.service, HostService::Routes(_))
    };
    let mut hosts: Vec<_> = scope.change.virtual_hosts.upsert.iter().filter(is_ours).collect();
    hosts.sort_by_key(|host| match host.host {
        HostMatch::Exact(_) => 0,
        HostMatch::Wildcard(_) => 1,
        HostMatch::Any => 2,
    });
    hosts
}
