//! What the operator decided about translation.

use std::sync::Arc;

use super::ClassBindings;
use crate::{
    cluster::NamespacedName,
    types::{Certificate, HostMatch, Protocol},
};

/// What the operator decided about translation.
#[derive(Debug, Clone)]
pub struct Options {
    /// `spec.controller` of the classes that are ours.
    pub controller_name: String,
    /// Which of them are served.
    pub classes: ClassSelection,
    /// Take Ingresses that name no class even if no class of ours is marked as default.
    pub watch_without_class: bool,
    /// The port of an Ingress without the annotation `http.port`; for `per-class` providers always open.
    pub http_port: u16,
    /// The port of an Ingress without the annotation `https.port`. Differs from `http_port`.
    pub https_port: u16,
    /// For TLS entries that name no Secret, and for clients whose SNI nothing matches.
    pub default_certificate: Option<Arc<Certificate>>,
    /// Listeners that the operator configured; for `per-class` providers only. See
    /// [`stream_problems`](super::Translator::stream_problems).
    pub streams: Vec<Stream>,
}

/// Which ingress classes are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClassSelection {
    /// Every class whose `spec.controller` is ours.
    AllOfController {
        /// Also served, while no IngressClass of this name exists: objects that name it.
        name: String,
    },
    /// This class alone. An IngressClass of this name must have our controller, or not exist.
    Only(String),
    /// Those classes of our controller that are bound to one of its several providers. An Ingress whose class moves to
    /// another one is held, until it is [released](super::Translator::release).
    Bound {
        /// The name of the provider.
        provider: String,
        /// All providers.
        bindings: Arc<ClassBindings>,
    },
}

impl ClassSelection {
    /// The name of the class, and of the load balancer of a `per-class` provider.
    pub fn name(&self) -> &str {
        match self {
            Self::AllOfController { name } | Self::Only(name) => name,
            Self::Bound { provider, bindings } => bindings.class_of(provider),
        }
    }
}

/// A TCP, UDP or TLS-passthrough listener that the operator configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// 1 to 65535.
    pub port: u16,
    /// `tls`, `tcp` or `udp`.
    pub protocol: Protocol,
    /// `tls` only: the SNI names; `None` is any.
    pub host: Option<HostMatch>,
    /// Where connections go.
    pub service: NamespacedName,
    /// The port of the Service.
    pub service_port: ServicePort,
    /// Clients prefix each connection with a PROXY protocol header.
    pub proxy_protocol: bool,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServicePort {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}
