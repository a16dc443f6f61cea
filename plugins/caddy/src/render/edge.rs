//! A port: TLS ends here, and the requests go to the router as they came.

use std::{collections::BTreeMap, net::SocketAddr};

use lb_provider::{Listener, Protocol, VirtualHost};

use super::{Scope, policies, tls};
use crate::{
    config::{
        AutomaticHttps, Dial, Errors, Handler, HeaderOperations, Headers, KeepAlive, LoadBalancing, ReverseProxy,
        Route, SelectionPolicy, Server, StaticResponse, Transport, Upstream,
    },
    names::socket,
    text::{HeaderName, Milliseconds, Template},
};

/// How long requests wait for a router that is started anew.
const PATIENCE: Milliseconds = Milliseconds(10_000);

pub(super) fn server(scope: &Scope, listener: &Listener, hosts: &[&VirtualHost]) -> Server {
    let handler = match listener.redirect_to_https {
        Some(port) => redirect(port),
        None => to_router(listener),
    };
    let is_https = matches!(listener.protocol, Protocol::Https);
    Server {
        listen: listen(scope, listener.port),
        protocols: vec!["h1", "h2"],
        automatic_https: AutomaticHttps { disable: true },
        routes: vec![Route { matches: vec![], handle: vec![policies::nameless(), handler], terminal: true }],
        errors: Errors { routes: vec![] },
        tls_connection_policies: if is_https { tls::policies(scope, listener, hosts) } else { vec![] },
    }
}

fn listen(scope: &Scope, port: u16) -> Vec<String> {
    match scope.settings.listen_addresses.as_slice() {
        [] => vec![format!(":{port}")],
        addresses => addresses.iter().map(|&address| SocketAddr::from((address, port)).to_string()).collect(),
    }
}

/// What clients say in place of `{...}` is not replaced again.
fn redirect(port: u16) -> Handler {
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let location = Template::new(format!("https://{{http.request.host}}{port}{{http.request.uri}}"));
    let headers = BTreeMap::from([(HeaderName::new("Location"), vec![location])]);
    Handler::StaticResponse(StaticResponse { status_code: 308, headers, body: None })
}

fn to_router(listener: &Listener) -> Handler {
    // What clients say of themselves is replaced; the router takes it from here.
    let client = vec![Template::new("{http.request.remote.host}")];
    let set = BTreeMap::from([(HeaderName::new("X-Real-Ip"), client)]);
    Handler::ReverseProxy(Box::new(ReverseProxy {
        upstreams: vec![Upstream { dial: Dial::Socket(socket(&listener.name)) }],
        load_balancing: LoadBalancing {
            selection_policy: SelectionPolicy { policy: "first", field: None },
            retries: None,
            try_duration: Some(PATIENCE),
            try_interval: Some(Milliseconds(50)),
            retry_match: vec![],
        },
        transport: Transport {
            protocol: "http",
            dial_timeout: PATIENCE,
            read_timeout: None,
            write_timeout: None,
            compression: false,
            // A router that changes closes idle connections, maybe just when a request is sent on one.
            keep_alive: Some(KeepAlive { enabled: false }),
            tls: None,
            versions: vec!["1.1"],
        },
        headers: Headers { request: Some(HeaderOperations { set, ..HeaderOperations::default() }), response: None },
    }))
}
