//! What a component imports, read from its type, against what was granted.

use std::{collections::BTreeSet, fmt, path::Path};

use lb_model::types::Descriptor;
use wasmtime::{
    Engine,
    component::types::{Component, ComponentExtern, ComponentItem},
};

use crate::{CONTRACT_VERSION, Error, configuration::Grants, line::printable};

const PACKAGE: &str = "lb-controller:provider/";

const OTHER_VERSION: &str = "this controller has version 0.1.0. Build it with the SDK of that version, or use the \
                             controller that it was built for";

/// What an operator can grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Capability {
    Files,
    Services,
    Keys,
    KeyReveal,
    Http,
    Subscriptions,
}

impl Capability {
    const ALL: [Self; 6] = [Self::Files, Self::Services, Self::Keys, Self::KeyReveal, Self::Http, Self::Subscriptions];

    /// What it is called, which for all that can be imported is the name of its interface.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Services => "services",
            Self::Keys => "keys",
            Self::KeyReveal => "key-reveal",
            Self::Http => "http",
            Self::Subscriptions => "subscriptions",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.name() == name)
    }

    fn is_granted(self, grants: &Grants) -> bool {
        match self {
            Self::Files => grants.files.is_some(),
            Self::Services => !grants.services.is_empty(),
            Self::Keys => grants.keys.store,
            Self::KeyReveal => grants.keys.reveal,
            Self::Http => !grants.http.is_empty(),
            Self::Subscriptions => !grants.subscriptions.is_empty(),
        }
    }
}

/// What a component imports.
#[derive(Debug, Default)]
pub(crate) struct Imports {
    /// As they stand in the component.
    pub(crate) names: Vec<String>,
    /// The version of the contract that it was built for.
    pub(crate) contract: String,
    pub(crate) capabilities: BTreeSet<Capability>,
    pub(crate) wasi: bool,
    /// Whether it asks who the controller is.
    pub(crate) identity: bool,
}

impl Imports {
    /// Reads them. Fails if the component is no provider, or imports what no operator can grant.
    pub(crate) fn read(path: &Path, component: &Component, engine: &Engine) -> Result<Self, Error> {
        let contract = contract_version(path, component, engine)?;
        let mut imports = Self { contract, ..Self::default() };
        let mut unknown = Vec::new();
        // An interface without functions only gives types to others.
        for (name, _) in component.imports(engine).filter(|(_, item)| has_functions(item, engine)) {
            imports.names.push(name.to_owned());
            let Some(interface) = name.strip_prefix(PACKAGE) else {
                if is_wasi(name) {
                    imports.wasi = true;
                } else {
                    unknown.push(name.to_owned());
                }
                continue;
            };
            let (interface, version) = interface.split_once('@').unwrap_or((interface, ""));
            if !is_supported(version) {
                let reason = format!("it imports {name}, {OTHER_VERSION}");
                return Err(Error::World { path: path.to_owned(), reason });
            }
            match interface {
                "log" | "clock" | "random" => {}
                "identity" => imports.identity = true,
                interface => match Capability::named(interface) {
                    // The host alone knows of them.
                    Some(Capability::Subscriptions) | None => unknown.push(name.to_owned()),
                    Some(capability) => drop(imports.capabilities.insert(capability)),
                },
            }
        }
        if !unknown.is_empty() {
            return Err(Error::UnknownImports { path: path.to_owned(), imports: unknown });
        }
        Ok(imports)
    }

    /// Fails with all that is missing, and the configuration that would grant it.
    pub(crate) fn check(&self, path: &Path, grants: &Grants) -> Result<(), Error> {
        refuse(path, &provider_name(path), &self.missing(grants))
    }

    fn missing(&self, grants: &Grants) -> Vec<Missing> {
        let mut needed = self.capabilities.clone();
        // What a service or a key is kept in.
        if needed.contains(&Capability::Services) || needed.contains(&Capability::Keys) {
            needed.insert(Capability::Files);
        }
        needed.into_iter().filter(|capability| !capability.is_granted(grants)).map(Missing::capability).collect()
    }
}

/// Fails if the provider says that it wants a grant that it did not get. Imports tell capabilities only; this tells names.
pub(crate) fn check_wanted(path: &Path, descriptor: &Descriptor, grants: &Grants) -> Result<(), Error> {
    check_capabilities(path, descriptor)?;
    refuse(path, &descriptor.name, &wanted(descriptor, grants))
}

