//! Options from flags, environment and configuration file, in this order of precedence, and their defaults.

mod providers;
mod stream;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use lb_kubernetes::{LeaseOptions, Publish};
use lb_model::{cluster::NamespacedName, translate::ClassSelection, types::Address};
use serde::Deserialize;

use crate::{logging::LogFormat, swap::SwapPolicy};
pub(crate) use providers::Bound;
use providers::ProviderOptions;
use stream::StreamOptions;

/// What the operator asked for cannot be understood: exit code 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Everything that a flag, an environment variable or a key of the configuration file can say.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Options {
    /// Where the objects come from; only `kubernetes` is known [default: kubernetes]
    #[arg(long, env = "LB_CONTROLLER_CONTROLLER", value_name = "NAME")]
    pub(crate) controller: Option<String>,
    /// The provider: a name in the plugin directory, the path of a component, or an artifact in a registry, as
    /// oci://registry/repository:tag@sha256:...
    #[arg(long, env = "LB_CONTROLLER_PROVIDER", value_name = "NAME|PATH|OCI")]
    pub(crate) provider: Option<String>,
    /// A public key; providers that none of these keys signed are refused; may be given several times [default: any
    /// provider may run]
    #[arg(long, env = "LB_CONTROLLER_PROVIDER_TRUST", value_name = "FILE", value_delimiter = ',')]
    pub(crate) provider_trust: Vec<PathBuf>,
    /// The credentials for registries: a docker config.json, of which `auths` is used [default: anonymous]
    #[arg(long, env = "LB_CONTROLLER_REGISTRY_CONFIG", value_name = "FILE")]
    pub(crate) registry_config: Option<PathBuf>,
    /// Certificate authorities to trust besides those of the system, for a registry of your own
    #[arg(long, env = "LB_CONTROLLER_REGISTRY_CA", value_name = "FILE")]
    pub(crate) registry_ca: Option<PathBuf>,
    /// A registry that is spoken to without TLS; may be given several times [default: those of this machine without TLS]
    #[arg(long, env = "LB_CONTROLLER_REGISTRY_PLAIN_HTTP", value_name = "HOST[:PORT]", value_delimiter = ',')]
    pub(crate) registry_plain_http: Vec<String>,
    /// The largest component that is pulled from a registry, in bytes [default: 268435456]
    #[arg(long, env = "LB_CONTROLLER_REGISTRY_MAX_BYTES", value_name = "BYTES")]
    pub(crate) registry_max_bytes: Option<u64>,
    /// Where providers are looked for [default: beside the program, then /usr/lib/lb-controller/plugins]
    #[arg(long, env = "LB_CONTROLLER_PLUGIN_DIR", value_name = "DIR")]
    pub(crate) plugin_dir: Option<PathBuf>,
    /// A configuration file; its keys are these flags, and settings, grants, limits, streams
    #[arg(long, env = "LB_CONTROLLER_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// How to reach Kubernetes [default: KUBECONFIG, ~/.kube/config, or the cluster around it]
    #[arg(long, env = "LB_CONTROLLER_KUBECONFIG", value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Serve this class alone [default: every class of --controller-class, and the name lb]
    #[arg(long, env = "LB_CONTROLLER_INGRESS_CLASS", value_name = "NAME")]
    pub(crate) ingress_class: Option<String>,
    /// The `spec.controller` of our classes [default: lb-controller.io/ingress]
    #[arg(long, env = "LB_CONTROLLER_CONTROLLER_CLASS", value_name = "NAME")]
    pub(crate) controller_class: Option<String>,
    /// What marks load balancers of a shared API as ours; unlike that of any other controller, and never changed
    /// [default: the UID of the namespace kube-system, and the class]
    #[arg(long, env = "LB_CONTROLLER_CONTROLLER_ID", value_name = "ID")]
    pub(crate) controller_id: Option<String>,
    /// Take Ingresses that name no class, even where no class is marked as the default
    #[arg(long, env = "LB_CONTROLLER_WATCH_INGRESS_WITHOUT_CLASS", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) watch_ingress_without_class: Option<bool>,
    /// Watch this namespace only; may be given several times [default: all]
    #[arg(long, env = "LB_CONTROLLER_WATCH_NAMESPACE", value_name = "NAMESPACE", value_delimiter = ',')]
    pub(crate) watch_namespace: Vec<String>,
    /// The address of the data plane for the Ingress status; may be given several times
    #[arg(long, env = "LB_CONTROLLER_PUBLISH_ADDRESS", value_name = "IP|NAME", value_delimiter = ',')]
    pub(crate) publish_address: Vec<String>,
    /// The Service in front of the data plane, whose addresses go into the Ingress status
    #[arg(long, env = "LB_CONTROLLER_PUBLISH_SERVICE", value_name = "NAMESPACE/NAME")]
    pub(crate) publish_service: Option<String>,
    /// The HTTP port of an Ingress that names none [default: 80]
    #[arg(long, env = "LB_CONTROLLER_HTTP_PORT", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) http_port: Option<u16>,
    /// The HTTPS port of an Ingress that names none [default: 443]
    #[arg(long, env = "LB_CONTROLLER_HTTPS_PORT", value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) https_port: Option<u16>,
    /// The TLS Secret for clients whose host no Ingress has a certificate for [default: self-signed, made at start]
    #[arg(long, env = "LB_CONTROLLER_DEFAULT_CERTIFICATE", value_name = "NAMESPACE/NAME")]
    pub(crate) default_certificate: Option<String>,
    /// When another version of the provider takes over [default: immediate]
    #[arg(long, env = "LB_CONTROLLER_SWAP_POLICY", value_name = "POLICY")]
    pub(crate) swap_policy: Option<SwapPolicy>,
    /// Where /healthz, /readyz, /metrics and /v1/providers are served; `off` for nowhere [default: 127.0.0.1:10254]
    #[arg(long, env = "LB_CONTROLLER_ADMIN_ADDRESS", value_name = "ADDRESS")]
    pub(crate) admin_address: Option<String>,
    /// Where providers' directories and compiled components are kept [default: /var/lib/lb-controller for root, else below the home directory]
    #[arg(long, env = "LB_CONTROLLER_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Elect a leader among replicas; only the leader writes status [default: true in a cluster, else false]
    #[arg(long, env = "LB_CONTROLLER_LEADER_ELECT", num_args = 0..=1, default_missing_value = "true")]
    pub(crate) leader_elect: Option<bool>,
    /// The namespace of the lease [default: POD_NAMESPACE, or default]
    #[arg(long, env = "LB_CONTROLLER_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub(crate) lease_namespace: Option<String>,
    /// The name of the lease [default: lb-controller-<class>]
    #[arg(long, env = "LB_CONTROLLER_LEASE_NAME", value_name = "NAME")]
    pub(crate) lease_name: Option<String>,
    /// How many seconds an Ingress that moved to another provider stays with the former one, too, once its status shows the
    /// new one [default: 30]
    #[arg(long, env = "LB_CONTROLLER_LINGER", value_name = "SECONDS")]
    pub(crate) linger: Option<u32>,
    /// `text` or `json` [default: text on a terminal, else json]
    #[arg(long, env = "LB_CONTROLLER_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// What is logged: a level, or directives as in `info,provider=debug` [default: info]
    #[arg(long, env = "LB_CONTROLLER_LOG_LEVEL", value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// The provider's own settings, by the file only.
    #[arg(skip)]
    pub(crate) settings: Option<serde_json::Value>,
    /// What the provider may reach, by the file only.
    #[arg(skip)]
    pub(crate) grants: Option<serde_json::Value>,
    /// What one call of the provider may use, by the file only.
    #[arg(skip)]
    pub(crate) limits: Option<serde_json::Value>,
    /// The last three as the file has them, to be laid over the configuration that came with the provider.
    #[arg(skip)]
    #[serde(skip)]
    pub(crate) provider_part: serde_json::Value,
    /// TCP, UDP and TLS passthrough listeners, by the file only.
    #[arg(skip)]
    pub(crate) streams: Vec<StreamOptions>,
    /// Several providers instead of one, by the file only.
    #[arg(skip)]
    pub(crate) providers: BTreeMap<String, ProviderOptions>,
    /// Set in the options of one of several.
    #[arg(skip)]
    #[serde(skip)]
    pub(crate) bound: Option<Bound>,
}

