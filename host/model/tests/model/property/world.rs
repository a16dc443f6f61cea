//! A small cluster in which everything that can clash does, often.

use std::sync::Arc;

use lb_model::{
    cluster::{Change, NamespacedName, SecretLookup},
    translate::{ServicePort, Stream},
    types::{Certificate, HostMatch, Protocol},
};
use serde_json::{Value, json};

use super::random::Random;
use crate::{
    cluster::{MemoryCluster, look_up},
    manifest::{CONTROLLER, secret},
};

const NAMESPACES: [&str; 2] = ["a", "b"];
const NAMES: [&str; 4] = ["one", "two", "three", "four"];
const SERVICES: [&str; 3] = ["cart", "shop", "missing"];
const SECRETS: [&str; 3] = ["tls-1", "tls-2", "tls-3"];
const HOSTS: [&str; 7] = ["", "foo.com", "*.foo.com", "a.foo.com", "bar.com", "b.bar.com", "not a host"];
const PATHS: [&str; 7] = ["/", "/a", "/a/", "/a/b", "/%61", "", "/bad\"path"];
const PATH_TYPES: [&str; 4] = ["Exact", "Prefix", "ImplementationSpecific", "Nonsense"];
const CERTIFICATES: [&str; 4] = ["foo", "foo-renewed", "wildcard", "many"];
const PORTS: [&str; 6] = ["80", "443", "8080", "8443", "9000", "x"];

pub(super) struct World {
    pub(super) cluster: MemoryCluster,
    /// Every Ingress that may ever be.
    pub(super) ingress_names: Vec<NamespacedName>,
    lookups: Vec<SecretLookup>,
    /// Makes UIDs and changes distinct.
    clock: usize,
}

impl World {
    pub(super) fn new() -> Self {
        let lookup = |name: &&str| look_up(&secret(name, &format!("{name}.crt"), &format!("{name}.key")));
        let names = NAMESPACES.iter().flat_map(|namespace| NAMES.map(|name| NamespacedName::new(*namespace, name)));
        Self {
            cluster: MemoryCluster::default(),
            ingress_names: names.collect(),
            lookups: CERTIFICATES.iter().map(lookup).collect(),
            clock: 0,
        }
    }

    pub(super) fn default_certificate(&self) -> Arc<Certificate> {
        let SecretLookup::Certificate(certificate) = &self.lookups[0] else { panic!("the certificate is good") };
        Arc::new(Certificate { sources: Vec::new(), ..Certificate::clone(certificate) })
    }

    /// Streams that clash with Ingresses and among themselves.
    pub(super) fn streams() -> Vec<Stream> {
        let stream = |port, protocol, host: Option<&str>| Stream {
            port,
            protocol,
            host: host.map(|host| HostMatch::Exact(host.to_owned())),
            service: NamespacedName::new("a", "shop"),
            service_port: ServicePort::Name(String::from("http")),
            proxy_protocol: false,
        };
        vec![
            stream(9000, Protocol::Tcp, None),
            stream(9000, Protocol::Udp, None),
            stream(9443, Protocol::Tls, Some("foo.com")),
            stream(9443, Protocol::Tls, None),
            stream(9443, Protocol::Tcp, None),
        ]
    }

    /// Makes some change and tells of it.
    pub(super) fn change(&mut self, random: &mut Random) -> Change {
        self.clock += 1;
        let namespace = *random.pick(&NAMESPACES);
        match random.below(12) {
            0..5 => {
                let name = random.pick(&self.ingress_names).clone();
                if random.one_in(5) {
                    self.cluster.ingresses.remove(&name);
                } else {
                    let uid = self.clock;
                    let ingress = parse(ingress(&name, uid, random));
                    self.cluster.ingresses.insert(name.clone(), ingress);
                }
                Change::Ingress(name)
            }
            5 | 6 => {
                let name = NamespacedName::new(namespace, *random.pick(&SERVICES[..2]));
                if random.one_in(4) {
                    self.cluster.services.remove(&name);
                } else {
                    self.cluster.services.insert(name.clone(), parse(service(&name, self.clock / 20, random)));
                }
                Change::Service(name)
            }
            7 | 8 => {
                let service = NamespacedName::new(namespace, *random.pick(&SERVICES));
                let slice = format!("{}-{}", service.name, random.below(2));
                if random.one_in(4) {
                    self.cluster.slices.remove(&(service.clone(), slice));
                } else {
                    self.cluster.put_slice(read(endpoint_slice(&slice, &service, random)));
                }
                Change::Endpoints(service)
            }
            9 | 10 => {
                let name = NamespacedName::new(namespace, *random.pick(&SECRETS));
                self.put_secret(&name, random);
                Change::Secret(name)
            }
            _ => {
                let name = random.pick(&["lb", "second"]).to_string();
                if random.one_in(3) {
                    self.cluster.classes.remove(&name);
                } else {
                    self.cluster.classes.insert(name.clone(), parse(class(&name, random)));
                }
                Change::IngressClasses
            }
        }
    }

