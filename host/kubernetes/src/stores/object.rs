//! What is kept of an object: only what translation and status read.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{
    api::{
        core::v1::{Secret, Service, ServicePort, ServiceSpec},
        discovery::v1::{Endpoint, EndpointSlice},
        networking::v1::{Ingress, IngressClass},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::runtime::watcher;
use lb_model::{
    certificate,
    cluster::NamespacedName,
    provider::PrivateKey,
    types::{Address, Certificate},
};
use zeroize::Zeroize;

use super::packed::Packed;
use crate::addresses;

/// The label by which an EndpointSlice names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The annotation in which `kubectl apply` keeps a second copy of the object.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The watched resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Resource {
    Ingresses,
    IngressClasses,
    Services,
    EndpointSlices,
    Secrets,
}

impl Resource {
    /// As in a URL, a role, and the `resource` label of metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Ingresses => "ingresses",
            Self::IngressClasses => "ingressclasses",
            Self::Services => "services",
            Self::EndpointSlices => "endpointslices",
            Self::Secrets => "secrets",
        }
    }
}

/// A trimmed object.
#[derive(Debug)]
pub(crate) enum Object {
    Ingress(IngressRecord),
    IngressClass(Arc<IngressClass>),
    Service(Packed<Service>),
    EndpointSlice(Slice),
    Secret(TlsSecret),
    /// One that concerns nobody, for example an EndpointSlice of no Service.
    Irrelevant(Resource),
}

/// An Ingress, its status apart.
#[derive(Debug, PartialEq)]
pub(crate) struct IngressRecord {
    /// Without status.
    pub(crate) ingress: Packed<Ingress>,
    pub(crate) uid: Box<str>,
    /// Of its status; ordered, without duplicates.
    pub(crate) addresses: Box<[Address]>,
    pub(crate) resource_version: Box<str>,
}

impl IngressRecord {
    /// Whether the object and whether its status differ.
    pub(crate) fn changes(&self, newer: &Self) -> (bool, bool) {
        (self.ingress != newer.ingress, self.addresses != newer.addresses)
    }
}

/// An EndpointSlice of a Service.
#[derive(Debug, PartialEq)]
pub(crate) struct Slice {
    /// The name of the Service.
    pub(crate) service: Box<str>,
    pub(crate) packed: Packed<EndpointSlice>,
}

/// A TLS Secret, read once and never kept.
#[derive(Debug)]
pub(crate) enum TlsSecret {
    Usable { certificate: Arc<Certificate>, key: PrivateKey },
    Malformed(String),
}

/// A resource that is watched.
pub(crate) trait Watched: kube::Resource<DynamicType = ()> {
    const RESOURCE: Resource;

    /// What the server is asked for.
    fn selection() -> watcher::Config {
        watcher::Config::default()
    }

    /// Drops all that nobody reads.
    fn trim(self) -> Object;

    fn key(&self) -> NamespacedName {
        let metadata = self.meta();
        NamespacedName::new(
            metadata.namespace.as_deref().unwrap_or_default(),
            metadata.name.as_deref().unwrap_or_default(),
        )
    }
}

impl Watched for Ingress {
    const RESOURCE: Resource = Resource::Ingresses;

    fn trim(mut self) -> Object {
        let addresses = addresses::of_ingress(&self).into();
        let resource_version = self.metadata.resource_version.take().unwrap_or_default().into();
        let uid = self.metadata.uid.as_deref().unwrap_or_default().into();
        let ingress = Ingress { metadata: trim_metadata(self.metadata), spec: self.spec, status: None };
        Object::Ingress(IngressRecord { ingress: Packed::new(&ingress), uid, addresses, resource_version })
    }
}

impl Watched for IngressClass {
    const RESOURCE: Resource = Resource::IngressClasses;

    fn trim(self) -> Object {
        Object::IngressClass(Arc::new(IngressClass { metadata: trim_metadata(self.metadata), spec: self.spec }))
    }
}

impl Watched for Service {
    const RESOURCE: Resource = Resource::Services;

    fn trim(self) -> Object {
        let spec = self.spec.map(|spec| ServiceSpec {
            cluster_ip: spec.cluster_ip,
            external_name: spec.external_name,
            ports: spec
                .ports
                .map(|ports| ports.into_iter().map(|port| ServicePort { node_port: None, ..port }).collect()),
            publish_not_ready_addresses: spec.publish_not_ready_addresses,
            session_affinity: spec.session_affinity,
            session_affinity_config: spec.session_affinity_config,
            type_: spec.type_,
            ..ServiceSpec::default()
        });
        let metadata = ObjectMeta { annotations: None, creation_timestamp: None, ..trim_metadata(self.metadata) };
        Object::Service(Packed::new(&Service { metadata, spec, status: None }))
    }
}

impl Watched for EndpointSlice {
    const RESOURCE: Resource = Resource::EndpointSlices;

    fn trim(self) -> Object {
        let Some(service) = self.metadata.labels.and_then(|mut labels| labels.remove(SERVICE_NAME)) else {
            return Object::Irrelevant(Resource::EndpointSlices);
        };
        let metadata = ObjectMeta {
            name: self.metadata.name,
            namespace: self.metadata.namespace,
            deletion_timestamp: self.metadata.deletion_timestamp,
            labels: Some(BTreeMap::from([(SERVICE_NAME.to_owned(), service.clone())])),
            ..ObjectMeta::default()
        };
        let endpoints = self.endpoints.map(|endpoints| {
            endpoints
                .into_iter()
                .map(|endpoint| Endpoint {
                    addresses: endpoint.addresses,
                    // Those of a ready endpoint say no more than none do.
                    conditions: endpoint.conditions.filter(|conditions| conditions.ready == Some(false)),
                    zone: endpoint.zone,
                    ..Endpoint::default()
                })
                .collect()
        });
        let slice = EndpointSlice { metadata, endpoints, address_type: self.address_type, ports: self.ports };
        Object::EndpointSlice(Slice { service: service.into(), packed: Packed::new(&slice) })
    }
}

impl Watched for Secret {
    const RESOURCE: Resource = Resource::Secrets;

    fn selection() -> watcher::Config {
        watcher::Config::default().fields("type=kubernetes.io/tls")
    }

    fn trim(mut self) -> Object {
        let parsed = certificate::parse(&self);
        for value in self.data.iter_mut().flat_map(BTreeMap::values_mut) {
            value.0.zeroize();
        }
        Object::Secret(match parsed {
            Ok((certificate, key)) => TlsSecret::Usable { certificate: Arc::new(certificate), key },
            Err(error) => TlsSecret::Malformed(error.to_string()),
        })
    }
}

fn trim_metadata(metadata: ObjectMeta) -> ObjectMeta {
    let annotations = metadata.annotations.map(|mut annotations| {
        annotations.remove(LAST_APPLIED);
        annotations
    });
    ObjectMeta {
        name: metadata.name,
        namespace: metadata.namespace,
        uid: metadata.uid,
        creation_timestamp: metadata.creation_timestamp,
        deletion_timestamp: metadata.deletion_timestamp,
        annotations: annotations.filter(|annotations| !annotations.is_empty()),
        ..ObjectMeta::default()
    }
}
