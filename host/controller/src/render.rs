//! `lb-controller render`: what a provider would be told, without a cluster.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::Arc,
};

use k8s_openapi::api::{
    core::v1::{Secret, Service},
    discovery::v1::EndpointSlice,
    networking::v1::{Ingress, IngressClass},
};
use lb_model::{
    certificate,
    cluster::{Change, Cluster, NamespacedName, SecretLookup},
    translate::Translator,
    types::{BackendDetail, ChangeKind, Descriptor, Feature, Placement, Scope},
};
use serde::de::DeserializeOwned;

use crate::{
    args::Manifests,
    config::{Options, Usage},
    manifests::{self, Manifest},
};

/// Options of `render`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    manifests: Manifests,
    /// The form of the result.
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    output: Format,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Yaml,
    Json,
}

/// Prints the configuration to standard output and what is wrong with the objects to standard error.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let options = args.options.clone().with_file()?;
    let mut objects = Objects::default();
    for file in manifests::files(&args.manifests.filename)? {
        for manifest in manifests::read(&file)? {
            objects.insert(&manifest)?;
        }
    }
    let mut translate = options.translate()?;
    translate.watch_without_class = options.watch_ingress_without_class.unwrap_or(true);
    let mut translator = Translator::new(translate, Arc::new(everything()));
    translator.update(&objects, [Change::Everything]);

    let configurations: Vec<_> =
        translator.load_balancers().filter_map(|load_balancer| translator.desired(load_balancer)).collect();
    let mut stdout = io::stdout().lock();
    match args.output {
        Format::Json => {
            serde_json::to_writer_pretty(&mut stdout, &configurations)?;
            writeln!(stdout)?;
        }
        Format::Yaml => write!(stdout, "{}", serde_saphyr::to_string(&configurations)?)?,
    }
    for key in objects.ingresses.keys() {
        if translator.load_balancer_of(key).is_none() {
            eprintln!("note: Ingress {key} is not of a class that is served here");
        }
        for notice in translator.notices(key) {
            let rejection = &notice.rejection;
            eprintln!("{:?}: Ingress {key}: {}: {}", notice.kind, rejection.field, rejection.message);
        }
    }
    Ok(())
}

/// A provider that honours all there is, so that nothing is left out.
fn everything() -> Descriptor {
    Descriptor {
        name: "render".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scope: Scope::PerClass,
        placement: Placement::Leader,
        change_sets: ChangeKind::Incremental,
        backend_detail: BackendDetail::Endpoints,
        features: vec![
            Feature::Https,
            Feature::TlsPassthrough,
            Feature::Tcp,
            Feature::Udp,
            Feature::PathExact,
            Feature::PathPrefix,
            Feature::HostWildcard,
            Feature::CookieAffinity,
            Feature::ClientIpAffinity,
            Feature::ProxyProtocol,
            Feature::BackendHttps,
            Feature::BackendH2c,
            Feature::BackendGrpc,
            Feature::Scale,
        ],
        annotation_prefixes: vec!["config".to_owned(), "io.rancher.".to_owned()],
        observe_interval: 0,
        settings_schema: "{}".to_owned(),
        grants: Vec::new(),
    }
}

/// The objects of the manifests.
#[derive(Default)]
struct Objects {
    ingresses: BTreeMap<NamespacedName, Arc<Ingress>>,
    classes: Vec<Arc<IngressClass>>,
    services: BTreeMap<NamespacedName, Arc<Service>>,
    slices: BTreeMap<NamespacedName, Vec<Arc<EndpointSlice>>>,
    secrets: BTreeMap<NamespacedName, SecretLookup>,
}

impl Objects {
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
                let secret: Secret = typed(manifest)?;
                if secret.type_.as_deref() == Some("kubernetes.io/tls") {
                    let lookup = match certificate::parse(&secret) {
                        Ok((certificate, _)) => SecretLookup::Certificate(Arc::new(certificate)),
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
