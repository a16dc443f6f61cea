//! The objects of manifests, as a cluster that the translation reads.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use k8s_openapi::{
    ByteString,
    api::{
        core::v1::{Secret, Service},
        discovery::v1::EndpointSlice,
        networking::v1::{Ingress, IngressClass},
    },
};
use lb_model::{
    certificate,
    cluster::{Cluster, NamespacedName, SecretLookup},
    provider::PrivateKey,
};
use serde::de::DeserializeOwned;

use crate::{
    config::Usage,
    manifests::{self, Manifest},
};

/// The objects of the manifests.
#[derive(Default)]
pub(crate) struct Objects {
    pub(crate) ingresses: BTreeMap<NamespacedName, Arc<Ingress>>,
    classes: Vec<Arc<IngressClass>>,
    services: BTreeMap<NamespacedName, Arc<Service>>,
    slices: BTreeMap<NamespacedName, Vec<Arc<EndpointSlice>>>,
    secrets: BTreeMap<NamespacedName, SecretLookup>,
    /// The private keys of the certificates, by id.
    pub(crate) keys: Vec<(String, PrivateKey)>,
}

impl Objects {
    /// Those of all files below these paths.
    pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut objects = Self::default();
        for file in manifests::files(paths)? {
            for manifest in manifests::read(&file)? {
                objects.insert(&manifest)?;
            }
        }
        Ok(objects)
    }

    fn insert(&mut self, manifest: &Manifest) -> anyhow::Result<()> {
        fn typed<T: DeserializeOwned>(manifest: &Manifest) -> anyhow::Result<T> {
            serde_json::from_value(manifest.object.clone())
                .map_err(|error| Usage(format!("{}: {}: {error}", manifest.file.display(), manifest.label())).into())
        }
        let text = |pointer: &str| manifest.object.pointer(pointer).and_then(serde_json::Value::as_str);
        let namespace = text("/metadata/namespace").unwrap_or("default").to_owned();
        let key = NamespacedName::new(namespace.clone(), text("/metadata/name").unwrap_or_default());
        match text("/kind") {
            Some("Ingress") => {
                let mut ingress: Ingress = typed(manifest)?;
                ingress.metadata.namespace = Some(namespace);
                self.ingresses.insert(key, Arc::new(ingress));
            }
            Some("IngressClass") => self.classes.push(Arc::new(typed(manifest)?)),
            Some("Service") => {
                let mut service: Service = typed(manifest)?;
                service.metadata.namespace = Some(namespace);
                self.services.insert(key, Arc::new(service));
            }
            Some("EndpointSlice") => {
                if let Some(service) = text("/metadata/labels/kubernetes.io~1service-name") {
                    let service = NamespacedName::new(namespace, service);
                    self.slices.entry(service).or_default().push(Arc::new(typed(manifest)?));
                }
            }
            Some("Secret") => {
                let mut secret: Secret = typed(manifest)?;
                // As the API server does.
                let texts = secret.string_data.take().unwrap_or_default().into_iter();
                let texts = texts.map(|(key, text)| (key, ByteString(text.into_bytes())));
                secret.data.get_or_insert_default().extend(texts);
                if secret.type_.as_deref() == Some("kubernetes.io/tls") {
                    let lookup = match certificate::parse(&secret) {
                        Ok((certificate, key)) => {
                            self.keys.push((certificate.id.clone(), key));
                            SecretLookup::Certificate(Arc::new(certificate))
                        }
                        Err(error) => SecretLookup::Malformed(error.to_string()),
                    };
                    self.secrets.insert(key, lookup);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Cluster for Objects {
    fn ingresses(&self) -> Vec<Arc<Ingress>> {
        self.ingresses.values().cloned().collect()
    }

    fn ingress(&self, key: &NamespacedName) -> Option<Arc<Ingress>> {
        self.ingresses.get(key).cloned()
    }

    fn ingress_classes(&self) -> Vec<Arc<IngressClass>> {
        self.classes.clone()
    }

    fn service(&self, key: &NamespacedName) -> Option<Arc<Service>> {
        self.services.get(key).cloned()
    }

    fn endpoint_slices(&self, service: &NamespacedName) -> Vec<Arc<EndpointSlice>> {
        self.slices.get(service).cloned().unwrap_or_default()
    }

    fn certificate(&self, secret: &NamespacedName) -> SecretLookup {
        self.secrets.get(secret).cloned().unwrap_or(SecretLookup::Missing)
    }
}