impl Options {
    /// Fills what flags and environment left open from the configuration file, if there is one.
    pub(crate) fn with_file(mut self) -> anyhow::Result<Self> {
        let Some(path) = self.config.clone() else { return Ok(self) };
        let file = read_file(&path)?;
        macro_rules! fill {
            ($($field:ident),+) => { $( self.$field = self.$field.or(file.$field); )+ };
        }
        macro_rules! fill_list {
            ($($field:ident),+) => { $( if self.$field.is_empty() { self.$field = file.$field; } )+ };
        }
        fill!(
            controller,
            provider,
            plugin_dir,
            kubeconfig,
            ingress_class,
            controller_class,
            controller_id,
            watch_ingress_without_class,
            publish_service,
            http_port,
            https_port,
            default_certificate,
            swap_policy,
            admin_address,
            state_dir,
            leader_elect,
            lease_namespace,
            lease_name,
            linger,
            log_format,
            log_level,
            registry_config,
            registry_ca,
            registry_max_bytes
        );
        fill_list!(watch_namespace, publish_address, streams, provider_trust, registry_plain_http);
        self.provider_part = file.provider_part;
        self.providers = file.providers;
        Ok(self)
    }

    /// With what the configuration file says of the provider now; all else stays as it was at the start.
    pub(crate) fn reread(&self) -> anyhow::Result<Self> {
        let provider_part = match &self.config {
            Some(path) => {
                let file = read_file(path)?;
                match &self.bound {
                    None => file.provider_part,
                    Some(bound) => bound.part_of(&file)?,
                }
            }
            None => self.provider_part.clone(),
        };
        Ok(Self { provider_part, ..self.clone() })
    }

