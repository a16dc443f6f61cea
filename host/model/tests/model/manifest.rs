//! Manifests of several YAML documents: Kubernetes objects, and before them, where it is not the usual one, the
//! controller that is asked.

use std::{fs, path::Path, sync::Arc};

use k8s_openapi::{
    ByteString,
    api::{core::v1::Secret, networking::v1::IngressClass},
};
use lb_model::{
    certificate,
    cluster::NamespacedName,
    translate::{ClassSelection, Options, ServicePort, Stream},
    types::{BackendDetail, Certificate, ChangeKind, Descriptor, Feature, HostMatch, Placement, Protocol, Scope},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::cluster::{MemoryCluster, look_up, name_of};

pub(crate) const CONTROLLER: &str = "lb-controller.io/ingress";

/// Every feature of the contract.
pub(crate) const FEATURES: [Feature; 33] = [
    Feature::Https,
    Feature::TlsPassthrough,
    Feature::Tcp,
    Feature::Udp,
    Feature::RedirectToHttps,
    Feature::ProxyProtocol,
    Feature::PathExact,
    Feature::PathPrefix,
    Feature::PathRegex,
    Feature::HostWildcard,
    Feature::WeightedBackends,
    Feature::MatchMethod,
    Feature::MatchHeaders,
    Feature::MatchQueryParameters,
    Feature::Redirect,
    Feature::Rewrite,
    Feature::RequestHeaders,
    Feature::ResponseHeaders,
    Feature::Timeouts,
    Feature::BodyLimit,
    Feature::Cors,
    Feature::SourceRanges,
    Feature::RateLimit,
    Feature::AuthBasic,
    Feature::AuthExternal,
    Feature::CookieAffinity,
    Feature::ClientIpAffinity,
    Feature::Mirror,
    Feature::Retry,
    Feature::BackendHttps,
    Feature::BackendH2c,
    Feature::BackendGrpc,
    Feature::Scale,
];

/// A manifest, read.
pub(crate) struct Manifest {
    pub(crate) options: Options,
    pub(crate) descriptor: Arc<Descriptor>,
    pub(crate) cluster: MemoryCluster,
}

/// The document of kind `Controller`. All of it may be left out.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Controller {
    #[serde(rename = "kind")]
    _kind: String,
    per_object: bool,
    /// The provider wants to know of ports, not of endpoints.
    ports_alone: bool,
    /// Features that the provider lacks.
    without: Vec<String>,
    annotation_prefixes: Vec<String>,
    only_class: Option<String>,
    watch_without_class: bool,
    http_port: Option<u16>,
    https_port: Option<u16>,
    /// A pair of files below `certificates`.
    default_certificate: Option<String>,
    streams: Vec<StreamDocument>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct StreamDocument {
    port: u16,
    protocol: String,
    host: Option<String>,
    service: String,
    service_port: Value,
    #[serde(default)]
    proxy_protocol: bool,
}

/// A provider of this scope with these features.
pub(crate) fn descriptor(scope: Scope, features: Vec<Feature>, annotation_prefixes: Vec<String>) -> Arc<Descriptor> {
    Arc::new(Descriptor {
        name: String::from("example"),
        version: String::from("1.0.0"),
        scope,
        placement: Placement::Leader,
        change_sets: ChangeKind::Incremental,
        backend_detail: BackendDetail::Endpoints,
        features,
        annotation_prefixes,
        observe_interval: 0,
        settings_schema: String::from("{}"),
        grants: Vec::new(),
    })
}

/// The options of a controller that nobody configured.
pub(crate) fn options() -> Options {
    Options {
        controller_name: String::from(CONTROLLER),
        classes: ClassSelection::AllOfController { name: String::from("lb") },
        watch_without_class: false,
        http_port: 80,
        https_port: 443,
        default_certificate: None,
        streams: Vec::new(),
    }
}

/// Reads a manifest. Objects without namespace are in `default`; those without UID get one of their name. Unless there
/// is an IngressClass among them, `lb` is one.
pub(crate) fn read(text: &str) -> Manifest {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    let mut controller = Controller::default();
    let mut cluster = MemoryCluster::default();
    for mut document in documents {
        let kind = document["kind"].as_str().unwrap().to_owned();
        if kind == "Controller" {
            controller = serde_json::from_value(document).unwrap();
            continue;
        }
        complete(&mut document, &kind);
        insert(&mut cluster, &kind, document);
    }
    if cluster.classes.is_empty() {
        let class: IngressClass =
            object(json!({"metadata": {"name": "lb", "uid": "class-lb"}, "spec": {"controller": CONTROLLER}}));
        cluster.classes.insert(String::from("lb"), Arc::new(class));
    }
    let scope = if controller.per_object { Scope::PerObject } else { Scope::PerClass };
    let lacks = |feature: &Feature| {
        let name = serde_json::to_value(feature).unwrap();
        controller.without.iter().any(|without| name == **without)
    };
    let features: Vec<_> = FEATURES.into_iter().filter(|feature| !lacks(feature)).collect();
    assert_eq!(features.len() + controller.without.len(), FEATURES.len(), "an unknown feature in `without`");
    let defaults = options();
    let options = Options {
        classes: controller.only_class.map_or(defaults.classes.clone(), ClassSelection::Only),
        watch_without_class: controller.watch_without_class,
        http_port: controller.http_port.unwrap_or(defaults.http_port),
        https_port: controller.https_port.unwrap_or(defaults.https_port),
        default_certificate: controller.default_certificate.map(|name| Arc::new(default_certificate(&name))),
        streams: controller.streams.into_iter().map(stream).collect(),
        ..defaults
    };
    let mut descriptor = descriptor(scope, features, controller.annotation_prefixes);
    if controller.ports_alone {
        Arc::make_mut(&mut descriptor).backend_detail = BackendDetail::Ports;
    }
    Manifest { options, descriptor, cluster }
}

/// Fills in what the API server would.
fn complete(document: &mut Value, kind: &str) {
    let name = document["metadata"]["name"].as_str().unwrap().to_owned();
    let metadata = document["metadata"].as_object_mut().unwrap();
    metadata.entry("namespace").or_insert(json!("default"));
    metadata.entry("uid").or_insert(json!(format!("{}-{name}", kind.to_lowercase())));
}

fn insert(cluster: &mut MemoryCluster, kind: &str, document: Value) {
    macro_rules! put {
        ($table:ident) => {{
            let object = object(document);
            cluster.$table.insert(name_of(metadata(&object)), Arc::new(object));
        }};
    }
    fn metadata<T: k8s_openapi::Metadata<Ty = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta>>(
        object: &T,
    ) -> &T::Ty {
        object.metadata()
    }
    match kind {
        "Ingress" => put!(ingresses),
        "Service" => put!(services),
        "EndpointSlice" => cluster.put_slice(object(document)),
        "IngressClass" => {
            let class: IngressClass = object(document);
            cluster.classes.insert(class.metadata.name.clone().unwrap(), Arc::new(class));
        }
        "Secret" => {
            let mut secret: Secret = object(document);
            secret.type_.get_or_insert(String::from("kubernetes.io/tls"));
            let texts = secret.string_data.take().unwrap_or_default();
            secret.data.get_or_insert_default().extend(texts.into_iter().map(|(key, text)| {
                let content = if text.starts_with("certificates/") { file(&text) } else { text };
                (key, ByteString(content.into_bytes()))
            }));
            cluster.secrets.insert(name_of(&secret.metadata), look_up(&secret));
        }
        _ => panic!("unknown kind {kind}"),
    }
}

fn object<T: DeserializeOwned>(document: Value) -> T {
    let text = document.to_string();
    serde_json::from_value(document).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A file of the test data.
pub(crate) fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)).unwrap()
}