/// Fails with all that is missing for the imports and by name, each thing once.
pub(crate) fn check_all(path: &Path, imports: &Imports, descriptor: &Descriptor, grants: &Grants) -> Result<(), Error> {
    let mut missing = wanted(descriptor, grants);
    for imported in imports.missing(grants) {
        if !missing.iter().any(|known| known.capability == imported.capability) {
            missing.push(imported);
        }
    }
    refuse(path, &descriptor.name, &missing)
}

/// Fails if the provider wants what no operator can grant.
pub(crate) fn check_capabilities(path: &Path, descriptor: &Descriptor) -> Result<(), Error> {
    match descriptor.grants.iter().find(|wanted| Capability::named(&wanted.capability).is_none()) {
        None => Ok(()),
        Some(wanted) => {
            let reason = format!("it wants `{}`, which is no capability", wanted.capability.escape_debug());
            Err(Error::Descriptor { path: path.to_owned(), reason })
        }
    }
}

/// What the provider asks for and did not get.
fn wanted(descriptor: &Descriptor, grants: &Grants) -> Vec<Missing> {
    let missing = descriptor.grants.iter().filter_map(|wanted| {
        let capability = Capability::named(&wanted.capability)?;
        let is_granted = match capability {
            Capability::Services => grants.services.contains_key(&wanted.name),
            Capability::Http => grants.http.contains_key(&wanted.name),
            Capability::Subscriptions => grants.subscriptions.contains_key(&wanted.name),
            other => other.is_granted(grants),
        };
        let missing = Missing { capability, name: printable(&wanted.name), reason: printable(&wanted.reason) };
        (!is_granted).then_some(missing)
    });
    missing.collect()
}

/// What to call a provider that has not told its name: its file without ending, its repository without tag and digest.
pub(crate) fn provider_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.split([':', '@']).next().unwrap_or_default();
    name.strip_suffix(".wasm").unwrap_or(name).to_owned()
}

/// One thing that is not granted.
struct Missing {
    capability: Capability,
    /// The name of the grant; empty if it has none, or it is not known.
    name: String,
    /// Why the provider wants it; empty if it is not known.
    reason: String,
}

impl Missing {
    fn capability(capability: Capability) -> Self {
        Self { capability, name: String::new(), reason: String::new() }
    }

    fn placeholder(&self) -> &str {
        if self.name.is_empty() { "<name>" } else { &self.name }
    }

    /// Its lines of the configuration, below the first line of its section.
    fn yaml(&self, provider: &str) -> String {
        let reason = if self.reason.is_empty() { String::new() } else { format!("  # {}", self.reason) };
        match self.capability {
            Capability::Files => format!("    path: /var/lib/lb-controller/{provider}{reason}\n"),
            Capability::Services => {
                format!("    {}:{reason}\n      program: <program>\n      args: []\n", self.placeholder())
            }
            Capability::Keys => format!("    store: true{reason}\n"),
            Capability::KeyReveal => format!("    reveal: true{reason}\n"),
            Capability::Http => format!("    {}:{reason}\n      base-url: <url>\n", self.placeholder()),
            Capability::Subscriptions => {
                format!("    {}:{reason}\n      http: <name>\n      path: <path>\n", self.placeholder())
            }
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.capability.name())?;
        if self.name.is_empty() { Ok(()) } else { write!(formatter, " ({})", self.name) }
    }
}

fn refuse(path: &Path, provider: &str, missing: &[Missing]) -> Result<(), Error> {
    if missing.is_empty() {
        return Ok(());
    }
    let advice = advice(missing, provider);
    Err(Error::NotGranted { path: path.to_owned(), missing: missing.iter().map(ToString::to_string).collect(), advice })
}

/// The configuration that would grant it.
fn advice(missing: &[Missing], provider: &str) -> String {
    let section = |head: &str, capabilities: &[Capability]| {
        let entries = missing.iter().filter(|missing| capabilities.contains(&missing.capability));
        let lines: String = entries.map(|missing| missing.yaml(provider)).collect();
        if lines.is_empty() { lines } else { format!("  {head}:\n{lines}") }
    };
    let yaml = [
        section("files", &[Capability::Files]),
        section("services", &[Capability::Services]),
        section("keys", &[Capability::Keys, Capability::KeyReveal]),
        section("http", &[Capability::Http]),
        section("subscriptions", &[Capability::Subscriptions]),
    ]
    .concat();
    format!("If it may have this, grant it in the provider's configuration:\n\ngrants:\n{yaml}")
}

