//! Backends: one port of one Service, and the endpoints behind it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
};

use k8s_openapi::{
    api::{
        core::v1::{Service, ServicePort},
        discovery::v1::{Endpoint as SliceEndpoint, EndpointSlice},
    },
    apimachinery::pkg::util::intstr::IntOrString,
};

use super::features::Features;
use crate::{
    cluster::{Cluster, NamespacedName},
    types::{Affinity, Backend, BackendDetail, BackendProtocol, Endpoint, Feature, ObjectRef},
};

const DEFAULT_CLIENT_IP_SECONDS: u32 = 10_800;

/// How traffic reaches a backend. A Service may have the same port number for TCP and UDP, and the same TCP port may be
/// used by routes and by streams: these are different backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Transport {
    /// Routes of virtual hosts.
    Http,
    /// Streams over TCP, TLS passthrough among them.
    Tcp,
    /// Streams over UDP.
    Udp,
}

impl Transport {
    fn service_protocol(self) -> &'static str {
        match self {
            Self::Http | Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }

    /// Whether a port of a Service or of a slice is of this transport; TCP is the default of both.
    pub(super) fn carries(self, protocol: Option<&str>) -> bool {
        protocol.unwrap_or("TCP") == self.service_protocol()
    }
}

/// Names a backend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BackendKey {
    pub(super) service: NamespacedName,
    /// The number of the Service's port.
    pub(super) port: u16,
    pub(super) transport: Transport,
}

/// The backend's id.
impl fmt::Display for BackendKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = match self.transport {
            Transport::Http => "",
            Transport::Tcp => "/tcp",
            Transport::Udp => "/udp",
        };
        write!(formatter, "{}/{}{suffix}", self.service, self.port)
    }
}

/// The record of a backend as the cluster stands now. Without its Service, or without the port, it has no endpoints.
pub(super) fn backend(key: &BackendKey, features: &Features, cluster: &dyn Cluster) -> Backend {
    let service = cluster.service(&key.service).filter(|service| service.metadata.deletion_timestamp.is_none());
    let port = service.as_ref().and_then(|service| {
        let mut ports = service.spec.as_ref()?.ports.iter().flatten();
        ports.find(|port| port.port == i32::from(key.port) && key.transport.carries(port.protocol.as_deref()))
    });
    let mut endpoints = port.map_or_else(Vec::new, |port| {
        let slices = cluster.endpoint_slices(&key.service);
        endpoints(slices.iter().map(AsRef::as_ref), port.name.as_deref().unwrap_or_default(), key.transport)
    });
    let target_ports = target_ports(port, &endpoints);
    if features.backend_detail() == BackendDetail::Ports {
        endpoints = Vec::new();
    }
    Backend {
        id: key.to_string(),
        service: ObjectRef {
            kind: String::from("Service"),
            namespace: key.service.namespace.clone(),
            name: key.service.name.clone(),
            uid: service.as_ref().and_then(|service| service.metadata.uid.clone()).unwrap_or_default(),
        },
        port: key.port,
        protocol: match key.transport {
            Transport::Http => port.map_or(BackendProtocol::Http, application_protocol),
            Transport::Tcp => BackendProtocol::Tcp,
            Transport::Udp => BackendProtocol::Udp,
        },
        affinity: match service.as_deref().filter(|_| features.has(Feature::ClientIpAffinity)) {
            Some(service) => affinity(service),
            None => Affinity::None,
        },
        target_ports,
        endpoints,
    }
}

/// The ports of the pods: those of the endpoints, else what the Service says if that is a number.
fn target_ports(port: Option<&ServicePort>, endpoints: &[Endpoint]) -> Vec<u16> {
    let ports: BTreeSet<_> = endpoints.iter().map(|endpoint| endpoint.port).collect();
    if !ports.is_empty() {
        return ports.into_iter().collect();
    }
    let said = port.and_then(|port| match &port.target_port {
        // Left out, it is the same as the port.
        None => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        // The pods say which, and there are none.
        Some(IntOrString::String(_)) => None,
    });
    said.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0).into_iter().collect()
}

/// What the port's `appProtocol` says that its endpoints speak.
pub(super) fn application_protocol(port: &ServicePort) -> BackendProtocol {
    match port.app_protocol.as_deref() {
        Some("https" | "kubernetes.io/wss") => BackendProtocol::Https,
        Some("kubernetes.io/h2c") => BackendProtocol::H2c,
        Some("grpc") => BackendProtocol::Grpc,
        _ => BackendProtocol::Http,
    }
}

/// The Service's `sessionAffinity`.
pub(super) fn affinity(service: &Service) -> Affinity {
    let Some(spec) = service.spec.as_ref().filter(|spec| spec.session_affinity.as_deref() == Some("ClientIP")) else {
        return Affinity::None;
    };
    let client_ip = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
    let seconds =
        client_ip.and_then(|client_ip| client_ip.timeout_seconds).and_then(|seconds| u32::try_from(seconds).ok());
    Affinity::ClientIp(seconds.filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_CLIENT_IP_SECONDS))
}

/// The endpoints of all slices behind the Service port of this name, ordered, each address and port once.
fn endpoints<'a>(slices: impl Iterator<Item = &'a EndpointSlice>, name: &str, transport: Transport) -> Vec<Endpoint> {
    let mut found = BTreeMap::<(IpAddr, u16), Endpoint>::new();
    for slice in slices.filter(|slice| slice.metadata.deletion_timestamp.is_none() && slice.address_type != "FQDN") {
        let ports = slice.ports.iter().flatten().filter(|port| {
            port.name.as_deref().unwrap_or_default() == name && transport.carries(port.protocol.as_deref())
        });
        for port in ports.filter_map(|port| u16::try_from(port.port?).ok().filter(|port| *port > 0)) {
            for endpoint in slice.endpoints.iter().flatten() {
                let Some(terminating) = terminating(endpoint) else { continue };
                for address in endpoint.addresses.iter().filter_map(|address| address.parse::<IpAddr>().ok()) {
                    let record =
                        || Endpoint { address: address.to_string(), port, terminating, zone: endpoint.zone.clone() };
                    let known = found.entry((address, port)).or_insert_with(record);
                    // While a pod moves between slices it may be in both: the better news counts.
                    known.terminating &= terminating;
                    known.zone = [known.zone.take(), endpoint.zone.clone()].into_iter().flatten().min();
                }
            }
        }
    }
    let mut endpoints: Vec<_> = found.into_values().collect();
    endpoints.shrink_to_fit();
    endpoints
}

/// `None`: gets no traffic. Otherwise, whether it is to get new clients only while there is no other.
fn terminating(endpoint: &SliceEndpoint) -> Option<bool> {
    let conditions = endpoint.conditions.clone().unwrap_or_default();
    let ready = conditions.ready.unwrap_or(true);
    let serving = conditions.serving.unwrap_or(ready);
    let terminating = conditions.terminating.unwrap_or(false);
    if ready { Some(false) } else { (serving && terminating).then_some(true) }
}
