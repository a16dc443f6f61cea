//! Which Ingresses are ours.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::api::networking::v1::{Ingress, IngressClass};

use super::{ClassSelection, Options};

const LEGACY_ANNOTATION: &str = "kubernetes.io/ingress.class";
const DEFAULT_ANNOTATION: &str = "ingressclass.kubernetes.io/is-default-class";

/// The classes that are served, as the IngressClass objects stand now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Classes {
    names: BTreeSet<String>,
    /// Ingresses that name no class are ours too.
    unnamed: bool,
}

impl Classes {
    pub(super) fn resolve(options: &Options, objects: &[Arc<IngressClass>]) -> Self {
        let chosen = options.classes.name();
        let mut classes = Self { names: BTreeSet::new(), unnamed: options.watch_without_class };
        let mut chosen_exists = false;
        for object in objects.iter().filter(|object| object.metadata.deletion_timestamp.is_none()) {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            chosen_exists |= name == chosen;
            let selected = match &options.classes {
                ClassSelection::AllOfController { .. } => true,
                ClassSelection::Only(only) => name == only,
            };
            let controller = object.spec.as_ref().and_then(|spec| spec.controller.as_deref());
            if selected && controller == Some(options.controller_name.as_str()) {
                classes.names.insert(name.to_owned());
                let annotations = object.metadata.annotations.as_ref();
                let default = annotations.and_then(|annotations| annotations.get(DEFAULT_ANNOTATION));
                classes.unnamed |= default.is_some_and(|value| value == "true");
            }
        }
        if !chosen_exists {
            classes.names.insert(chosen.to_owned());
        }
        classes
    }

    /// Whether an Ingress is to be served: it exists, is not being deleted, and its class is ours.
    pub(super) fn own(&self, ingress: &Ingress) -> bool {
        if ingress.metadata.deletion_timestamp.is_some() {
            return false;
        }
        let named = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_ref());
        let legacy = || ingress.metadata.annotations.as_ref()?.get(LEGACY_ANNOTATION).filter(|name| !name.is_empty());
        match named.or_else(legacy) {
            Some(name) => self.names.contains(name),
            None => self.unnamed,
        }
    }
}
