//! Which provider serves which class, where one controller has several.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::networking::v1::IngressClass;

use super::{is_of, name};
use crate::types::{ObjectRef, Rejection};

/// The API group and the kind by which `spec.parameters` of an IngressClass names a provider. There is no such object: the
/// name alone matters.
const GROUP: &str = "lb-controller.io";
const KIND: &str = "Provider";

/// The providers of one controller, each with its class.
///
/// An IngressClass of the controller is served by the provider that its `spec.parameters` names; without parameters, by the
/// provider whose class has its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassBindings {
    /// The class of each provider.
    classes: BTreeMap<String, String>,
}

impl ClassBindings {
    /// From the name of each provider to that of its class. No two have the same class.
    pub fn new(classes: BTreeMap<String, String>) -> Self {
        Self { classes }
    }

    /// The class of a provider; the provider's own name if it is not known.
    pub fn class_of<'a>(&'a self, provider: &'a str) -> &'a str {
        self.classes.get(provider).map_or(provider, String::as_str)
    }

    /// The provider that serves a class of the controller.
    ///
    /// # Errors
    /// The field at fault and what is wrong, if there is none.
    pub fn provider_of(&self, class: &IngressClass) -> Result<&str, (&'static str, String)> {
        let Some(parameters) = class.spec.as_ref().and_then(|spec| spec.parameters.as_ref()) else {
            let class = name(class);
            let named = self.classes.iter().find(|(_, bound)| *bound == class);
            return named.map(|(provider, _)| provider.as_str()).ok_or_else(|| {
                let wanted = format!("name a provider in spec.parameters: {}", self.known());
                ("metadata.name", format!("no provider has the class {class:?}; {wanted}"))
            });
        };
        let group = parameters.api_group.as_deref().unwrap_or_default();
        if group != GROUP || parameters.kind != KIND {
            let found = if group.is_empty() { parameters.kind.clone() } else { format!("{}.{group}", parameters.kind) };
            return Err(("spec.parameters", format!("{found} is not understood; the kind is {KIND} of {GROUP}")));
        }
        if parameters.scope.as_deref().is_some_and(|scope| scope != "Cluster") || parameters.namespace.is_some() {
            return Err(("spec.parameters.scope", "a provider is in no namespace; the scope is Cluster".to_owned()));
        }
        let known = self.classes.get_key_value(&parameters.name).map(|(provider, _)| provider.as_str());
        known.ok_or_else(|| {
            let message = format!("there is no provider {:?}; there are {}", parameters.name, self.known());
            ("spec.parameters.name", message)
        })
    }

    /// What is wrong with the classes of a controller: those that nobody serves.
    pub fn problems(&self, controller: &str, classes: &[Arc<IngressClass>]) -> Vec<Rejection> {
        let ours =
            classes.iter().filter(|class| is_of(class, controller) && class.metadata.deletion_timestamp.is_none());
        let rejection = |class: &Arc<IngressClass>| {
            let (field, message) = self.provider_of(class).err()?;
            let uid = class.metadata.uid.clone().unwrap_or_default();
            let object = ObjectRef {
                kind: "IngressClass".to_owned(),
                namespace: String::new(),
                name: name(class).to_owned(),
                uid,
            };
            Some(Rejection { object, field: field.to_owned(), message })
        };
        ours.filter_map(rejection).collect()
    }

    fn known(&self) -> String {
        self.classes.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}
