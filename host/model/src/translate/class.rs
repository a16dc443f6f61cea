//! Which Ingresses are ours.

mod bindings;

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::api::networking::v1::{Ingress, IngressClass};

pub use self::bindings::ClassBindings;
use super::{ClassSelection, Options};

const LEGACY_ANNOTATION: &str = "kubernetes.io/ingress.class";
const DEFAULT_ANNOTATION: &str = "ingressclass.kubernetes.io/is-default-class";

/// The classes that are served, as the IngressClass objects stand now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Classes {
    names: BTreeSet<String>,
    /// Classes of our controller that none of its providers serves, where it has several.
    unbound: BTreeSet<String>,
    /// Ingresses that name no class are ours too.
    unnamed: bool,
}

impl Classes {
    pub(super) fn resolve(options: &Options, objects: &[Arc<IngressClass>]) -> Self {
        let chosen = options.classes.name();
        let mut classes = Self { unnamed: options.watch_without_class, ..Self::default() };
        let mut chosen_exists = false;
        // Of all classes of the controller, so that one provider alone takes the Ingresses that name none.
        let mut default = None;
        for object in objects.iter().filter(|object| object.metadata.deletion_timestamp.is_none()) {
            let name = name(object);
            chosen_exists |= name == chosen;
            if !is_of(object, &options.controller_name) {
                continue;
            }
            let selected = match &options.classes {
                ClassSelection::AllOfController { .. } => true,
                ClassSelection::Only(only) => name == only,
                ClassSelection::Bound { provider, bindings } => {
                    if let Ok(bound) = bindings.provider_of(object) {
                        if is_default(object) {
                            default = default.max(Some((object.metadata.creation_timestamp.clone(), name, bound)));
                        }
                        bound == provider
                    } else {
                        classes.unbound.insert(name.to_owned());
                        false
                    }
                }
            };
            if selected {
                classes.names.insert(name.to_owned());
                classes.unnamed |= is_default(object);
            }
        }
        if let (ClassSelection::Bound { provider, .. }, Some((_, _, bound))) = (&options.classes, default) {
            classes.unnamed = bound == provider;
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
        match class_of(ingress) {
            Some(name) => self.names.contains(name),
            None => self.unnamed,
        }
    }

    /// Whether its class is one of our controller that none of its providers serves.
    pub(super) fn leave_unbound(&self, ingress: &Ingress) -> bool {
        class_of(ingress).is_some_and(|name| self.unbound.contains(name))
    }
}

/// The class that an Ingress names.
fn class_of(ingress: &Ingress) -> Option<&String> {
    let named = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_ref());
    let legacy = || ingress.metadata.annotations.as_ref()?.get(LEGACY_ANNOTATION).filter(|name| !name.is_empty());
    named.or_else(legacy)
}

fn name(class: &IngressClass) -> &str {
    class.metadata.name.as_deref().unwrap_or_default()
}

fn is_of(class: &IngressClass, controller: &str) -> bool {
    class.spec.as_ref().and_then(|spec| spec.controller.as_deref()) == Some(controller)
}

fn is_default(class: &IngressClass) -> bool {
    let annotations = class.metadata.annotations.as_ref();
    annotations.and_then(|annotations| annotations.get(DEFAULT_ANNOTATION)).is_some_and(|value| value == "true")
}
