//! The part `providers` of the configuration file: several providers in one controller.

use std::{collections::BTreeMap, sync::Arc};

use lb_model::translate::{ClassBindings, ClassSelection};
use serde::Deserialize;
use serde_json::Value;

use super::{Options, Usage, stream::StreamOptions};
use crate::swap::SwapPolicy;

/// The longest name: it becomes a directory, and by default a class.
const LONGEST_NAME: usize = 63;

/// One of several providers. What it leaves open is as it is for the controller as a whole, where that has it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ProviderOptions {
    /// A name, a path, or `oci://`.
    provider: Option<String>,
    /// Its class, and the load balancer of a provider with one for each class; by default the provider's name.
    ingress_class: Option<String>,
    controller_id: Option<String>,
    watch_ingress_without_class: Option<bool>,
    publish_address: Vec<String>,
    publish_service: Option<String>,
    http_port: Option<u16>,
    https_port: Option<u16>,
    default_certificate: Option<String>,
    swap_policy: Option<SwapPolicy>,
    streams: Vec<StreamOptions>,
    #[serde(rename = "settings")]
    _settings: Option<Value>,
    #[serde(rename = "grants")]
    _grants: Option<Value>,
    #[serde(rename = "limits")]
    _limits: Option<Value>,
    /// The last three as the file has them.
    #[serde(skip)]
    pub(super) part: Value,
}

/// Which of several providers options are for.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    name: String,
    bindings: Arc<ClassBindings>,
}

impl Bound {
    /// What the file calls the provider.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn classes(&self) -> ClassSelection {
        ClassSelection::Bound { provider: self.name.clone(), bindings: self.bindings.clone() }
    }

    /// What a file says of it.
    pub(super) fn part_of(&self, file: &Options) -> Result<Value, Usage> {
        let Self { name, .. } = self;
        let provider = file.providers.get(name).ok_or_else(|| {
            Usage(format!("the configuration file says no more of providers.{name}; restart to serve without it"))
        })?;
        Ok(provider.part.clone())
    }
}

impl Options {
    /// The options of each provider: these, or, where the file has `providers`, what each of those makes of these.
    pub(crate) fn of_each_provider(&self) -> anyhow::Result<Vec<Self>> {
        if self.providers.is_empty() {
            return Ok(vec![self.clone()]);
        }
        self.check_that_nothing_is_said_twice()?;
        let mut classes = BTreeMap::new();
        for (name, provider) in &self.providers {
            check_name("providers", name)?;
            let class = provider.ingress_class.as_deref().unwrap_or(name);
            check_name(&format!("providers.{name}.ingress-class"), class)?;
            if let Some((other, _)) = classes.iter().find(|(_, known)| *known == class) {
                let message = format!(
                    "providers.{other} and providers.{name} have the same class {class:?}; \
                     give one of them another `ingress-class`"
                );
                return Err(Usage(message).into());
            }
            classes.insert(name.clone(), class.to_owned());
        }
        let mut unnamed = self.providers.iter().filter(|(_, it)| it.watch_ingress_without_class == Some(true));
        if let (Some((one, _)), Some((other, _))) = (unnamed.next(), unnamed.next()) {
            let message = format!(
                "watch-ingress-without-class is true in providers.{one} and in providers.{other}; an \
                 Ingress without a class can go to one of them only"
            );
            return Err(Usage(message).into());
        }
        let bindings = Arc::new(ClassBindings::new(classes));
        self.providers.iter().map(|(name, provider)| self.of_provider(name, provider, &bindings)).collect()
    }

    /// What the operator calls the providers, for people.
    pub(crate) fn names(&self) -> String {
        match &self.provider {
            Some(provider) => provider.clone(),
            None => self.providers.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        }
    }

    fn of_provider(&self, name: &str, own: &ProviderOptions, bindings: &Arc<ClassBindings>) -> anyhow::Result<Self> {
        let own = own.clone();
        if own.provider.is_none() {
            return Err(
                Usage(format!("providers.{name}.provider is missing: name a component, as in --provider")).into()
            );
        }
        // Two that share an API must not take each other's for their own.
        let derived = || self.controller_id.as_ref().map(|id| format!("{id}/{name}"));
        let says_where = !own.publish_address.is_empty() || own.publish_service.is_some();
        let (addresses, service) = if says_where {
            (own.publish_address, own.publish_service)
        } else {
            (self.publish_address.clone(), self.publish_service.clone())
        };
        Ok(Self {
            provider: own.provider,
            ingress_class: Some(bindings.class_of(name).to_owned()),
            controller_id: own.controller_id.or_else(derived),
            watch_ingress_without_class: own.watch_ingress_without_class,
            publish_address: addresses,
            publish_service: service,
            http_port: own.http_port.or(self.http_port),
            https_port: own.https_port.or(self.https_port),
            default_certificate: own.default_certificate.or_else(|| self.default_certificate.clone()),
            swap_policy: own.swap_policy.or(self.swap_policy),
            streams: own.streams,
            provider_part: own.part,
            bound: Some(Bound { name: name.to_owned(), bindings: bindings.clone() }),
            ..self.clone()
        })
    }

    fn check_that_nothing_is_said_twice(&self) -> Result<(), Usage> {
        let part = |key: &str| self.provider_part.get(key).is_some();
        let said = [
            ("provider", self.provider.is_some()),
            ("ingress-class", self.ingress_class.is_some()),
            ("watch-ingress-without-class", self.watch_ingress_without_class.is_some()),
            ("streams", !self.streams.is_empty()),
            ("settings", part("settings")),
            ("grants", part("grants")),
            ("limits", part("limits")),
        ];
        match said.iter().find(|(_, said)| *said) {
            None => Ok(()),
            Some((key, _)) => Err(Usage(format!(
                "`{key}` is given for the controller as a whole, and the configuration file has several `providers`: say it \
                 of one of those, or leave `providers` out"
            ))),
        }
    }
}

/// Checks what becomes a name in Kubernetes and in the file system.
fn check_name(what: &str, name: &str) -> Result<(), Usage> {
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = name.as_bytes();
    let inside =
        bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    if inside && edge(bytes.first()) && edge(bytes.last()) && bytes.len() <= LONGEST_NAME {
        return Ok(());
    }
    Err(Usage(format!(
        "{what}: {name:?} is not 1 to {LONGEST_NAME} characters of a-z, 0-9, `-` and `.`, with a letter or digit at both ends"
    )))
}
