use lb_provider::{HostService, Listener, ObjectRef, VirtualHost};

use super::{Scope, Unserved, route};
use crate::{
    config::{Handler, Matcher, Route},
    text::HostName,
};

/// One virtual host; nothing if it cannot be served.
pub(super) fn route(scope: &Scope, listener: &Listener, host: &VirtualHost, unserved: &mut Unserved) -> Option<Route> {
    let HostService::Routes(routes) = &host.service else { return None };
    let matches = match HostName::of(&host.host) {
        Ok(None) => vec![],
        Ok(Some(name)) => vec![Matcher { host: Some(vec![name]), ..Matcher::default() }],
        Err(reason) => {
            let message = format!("the host cannot be served: {reason}");
            unserved.rejections.push_all(sources(host), &message);
            return None;
        }
    };
    let mut written: Vec<_> =
        routes.iter().filter_map(|route| route::write(scope, listener, route, &mut unserved.rejections)).collect();
    written.push(not_found());
    Some(Route { matches, handle: vec![Handler::Subroute { routes: written }], terminal: true })
}

/// What is left when nothing matched. Caddy's own answer would be an empty success.
pub(super) fn not_found() -> Route {
    Route { matches: vec![], handle: vec![route::respond(404)], terminal: true }
}

/// The objects that asked for a host.
pub(super) fn sources(host: &VirtualHost) -> impl Iterator<Item = &ObjectRef> {
    let routes = match &host.service {
        HostService::Routes(routes) => routes.as_slice(),
        HostService::Passthrough(_) => &[],
    };
    routes.iter().map(|route| &route.source)
}
