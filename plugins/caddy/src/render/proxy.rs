use std::net::SocketAddr;

use lb_provider::{Affinity, Backend, BackendProtocol, Listener, Policy, Protocol};

use super::route::respond;
use crate::{
    config::{
        Dial, Handler, HeaderOperations, Headers, LoadBalancing, Matcher, ReverseProxy, SelectionPolicy, Transport,
        TransportTls, Upstream,
    },
    settings::Settings,
    text::{HeaderName, Milliseconds, Template},
};

/// Where the edge writes the address of the client; what the client wrote there is gone.
const CLIENT: &str = "X-Real-Ip";

/// What forwards to a backend.
pub(super) fn write(
    settings: &Settings,
    listener: &Listener,
    backend: &Backend,
    policies: &[Policy],
) -> Result<Handler, String> {
    let transport = transport(settings, backend.protocol)?;
    let upstreams = upstreams(backend)?;
    if upstreams.is_empty() {
        return Ok(respond(503));
    }
    let selection_policy = match backend.affinity {
        Affinity::None => SelectionPolicy { policy: "round_robin", field: None },
        Affinity::ClientIp(_) => SelectionPolicy { policy: "header", field: Some(CLIENT) },
    };
    let (tries, any_request) = tries(settings, policies);
    Ok(Handler::ReverseProxy(Box::new(ReverseProxy {
        upstreams,
        load_balancing: LoadBalancing {
            selection_policy,
            retries: (tries > 1).then(|| tries - 1),
            try_duration: None,
            try_interval: None,
            retry_match: if any_request { vec![Matcher::default()] } else { vec![] },
        },
        transport,
        headers: Headers { request: Some(forwarded(listener)), response: None },
    })))
}

/// Those that take new clients.
fn upstreams(backend: &Backend) -> Result<Vec<Upstream>, String> {
    let stay = backend.endpoints.iter().any(|endpoint| !endpoint.terminating);
    let taken = backend.endpoints.iter().filter(|endpoint| !(stay && endpoint.terminating));
    let parse = |endpoint: &lb_provider::Endpoint| {
        let address = endpoint.address.parse().map_err(|_| {
            format!("the Service {} has an endpoint that is no address", backend.service.name.escape_debug())
        })?;
        Ok(Upstream { dial: Dial::Address(SocketAddr::new(address, endpoint.port)) })
    };
    taken.map(parse).collect()
}

fn transport(settings: &Settings, protocol: BackendProtocol) -> Result<Transport, String> {
    let (tls, versions) = match protocol {
        BackendProtocol::Http => (false, vec!["1.1"]),
        BackendProtocol::Https => (true, vec!["1.1", "2"]),
        BackendProtocol::H2c => (false, vec!["h2c"]),
        BackendProtocol::Grpc | BackendProtocol::Grpcs => {
            return Err("the Caddy provider does not speak gRPC to endpoints".to_owned());
        }
        BackendProtocol::Tcp | BackendProtocol::Udp => {
            return Err("the Caddy provider speaks only HTTP to endpoints".to_owned());
        }
    };
    let idle = Milliseconds(settings.idle_timeout_milliseconds.get());
    Ok(Transport {
        protocol: "http",
        dial_timeout: Milliseconds(settings.connect_timeout_milliseconds.get()),
        read_timeout: Some(idle),
        write_timeout: Some(idle),
        // The endpoint is asked for what the client asks for.
        compression: false,
        keep_alive: None,
        tls: tls.then_some(TransportTls { insecure_skip_verify: true }),
        versions,
    })
}

/// How often a request is tried, and whether those that an endpoint may have taken are tried again.
fn tries(settings: &Settings, policies: &[Policy]) -> (u64, bool) {
    let retry = policies.iter().find_map(|policy| match policy {
        Policy::Retry(retry) => Some((u64::from(retry.attempts), retry.non_idempotent)),
        _ => None,
    });
    retry.unwrap_or((settings.tries.get(), false))
}

/// Who the client is and what it asked for, as the edge saw it.
fn forwarded(listener: &Listener) -> HeaderOperations {
    let scheme = if matches!(listener.protocol, Protocol::Https) { "https" } else { "http" };
    let set = [
        ("X-Forwarded-For", format!("{{http.request.header.{CLIENT}}}")),
        ("X-Forwarded-Host", "{http.request.hostport}".to_owned()),
        ("X-Forwarded-Port", listener.port.to_string()),
        ("X-Forwarded-Proto", scheme.to_owned()),
    ];
    let set = set.into_iter().map(|(name, value)| (HeaderName::new(name), vec![Template::new(value)])).collect();
    HeaderOperations { set, ..HeaderOperations::default() }
}
