//! The TCP, UDP and TLS-passthrough listeners that the operator configured.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ServicePort, Stream,
    backend::{BackendKey, Transport},
    features::Features,
    host::Host,
    ports::Use,
    service::find_port,
};
use crate::{
    cluster::{Cluster, NamespacedName},
    types::{Feature, HostService, Listener, Protocol, VirtualHost, WeightedBackend},
};

/// The streams that can be served, in the order of the operator.
#[derive(Default)]
pub(super) struct Streams {
    accepted: Vec<Stream>,
    refused: Vec<String>,
}

/// What the streams are in the tables.
#[derive(Default)]
pub(super) struct Records {
    pub(super) listeners: Vec<Listener>,
    pub(super) virtual_hosts: Vec<VirtualHost>,
    /// One for each time that a stream forwards.
    pub(super) backends: Vec<BackendKey>,
    /// For the operator: what is refused, and what leads nowhere.
    pub(super) problems: Vec<String>,
}

impl Streams {
    /// Takes what the provider can serve, as far as it does not clash.
    pub(super) fn new(streams: &[Stream], features: &Features) -> Self {
        let mut accepted: Vec<Stream> = Vec::new();
        let mut refused = Vec::new();
        for stream in streams {
            match unservable(stream, features).or_else(|| clash(stream, &accepted)) {
                Some(problem) => refused.push(format!("{}: {problem}", describe(stream))),
                None => accepted.push(stream.clone()),
            }
        }
        Self { accepted, refused }
    }

    /// The TCP ports that are taken.
    pub(super) fn reserve(&self, reserved: &mut BTreeMap<u16, Use>) {
        let tcp = self.accepted.iter().filter(|stream| stream.protocol != Protocol::Udp);
        reserved.extend(tcp.map(|stream| (stream.port, Use::Stream)));
    }

    /// The Services that the streams lead to.
    pub(super) fn services(&self) -> BTreeSet<NamespacedName> {
        self.accepted.iter().map(|stream| stream.service.clone()).collect()
    }

    /// The records of the streams as the cluster stands now.
    pub(super) fn resolve(&self, cluster: &dyn Cluster) -> Records {
        let mut records = Records { problems: self.refused.clone(), ..Records::default() };
        for stream in &self.accepted {
            let mut targets = Vec::new();
            match backend(stream, cluster) {
                Ok(key) => {
                    targets.push(WeightedBackend { backend: key.to_string(), weight: 1 });
                    records.backends.push(key);
                }
                Err(problem) => records.problems.push(format!("{}: {problem}", describe(stream))),
            }
            let name = listener_name(stream);
            let mut listener = Listener {
                name: name.clone(),
                port: stream.port,
                protocol: stream.protocol,
                redirect_to_https: None,
                proxy_protocol: stream.proxy_protocol,
                default_certificate: None,
                targets: Vec::new(),
                sources: Vec::new(),
            };
            if stream.protocol == Protocol::Tls {
                let host = Host::from_match(stream.host.as_ref());
                records.virtual_hosts.push(VirtualHost {
                    id: format!("{name}/{host}"),
                    listener: name,
                    host: host.matcher(),
                    certificate: None,
                    service: HostService::Passthrough(targets),
                });
                if records.listeners.iter().any(|known| known.name == listener.name) {
                    continue;
                }
            } else {
                listener.targets = targets;
            }
            records.listeners.push(listener);
        }
        records
    }
}

fn backend(stream: &Stream, cluster: &dyn Cluster) -> Result<BackendKey, String> {
    let transport = if stream.protocol == Protocol::Udp { Transport::Udp } else { Transport::Tcp };
    let service = cluster.service(&stream.service);
    match find_port(service.as_deref(), &stream.service, &stream.service_port, transport) {
        Ok((_, port)) => Ok(BackendKey { service: stream.service.clone(), port, transport }),
        Err(unusable) => Err(unusable.message),
    }
}

/// Why the provider cannot serve a stream.
fn unservable(stream: &Stream, features: &Features) -> Option<String> {
    let feature = match stream.protocol {
        Protocol::Tls => Feature::TlsPassthrough,
        Protocol::Tcp => Feature::Tcp,
        Protocol::Udp => Feature::Udp,
        Protocol::Http | Protocol::Https => return Some(String::from("a stream is tls, tcp or udp")),
    };
    let provider = features.provider();
    if !features.has(feature) {
        return Some(format!("the provider {provider} has no such listeners"));
    }
    if stream.proxy_protocol && !features.has(Feature::ProxyProtocol) {
        return Some(format!("the provider {provider} does not speak the PROXY protocol"));
    }
    if Host::from_match(stream.host.as_ref()).is_wildcard() && !features.has(Feature::HostWildcard) {
        return Some(format!("the provider {provider} has no wildcard hosts"));
    }
    (stream.host.is_some() && stream.protocol != Protocol::Tls).then(|| String::from("only a tls stream has a host"))
}

/// Why a stream cannot be beside those before it.
fn clash(stream: &Stream, accepted: &[Stream]) -> Option<String> {
    let is_udp = |stream: &Stream| stream.protocol == Protocol::Udp;
    let host = |stream: &Stream| Host::from_match(stream.host.as_ref());
    let mut same_port = accepted.iter().filter(|other| other.port == stream.port && is_udp(other) == is_udp(stream));
    same_port.find_map(|other| {
        if other.protocol != Protocol::Tls || stream.protocol != Protocol::Tls || host(other) == host(stream) {
            Some(String::from("the port is already taken by a stream before it"))
        } else if other.proxy_protocol != stream.proxy_protocol {
            Some(String::from("all streams of a port either have the PROXY protocol or have not"))
        } else {
            None
        }
    })
}

fn listener_name(stream: &Stream) -> String {
    format!("{}-{}", spelled(stream.protocol), stream.port)
}

fn describe(stream: &Stream) -> String {
    let host = stream.host.as_ref().map(|host| format!(" for {}", Host::from_match(Some(host)))).unwrap_or_default();
    let port = match &stream.service_port {
        ServicePort::Number(number) => number.to_string(),
        ServicePort::Name(name) => name.escape_debug().to_string(),
    };
    format!("stream {} on port {}{host} to {}:{port}", spelled(stream.protocol), stream.port, stream.service)
}

fn spelled(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "http",
        Protocol::Https => "https",
        Protocol::Tls => "tls",
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}
