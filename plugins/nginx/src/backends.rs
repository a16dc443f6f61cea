//! The data files of `backends/`, one for each backend. `data-plane/balancer.lua` tells their form and reads them, and so
//! does `data-plane/stream.js`.

use std::{
    collections::BTreeSet,
    fmt::Write,
    net::{IpAddr, SocketAddr},
};

use lb_provider::{Affinity, Backend, BackendProtocol, ChangeKind, ChangeSet, Endpoint, Error, Files};

use crate::{
    names::{BACKENDS, backend_data as path, digest},
    rejections::Rejections,
};

/// Writes what is new or other. Nothing that is served refers to a backend before it is there.
pub(crate) fn put(files: &dyn Files, change: &ChangeSet, rejections: &mut Rejections) -> Result<(), Error> {
    for backend in &change.backends.upsert {
        files.put(&path(&backend.id), render(backend, rejections).as_bytes())?;
    }
    Ok(())
}

/// Removes what is gone. Nothing that is served refers to it any more, but workers of an older configuration that finish
/// their connections: they remember it.
pub(crate) fn remove(files: &dyn Files, change: &ChangeSet) -> Result<(), Error> {
    for id in &change.backends.remove {
        files.remove(&path(id))?;
    }
    if change.kind == ChangeKind::Complete {
        let wanted: BTreeSet<_> = change.backends.upsert.iter().map(|backend| digest(&backend.id)).collect();
        for name in files.list(BACKENDS)? {
            if !wanted.contains(&name) {
                files.remove(&format!("{BACKENDS}/{}", name.trim_end_matches('/')))?;
            }
        }
    }
    Ok(())
}

fn render(backend: &Backend, rejections: &mut Rejections) -> String {
    let protocol = protocol(backend.protocol);
    if protocol.is_none() {
        let message = "nginx speaks HTTP/1.1 to endpoints, with or without TLS, and cannot speak HTTP/2 or gRPC: requests \
                       are answered 503. Set the port's `appProtocol` to `http` or `https` if the application can do that";
        rejections.push(&backend.service, message);
    }
    let affinity = match backend.affinity {
        Affinity::None => "none",
        Affinity::ClientIp(_) => "client-ip",
    };
    let (open, terminating): (Vec<_>, Vec<_>) = backend.endpoints.iter().partition(|endpoint| !endpoint.terminating);
    let mut lines = String::new();
    let mut write = |endpoints: &[&Endpoint]| {
        let usable = endpoints.iter().filter_map(|endpoint| match endpoint.address.parse::<IpAddr>() {
            Ok(address) if endpoint.port > 0 => Some(SocketAddr::new(address, endpoint.port)),
            _ => {
                let message =
                    format!("`{}` port {} is not an endpoint", endpoint.address.escape_debug(), endpoint.port);
                rejections.push(&backend.service, message);
                None
            }
        });
        usable.fold(0, |count, address| {
            writeln!(lines, "{address}").expect("a string takes everything");
            count + 1
        })
    };
    let open = write(&open);
    let terminating = write(&terminating);
    let total = open + terminating;
    // Endpoints that shut down still answer, and get new clients only while there is nobody else.
    let open = match (protocol, open) {
        (None, _) => 0,
        (Some(_), 0) => total,
        (Some(_), open) => open,
    };
    let body = format!("{} {affinity} {open} {total}\n{lines}", protocol.unwrap_or("unsupported"));
    format!("v1 {} {body}", digest(&body))
}

fn protocol(protocol: BackendProtocol) -> Option<&'static str> {
    match protocol {
        BackendProtocol::Http => Some("http"),
        BackendProtocol::Https => Some("https"),
        BackendProtocol::Tcp => Some("tcp"),
        BackendProtocol::Udp => Some("udp"),
        BackendProtocol::H2c | BackendProtocol::Grpc | BackendProtocol::Grpcs => None,
    }
}
