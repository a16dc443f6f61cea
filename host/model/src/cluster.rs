//! What translation may look up in Kubernetes.

use std::{fmt, sync::Arc};

use k8s_openapi::api::{
    core::v1::Service,
    discovery::v1::EndpointSlice,
    networking::v1::{Ingress, IngressClass},
};

use crate::types::Certificate;

/// The name of a namespaced object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct NamespacedName {
    /// The namespace; objects without one are in `default`.
    pub namespace: String,
    /// The object's name.
    pub name: String,
}

impl NamespacedName {
    /// A name in a namespace.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// What became of a TLS Secret.
#[derive(Debug, Clone)]
pub enum SecretLookup {
    /// There is no such Secret, or it is not of type `kubernetes.io/tls`.
    Missing,
    /// It is there and cannot be used; the reason is for its owner and tells no secret.
    Malformed(String),
    /// A certificate whose private key fits.
    Certificate(Arc<Certificate>),
}

/// A consistent view of the watched objects. All lists are complete before the first use.
pub trait Cluster {
    /// Every Ingress, of whatever class, in no particular order.
    fn ingresses(&self) -> Vec<Arc<Ingress>>;
    /// One Ingress.
    fn ingress(&self, key: &NamespacedName) -> Option<Arc<Ingress>>;
    /// Every IngressClass, of whatever controller.
    fn ingress_classes(&self) -> Vec<Arc<IngressClass>>;
    /// One Service.
    fn service(&self, key: &NamespacedName) -> Option<Arc<Service>>;
    /// The slices whose label `kubernetes.io/service-name` names this Service.
    fn endpoint_slices(&self, service: &NamespacedName) -> Vec<Arc<EndpointSlice>>;
    /// What a TLS Secret holds.
    fn certificate(&self, secret: &NamespacedName) -> SecretLookup;
}

/// What changed in the cluster, as far as translation cares.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Change {
    /// Translate everything anew.
    Everything,
    /// An Ingress appeared, changed or went.
    Ingress(NamespacedName),
    /// Some IngressClass appeared, changed or went.
    IngressClasses,
    /// A Service appeared, changed or went.
    Service(NamespacedName),
    /// An EndpointSlice of this Service appeared, changed or went.
    Endpoints(NamespacedName),
    /// A TLS Secret appeared, changed or went.
    Secret(NamespacedName),
}