/// The version of the contract that the component exports. Fails if that is another one than the host's, or there is none.
fn contract_version(path: &Path, component: &Component, engine: &Engine) -> Result<String, Error> {
    let exports: Vec<_> = component.exports(engine).map(|(name, _)| name).collect();
    let provider = exports.iter().find_map(|name| {
        let (interface, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
        (interface == "provider").then_some((name, version))
    });
    let reason = match provider {
        Some((_, version)) if is_supported(version) => return Ok(version.to_owned()),
        Some((name, _)) => format!("it exports {name}, {OTHER_VERSION}"),
        None if exports.is_empty() => {
            format!("it exports nothing, a provider exports {PACKAGE}provider@{CONTRACT_VERSION}")
        }
        None => format!(
            "it is a component of another world: it exports {}, a provider exports {PACKAGE}provider@{CONTRACT_VERSION}",
            exports.join(", ")
        ),
    };
    Err(Error::World { path: path.to_owned(), reason })
}

/// Whether the host has this version. Before 1.0, minor versions are incompatible.
fn is_supported(version: &str) -> bool {
    let (minor, _patch) = CONTRACT_VERSION.rsplit_once('.').expect("three numbers");
    version.strip_prefix(minor).is_some_and(|patch| patch.starts_with('.'))
}

fn is_wasi(name: &str) -> bool {
    const PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];
    let Some((package, rest)) = name.strip_prefix("wasi:").and_then(|name| name.split_once('/')) else { return false };
    PACKAGES.contains(&package) && rest.split_once('@').is_some_and(|(_, version)| version.starts_with("0.2."))
}

fn has_functions(item: &ComponentExtern<'_>, engine: &Engine) -> bool {
    match &item.ty {
        ComponentItem::ComponentInstance(instance) => instance
            .exports(engine)
            .any(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_) | ComponentItem::Resource(_))),
        ComponentItem::Type(_) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lb_model::types::{BackendDetail, ChangeKind, Descriptor, Placement, Scope, WantedGrant};

    use super::{check_wanted, is_supported, is_wasi};
    use crate::{Error, ProviderConfiguration};

    fn wanting(capability: &str, name: &str) -> Descriptor {
        Descriptor {
            name: "web".to_owned(),
            version: "1.0.0".to_owned(),
            scope: Scope::PerClass,
            placement: Placement::EveryReplica,
            change_sets: ChangeKind::Incremental,
            backend_detail: BackendDetail::Endpoints,
            features: Vec::new(),
            annotation_prefixes: Vec::new(),
            observe_interval: 0,
            settings_schema: "{}".to_owned(),
            grants: vec![WantedGrant {
                capability: capability.to_owned(),
                name: name.to_owned(),
                reason: "Serves traffic.\nprogram: sh".to_owned(),
            }],
        }
    }

    #[test]
    fn a_grant_of_another_name_is_not_the_one_that_is_wanted() {
        let configuration: ProviderConfiguration =
            serde_saphyr::from_str("grants: { files: { path: /x }, services: { nginx: { program: nginx } } }").unwrap();
        let check = |descriptor: Descriptor| check_wanted(Path::new("web.wasm"), &descriptor, &configuration.grants);
        check(wanting("services", "nginx")).unwrap();
        check(wanting("files", "")).unwrap();
        let error = check(wanting("services", "haproxy")).unwrap_err().to_string();
        assert!(error.contains("was not granted: services (haproxy)"), "{error}");
        assert!(error.contains("    haproxy:  # Serves traffic.\\nprogram: sh\n      program: <program>\n"), "{error}");
        assert!(matches!(check(wanting("http", "api")), Err(Error::NotGranted { .. })));
        assert!(matches!(check(wanting("sockets", "")), Err(Error::Descriptor { .. })));
    }

    #[test]
    fn versions_are_told_apart() {
        assert!(is_supported("0.1.0") && is_supported("0.1.7"));
        assert!(!is_supported("0.2.0") && !is_supported("0.0.9") && !is_supported("0.10.0") && !is_supported(""));
        assert!(is_wasi("wasi:cli/stderr@0.2.6") && is_wasi("wasi:io/streams@0.2.0"));
        assert!(!is_wasi("wasi:http/outgoing-handler@0.2.0") && !is_wasi("wasi:cli/stderr@0.3.0"));
    }
}
