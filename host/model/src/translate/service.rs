//! From what an object writes of a Service to a backend.

use k8s_openapi::api::{
    core::v1::{Service, ServicePort as Port},
    networking::v1::IngressBackend,
};

use super::{
    ServicePort,
    backend::{BackendKey, Transport, affinity, application_protocol},
    features::Features,
    notice::{Report, quote},
};
use crate::{
    cluster::{Cluster, NamespacedName},
    types::{Affinity, BackendProtocol, Feature},
};

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Backend(BackendKey),
    /// Nowhere: answered 503, so that no broader route gets what was meant for this one.
    Unavailable,
}

/// Why a Service cannot be used, and which part of the reference is to blame.
#[derive(Debug)]
pub(super) struct Unusable {
    /// Below `service`: `name`, `port`, `port.name` or `port.number`.
    pub(super) part: &'static str,
    pub(super) message: String,
}

/// The Service and its port that something names.
pub(super) fn find_port<'a>(
    service: Option<&'a Service>,
    name: &NamespacedName,
    wanted: &ServicePort,
    transport: Transport,
) -> Result<(&'a Port, u16), Unusable> {
    let unusable = |part, message| Err(Unusable { part, message });
    let Some(service) = service.filter(|service| service.metadata.deletion_timestamp.is_none()) else {
        return unusable(
            "name",
            format!("there is no Service {} in namespace {}", quote(&name.name), quote(&name.namespace)),
        );
    };
    let spec = service.spec.as_ref();
    if spec.and_then(|spec| spec.type_.as_deref()) == Some("ExternalName") {
        let why = "is of type ExternalName, which could send requests from inside the cluster to any host \
                   (server-side request forgery); use a Service with a selector or with EndpointSlices";
        return unusable("name", format!("the Service {} {why}", quote(&name.name)));
    }
    let ports = || spec.and_then(|spec| spec.ports.as_ref()).into_iter().flatten();
    let usable = || ports().filter(|port| transport.carries(port.protocol.as_deref()));
    let found = match wanted {
        ServicePort::Number(number) => usable().find(|port| port.port == i32::from(*number)),
        ServicePort::Name(wanted) => usable().find(|port| port.name.as_deref() == Some(wanted)),
    };
    if let Some((port, number)) = found.and_then(|port| Some((port, u16::try_from(port.port).ok()?))) {
        return Ok((port, number));
    }
    let (part, wanted) = match wanted {
        ServicePort::Number(number) => ("port.number", number.to_string()),
        ServicePort::Name(name) => ("port.name", quote(name)),
    };
    let names: Vec<_> = ports().map(describe).collect();
    let names = if names.is_empty() { String::from("none") } else { names.join(", ") };
    let protocol = if transport == Transport::Udp { "UDP" } else { "TCP" };
    unusable(part, format!("the Service {} has no {protocol} port {wanted}; its ports: {names}", quote(&name.name)))
}

fn describe(port: &Port) -> String {
    let protocol = port.protocol.as_deref().filter(|protocol| *protocol != "TCP");
    let protocol = protocol.map(|protocol| format!("/{}", protocol.escape_debug())).unwrap_or_default();
    match port.name.as_deref() {
        Some(name) if !name.is_empty() => format!("{}{protocol} ({})", port.port, name.escape_debug()),
        _ => format!("{}{protocol}", port.port),
    }
}

/// Resolves the backend of one Ingress at a time and remembers which Services it asked for.
pub(super) struct Resolver<'a> {
    pub(super) namespace: &'a str,
    pub(super) cluster: &'a dyn Cluster,
    pub(super) features: &'a Features,
    pub(super) services: Vec<NamespacedName>,
}

impl Resolver<'_> {
    /// Where the backend that stands in `field` leads.
    pub(super) fn target(&mut self, backend: &IngressBackend, field: &str, report: &mut Report) -> Target {
        let Some(service) = &backend.service else {
            if let Some(resource) = &backend.resource {
                let message = format!("a backend of kind {} cannot be served; name a Service", quote(&resource.kind));
                report.unsupported(format!("{field}.resource"), message);
            } else {
                report.rejected(field, "the backend names no Service");
            }
            return Target::Unavailable;
        };
        let field = format!("{field}.service");
        let port = service.port.as_ref();
        let number = port.and_then(|port| port.number).filter(|number| *number != 0);
        let wanted = match (port.and_then(|port| port.name.as_ref()).filter(|name| !name.is_empty()), number) {
            (Some(name), None) => ServicePort::Name(name.clone()),
            (None, Some(number)) => {
                let Ok(number) = u16::try_from(number) else {
                    report.rejected(format!("{field}.port.number"), format!("{number} is not a port (1 to 65535)"));
                    return Target::Unavailable;
                };
                ServicePort::Number(number)
            }
            _ => {
                report.rejected(format!("{field}.port"), "the port must have either a name or a number");
                return Target::Unavailable;
            }
        };
        self.service(NamespacedName::new(self.namespace, &service.name), &wanted, &field, report)
    }

    fn service(&mut self, name: NamespacedName, wanted: &ServicePort, field: &str, report: &mut Report) -> Target {
        let service = self.cluster.service(&name);
        if !self.services.contains(&name) {
            self.services.push(name.clone());
        }
        let (port, number) = match find_port(service.as_deref(), &name, wanted, Transport::Http) {
            Ok(found) => found,
            Err(unusable) => {
                report.rejected(format!("{field}.{}", unusable.part), unusable.message);
                return Target::Unavailable;
            }
        };
        let provider = self.features.provider();
        let protocol = application_protocol(port);
        if !self.features.speaks(protocol) {
            let protocol = spelled(protocol);
            let message = format!(
                "port {number} of the Service {} speaks {protocol} (appProtocol), which the provider {provider} does not",
                quote(&name.name)
            );
            report.unsupported(field, message);
            return Target::Unavailable;
        }
        let sticky = service.as_deref().is_some_and(|service| affinity(service) != Affinity::None);
        if sticky && !self.features.has(Feature::ClientIpAffinity) {
            let message = format!(
                "the Service {} has sessionAffinity ClientIP, which the provider {provider} lacks; its traffic is spread",
                quote(&name.name)
            );
            report.unsupported_once(field, message);
        }
        Target::Backend(BackendKey { service: name, port: number, transport: Transport::Http })
    }
}

fn spelled(protocol: BackendProtocol) -> &'static str {
    match protocol {
        BackendProtocol::Http => "HTTP",
        BackendProtocol::Https => "HTTPS",
        BackendProtocol::H2c => "HTTP/2 without TLS",
        BackendProtocol::Grpc | BackendProtocol::Grpcs => "gRPC",
        BackendProtocol::Tcp => "TCP",
        BackendProtocol::Udp => "UDP",
    }
}
