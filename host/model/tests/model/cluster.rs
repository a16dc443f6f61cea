//! A cluster in memory.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{
    api::{
        core::v1::{Secret, Service},
        discovery::v1::EndpointSlice,
        networking::v1::{Ingress, IngressClass},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use lb_model::{
    certificate,
    cluster::{Cluster, NamespacedName, SecretLookup},
};

#[derive(Default, Clone)]
pub(crate) struct MemoryCluster {
    pub(crate) ingresses: BTreeMap<NamespacedName, Arc<Ingress>>,
    pub(crate) classes: BTreeMap<String, Arc<IngressClass>>,
    pub(crate) services: BTreeMap<NamespacedName, Arc<Service>>,
    /// By Service and name.
    pub(crate) slices: BTreeMap<(NamespacedName, String), Arc<EndpointSlice>>,
    pub(crate) secrets: BTreeMap<NamespacedName, SecretLookup>,
}

impl MemoryCluster {
    pub(crate) fn put_slice(&mut self, slice: EndpointSlice) {
        let NamespacedName { namespace, name } = name_of(&slice.metadata);
        let service = slice.metadata.labels.as_ref().unwrap()["kubernetes.io/service-name"].clone();
        self.slices.insert((NamespacedName::new(namespace, service), name), Arc::new(slice));
    }
}

pub(crate) fn name_of(metadata: &ObjectMeta) -> NamespacedName {
    NamespacedName::new(metadata.namespace.as_deref().unwrap(), metadata.name.as_deref().unwrap())
}

/// What the stores make of a Secret.
pub(crate) fn look_up(secret: &Secret) -> SecretLookup {
    match certificate::parse(secret) {
        Ok((certificate, _)) => SecretLookup::Certificate(Arc::new(certificate)),
        Err(error) => SecretLookup::Malformed(error.to_string()),
    }
}

impl Cluster for MemoryCluster {
    fn ingresses(&self) -> Vec<Arc<Ingress>> {
        self.ingresses.values().cloned().collect()
    }

    fn ingress(&self, key: &NamespacedName) -> Option<Arc<Ingress>> {
        self.ingresses.get(key).cloned()
    }

    fn ingress_classes(&self) -> Vec<Arc<IngressClass>> {
        self.classes.values().cloned().collect()
    }

    fn service(&self, key: &NamespacedName) -> Option<Arc<Service>> {
        self.services.get(key).cloned()
    }

    fn endpoint_slices(&self, service: &NamespacedName) -> Vec<Arc<EndpointSlice>> {
        let start = (service.clone(), String::new());
        let own = self.slices.range(start..).take_while(|((of, _), _)| of == service);
        own.map(|(_, slice)| slice.clone()).collect()
    }

    fn certificate(&self, secret: &NamespacedName) -> SecretLookup {
        self.secrets.get(secret).cloned().unwrap_or(SecretLookup::Missing)
    }
}