    /// The classes to serve.
    pub(crate) fn classes(&self) -> ClassSelection {
        if let Some(bound) = &self.bound {
            return bound.classes();
        }
        match &self.ingress_class {
            Some(name) => ClassSelection::Only(name.clone()),
            None => ClassSelection::AllOfController { name: "lb".to_owned() },
        }
    }

    pub(crate) fn controller_class(&self) -> &str {
        self.controller_class.as_deref().unwrap_or("lb-controller.io/ingress")
    }

    /// What tells this controller from others of the cluster.
    pub(crate) fn class(&self) -> &str {
        self.ingress_class.as_deref().unwrap_or_else(|| self.controller_class())
    }

    /// The options of translation; the default certificate is filled in by the caller.
    pub(crate) fn translate(&self) -> anyhow::Result<lb_model::translate::Options> {
        let streams = self.streams.iter().enumerate();
        let streams = streams.map(|(index, stream)| stream.resolve().with_context(|| format!("streams[{index}]")));
        Ok(lb_model::translate::Options {
            controller_name: self.controller_class().to_owned(),
            classes: self.classes(),
            watch_without_class: self.watch_ingress_without_class.unwrap_or(false),
            http_port: self.http_port.unwrap_or(80),
            https_port: self.https_port.unwrap_or(443),
            default_certificate: None,
            streams: streams.collect::<anyhow::Result<_>>()?,
        })
    }

    /// What goes into the status when the provider itself knows no address.
    pub(crate) fn publish(&self) -> anyhow::Result<Publish> {
        let addresses = self.publish_address.iter().map(|text| address(text)).collect::<anyhow::Result<_>>()?;
        let service = self.publish_service.as_deref().map(|text| namespaced_name("--publish-service", text));
        Ok(Publish { addresses, service: service.transpose()? })
    }

    /// The Secret of `--default-certificate`.
    pub(crate) fn default_certificate_secret(&self) -> anyhow::Result<Option<NamespacedName>> {
        let secret = self.default_certificate.as_deref();
        secret.map(|text| namespaced_name("--default-certificate", text)).transpose()
    }

    /// How a leader is elected; `none` where this is the only replica.
    pub(crate) fn lease(&self) -> Option<LeaseOptions> {
        let in_cluster = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
        if !self.leader_elect.unwrap_or(in_cluster) {
            return None;
        }
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let identity =
            variable("POD_NAME").or_else(|| variable("HOSTNAME")).unwrap_or_else(|| "lb-controller".to_owned());
        let namespace = self.lease_namespace.clone().or_else(|| variable("POD_NAMESPACE"));
        let several = || self.controller_class().replace('/', "-");
        let class = || if self.providers.is_empty() { self.classes().name().to_owned() } else { several() };
        let name = self.lease_name.clone().unwrap_or_else(|| format!("lb-controller-{}", class()));
        Some(LeaseOptions::new(
            namespace.unwrap_or_else(|| "default".to_owned()),
            name,
            format!("{identity}-{}", std::process::id()),
        ))
    }