/// A TLS Secret with two files of `certificates`.
pub(crate) fn secret(name: &str, chain: &str, key: &str) -> Secret {
    let content = |file_name: &str| ByteString(file(&format!("certificates/{file_name}")).into_bytes());
    let mut secret: Secret = object(json!({"metadata": {"name": name, "namespace": "default", "uid": name}}));
    secret.type_ = Some(String::from("kubernetes.io/tls"));
    secret.data =
        Some([("tls.crt", content(chain)), ("tls.key", content(key))].map(|(key, it)| (key.into(), it)).into());
    secret
}

fn default_certificate(name: &str) -> Certificate {
    let (certificate, _) = certificate::parse(&secret(name, &format!("{name}.crt"), &format!("{name}.key"))).unwrap();
    Certificate { sources: Vec::new(), ..certificate }
}

fn stream(document: StreamDocument) -> Stream {
    let (namespace, name) = document.service.split_once('/').unwrap();
    Stream {
        port: document.port,
        protocol: match document.protocol.as_str() {
            "http" => Protocol::Http,
            "tls" => Protocol::Tls,
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            other => panic!("unknown protocol {other}"),
        },
        host: document.host.map(|host| match host.strip_prefix("*.") {
            Some(suffix) => HostMatch::Wildcard(suffix.to_owned()),
            None => HostMatch::Exact(host),
        }),
        service: NamespacedName::new(namespace, name),
        service_port: match document.service_port {
            Value::String(name) => ServicePort::Name(name),
            number => ServicePort::Number(serde_json::from_value(number).unwrap()),
        },
        proxy_protocol: document.proxy_protocol,
    }
}