    fn put_secret(&mut self, name: &NamespacedName, random: &mut Random) {
        match random.below(6) {
            0 => {
                self.cluster.secrets.remove(name);
            }
            1 => {
                self.cluster
                    .secrets
                    .insert(name.clone(), SecretLookup::Malformed(String::from("data[\"tls.key\"] is bad")));
            }
            _ => {
                let SecretLookup::Certificate(known) = random.pick(&self.lookups) else {
                    panic!("the certificate is good")
                };
                let mut certificate = Certificate::clone(known);
                let source = &mut certificate.sources[0];
                (source.namespace, source.name) = (name.namespace.clone(), name.name.clone());
                source.uid = format!("secret-{}", self.clock / 10);
                self.cluster.secrets.insert(name.clone(), SecretLookup::Certificate(Arc::new(certificate)));
            }
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(document: Value) -> T {
    serde_json::from_value(document).unwrap()
}

fn parse<T: serde::de::DeserializeOwned>(document: Value) -> Arc<T> {
    Arc::new(read(document))
}

fn ingress(name: &NamespacedName, uid: usize, random: &mut Random) -> Value {
    let mut annotations = json!({});
    for (key, values) in [
        ("http.port", PORTS.as_slice()),
        ("https.port", PORTS.as_slice()),
        ("allow.http", &["true", "false", "no"]),
        ("scale", &["2", "0"]),
        ("io.rancher.stickiness.policy", &["cookie: id", "cookie"]),
        ("io.rancher.label", &["x", "y"]),
        ("config", &["global", "\u{7}"]),
        ("nginx.ingress.kubernetes.io/rewrite-target", &["/"]),
        ("kubernetes.io/ingress.class", &["lb", "second", "other"]),
    ] {
        if random.one_in(6) {
            annotations[key] = json!(random.pick(values));
        }
    }
    let mut spec = json!({ "rules": (0..random.below(3)).map(|_| rule(random)).collect::<Vec<_>>() });
    if !random.one_in(6) {
        spec["ingressClassName"] = json!(random.pick(&["lb", "lb", "lb", "second", "other"]));
    }
    if random.one_in(3) {
        spec["defaultBackend"] = backend(random);
    }
    if !random.one_in(3) {
        spec["tls"] = (0..=random.below(2)).map(|_| tls(random)).collect();
    }
    let mut metadata = json!({"namespace": name.namespace, "name": name.name, "uid": format!("ingress-{}", uid / 10)});
    metadata["annotations"] = annotations;
    if !random.one_in(10) {
        metadata["creationTimestamp"] = json!(format!("2026-01-01T00:00:0{}Z", random.below(6)));
    }
    if random.one_in(15) {
        metadata["deletionTimestamp"] = json!("2026-02-01T00:00:00Z");
    }
    json!({"metadata": metadata, "spec": spec})
}

fn rule(random: &mut Random) -> Value {
    let path = |random: &mut Random| {
        json!({
            "path": random.pick(&PATHS),
            "pathType": if random.one_in(12) { "Nonsense" } else { random.pick(&PATH_TYPES[..3]) },
            "backend": backend(random),
        })
    };
    let mut rule = json!({"host": random.pick(&HOSTS)});
    if !random.one_in(8) {
        rule["http"] = json!({"paths": (0..=random.below(3)).map(|_| path(random)).collect::<Vec<_>>()});
    }
    rule
}

fn backend(random: &mut Random) -> Value {
    let port = match random.below(5) {
        0 => json!({"number": 80}),
        1 => json!({"number": 81}),
        2 => json!({"name": "admin"}),
        _ => json!({"name": "http"}),
    };
    match random.below(15) {
        0 => json!({"resource": {"kind": "StorageBucket", "name": "static"}}),
        1 => json!({}),
        _ => json!({"service": {"name": random.pick(&SERVICES), "port": port}}),
    }
}

fn tls(random: &mut Random) -> Value {
    let mut entry = json!({});
    if !random.one_in(3) {
        entry["hosts"] = (0..=random.below(2)).map(|_| json!(random.pick(&HOSTS))).collect();
    }
    if !random.one_in(5) {
        entry["secretName"] = json!(random.pick(&SECRETS));
    }
    entry
}

fn service(name: &NamespacedName, uid: usize, random: &mut Random) -> Value {
    let mut ports = vec![json!({"name": "http", "port": 80 + random.below(2), "protocol": "TCP"})];
    if random.one_in(2) {
        ports.push(json!({"name": "admin", "port": 9090}));
    }
    if random.one_in(2) {
        ports.push(json!({"name": "http", "port": 80, "protocol": "UDP"}));
    }
    if random.one_in(3) {
        ports[0]["appProtocol"] = json!(random.pick(&["https", "grpc", "kubernetes.io/h2c", "http"]));
    }
    let mut spec = json!({"ports": ports});
    if random.one_in(3) {
        spec["sessionAffinity"] = json!("ClientIP");
    }
    if random.one_in(10) {
        spec["type"] = json!("ExternalName");
    }
    json!({"metadata": {"namespace": name.namespace, "name": name.name, "uid": format!("service-{uid}")}, "spec": spec})
}

fn endpoint_slice(name: &str, service: &NamespacedName, random: &mut Random) -> Value {
    let endpoint = |random: &mut Random| {
        json!({
            "addresses": [random.pick(&["10.0.0.1", "10.0.0.2", "fd00::1", "nonsense"])],
            "conditions": {"ready": random.one_in(2), "serving": random.one_in(2), "terminating": random.one_in(2)},
            "zone": random.pick(&["east", "west"]),
        })
    };
    json!({
        "metadata": {"namespace": service.namespace, "name": name, "labels": {"kubernetes.io/service-name": service.name}},
        "addressType": random.pick(&["IPv4", "IPv6", "FQDN"]),
        "ports": [{"name": "http", "port": 8080 + random.below(2)}, {"name": "admin", "port": 9090}],
        "endpoints": (0..random.below(4)).map(|_| endpoint(random)).collect::<Vec<_>>(),
    })
}

fn class(name: &str, random: &mut Random) -> Value {
    let controller = if random.one_in(3) { "example.com/other" } else { CONTROLLER };
    let default = random.pick(&["true", "false"]);
    json!({
        "metadata": {"name": name, "annotations": {"ingressclass.kubernetes.io/is-default-class": default}},
        "spec": {"controller": controller},
    })
}