    /// Where the admin API is served, if at all.
    pub(crate) fn admin(&self) -> anyhow::Result<Option<SocketAddr>> {
        match self.admin_address.as_deref().unwrap_or("127.0.0.1:10254") {
            "off" => Ok(None),
            text => Ok(Some(text.parse().map_err(|_| {
                Usage(format!(
                    "--admin-address {text:?} is not an address with a port, such as 0.0.0.0:10254, nor `off`"
                ))
            })?)),
        }
    }

    /// How long the former load balancer of an Ingress stays.
    pub(crate) fn linger(&self) -> Duration {
        Duration::from_secs(self.linger.unwrap_or(30).into())
    }

    /// The directory that relative paths of the provider's grants are below.
    pub(crate) fn provider_dir(&self) -> PathBuf {
        match &self.bound {
            None => self.state_dir(),
            Some(bound) => self.state_dir().join("providers").join(bound.name()),
        }
    }

    /// The directory that state is kept in.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.state_dir.clone().unwrap_or_else(|| {
            let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
            let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
            match base {
                Some(base) if !rustix::process::geteuid().is_root() => base.join("lb-controller"),
                _ => PathBuf::from("/var/lib/lb-controller"),
            }
        })
    }
}

/// What the file says of the provider, for errors that name the line.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ProviderPart {
    #[serde(rename = "grants")]
    _grants: Option<lb_sandbox::configuration::Grants>,
    #[serde(rename = "limits")]
    _limits: Option<lb_sandbox::configuration::Limits>,
    #[serde(rename = "providers")]
    _providers: BTreeMap<String, ProviderPart>,
}

/// Reads a configuration file; an unknown key is an error that names its line.
fn read_file(path: &Path) -> anyhow::Result<Options> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Usage(format!("the configuration file {} cannot be read: {error}", path.display())))?;
    let invalid =
        |error: serde_saphyr::Error| Usage(format!("the configuration file {} is not valid: {error}", path.display()));
    let mut all: serde_json::Value = serde_saphyr::from_str(&text).map_err(invalid)?;
    if all.is_null() {
        return Ok(Options::default());
    }
    let mut options: Options = serde_saphyr::from_str(&text).map_err(invalid)?;
    match serde_saphyr::from_str::<ProviderPart>(&text) {
        // What is missing here may stand in the configuration that this is laid over.
        Err(error) if matches!(error.without_snippet(), serde_saphyr::Error::SerdeMissingField { .. }) => {}
        checked => drop(checked.map_err(invalid)?),
    }
    for (name, provider) in &mut options.providers {
        provider.part = provider_part(all["providers"][name.as_str()].take());
    }
    options.provider_part = provider_part(all);
    Ok(options)
}

/// Of all that a file says, what is the provider's.
fn provider_part(mut all: serde_json::Value) -> serde_json::Value {
    if let Some(all) = all.as_object_mut() {
        all.retain(|key, _| matches!(key.as_str(), "settings" | "grants" | "limits"));
    }
    all
}

fn namespaced_name(what: &str, text: &str) -> anyhow::Result<NamespacedName> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(NamespacedName::new(namespace, name))
        }
        _ => Err(Usage(format!("{what}: {text:?} is not of the form namespace/name")).into()),
    }
}

fn address(text: &str) -> anyhow::Result<Address> {
    match text.parse::<std::net::IpAddr>() {
        Ok(ip) => Ok(Address::Ip(ip.to_string())),
        Err(_) => dns_name(text)
            .map(Address::Hostname)
            .map_err(|_| Usage(format!("--publish-address {text:?} is neither an IP address nor a DNS name")).into()),
    }
}

fn dns_name(text: &str) -> anyhow::Result<String> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(label) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(Usage(format!("{text:?} is not a DNS name")).into())
    }
}

#[cfg(test)]
mod tests;
