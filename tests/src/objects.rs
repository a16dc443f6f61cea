//! Kubernetes objects, as short as a test needs them. Namespace and class are filled in by the world.

use serde_json::{Value, json};

/// An Ingress without rules.
pub fn ingress(name: &str) -> Ingress {
    Ingress {
        value: json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": name, "annotations": {}},
            "spec": {"rules": []},
        }),
    }
}

/// An Ingress in the making.
#[derive(Clone)]
pub struct Ingress {
    value: Value,
}

impl Ingress {
    /// A rule for a host; `""` for a rule without host.
    #[must_use]
    pub fn rule(mut self, host: &str, paths: impl IntoIterator<Item = Path>) -> Self {
        let paths: Vec<_> = paths.into_iter().map(|path| path.value).collect();
        let mut rule = json!({"http": {"paths": paths}});
        if !host.is_empty() {
            rule["host"] = json!(host);
        }
        self.list("/spec/rules").push(rule);
        self
    }

    /// The default backend, by port name `http`.
    #[must_use]
    pub fn default_backend(mut self, service: &str) -> Self {
        self.value["spec"]["defaultBackend"] = backend(service, &json!({"name": "http"}));
        self
    }

    /// A TLS entry.
    #[must_use]
    pub fn tls(mut self, hosts: &[&str], secret: &str) -> Self {
        if self.value["spec"]["tls"].is_null() {
            self.value["spec"]["tls"] = json!([]);
        }
        self.list("/spec/tls").push(json!({"hosts": hosts, "secretName": secret}));
        self
    }

    /// An annotation.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.value["metadata"]["annotations"][key] = json!(value);
        self
    }

    /// Another class than the world's.
    #[must_use]
    pub fn class(mut self, class: &str) -> Self {
        self.value["spec"]["ingressClassName"] = json!(class);
        self
    }

    /// No class at all.
    #[must_use]
    pub fn without_class(mut self) -> Self {
        self.value["spec"]["ingressClassName"] = Value::Null;
        self
    }

    fn list(&mut self, pointer: &str) -> &mut Vec<Value> {
        self.value.pointer_mut(pointer).and_then(Value::as_array_mut).expect("it was made above")
    }
}

impl From<Ingress> for Value {
    fn from(ingress: Ingress) -> Self {
        ingress.value
    }
}

/// One path of a rule, to port 80 of a Service.
#[derive(Clone)]
pub struct Path {
    value: Value,
}

/// A path that matches as a whole.
pub fn exact(path: &str, service: &str) -> Path {
    Path::new(path, "Exact", service)
}

/// A path that matches by element.
pub fn prefix(path: &str, service: &str) -> Path {
    Path::new(path, "Prefix", service)
}

/// A path that matches as the controller sees fit.
pub fn implementation_specific(path: &str, service: &str) -> Path {
    Path::new(path, "ImplementationSpecific", service)
}

impl Path {
    fn new(path: &str, path_type: &str, service: &str) -> Self {
        Self {
            value: json!({"path": path, "pathType": path_type, "backend": backend(service, &json!({"number": 80}))}),
        }
    }

    /// Another port, by number.
    #[must_use]
    pub fn port_number(mut self, number: u16) -> Self {
        self.value["backend"]["service"]["port"] = json!({"number": number});
        self
    }

    /// Another port, by name.
    #[must_use]
    pub fn port_name(mut self, name: &str) -> Self {
        self.value["backend"]["service"]["port"] = json!({"name": name});
        self
    }
}

fn backend(service: &str, port: &Value) -> Value {
    json!({"service": {"name": service, "port": port}})
}

/// An IngressClass of a controller.
pub fn ingress_class(name: &str, controller: &str, default: bool) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {
            "name": name,
            "annotations": {"ingressclass.kubernetes.io/is-default-class": default.to_string()},
        },
        "spec": {"controller": controller},
    })
}

/// A port of a Service: its name, its number, its protocol.
#[derive(Clone, Copy)]
pub struct Port(pub &'static str, pub u16, pub &'static str);

/// Port 80, named http.
pub const HTTP: Port = Port("http", 80, "TCP");

/// A Service without selector.
pub fn service(name: &str, ports: &[Port]) -> Value {
    let ports: Vec<_> = ports
        .iter()
        .map(|Port(name, number, protocol)| json!({"name": name, "port": number, "protocol": protocol}))
        .collect();
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports}})
}

/// A Service without selector, with port 80, named http, and this `targetPort`, a number or a name.
pub fn targeted_service(name: &str, target_port: impl Into<Value>) -> Value {
    let mut service = service(name, &[HTTP]);
    service["spec"]["ports"][0]["targetPort"] = target_port.into();
    service
}

/// What Kubernetes says of one endpoint.
#[derive(Clone, Copy)]
pub struct Conditions {
    /// It takes traffic.
    pub ready: bool,
    /// It would answer.
    pub serving: bool,
    /// It shuts down.
    pub terminating: bool,
}

impl Conditions {
    /// A running pod.
    pub const READY: Self = Self { ready: true, serving: true, terminating: false };
    /// A pod whose probe fails.
    pub const NOT_READY: Self = Self { ready: false, serving: false, terminating: false };
    /// A pod that shuts down and still answers.
    pub const DRAINING: Self = Self { ready: false, serving: true, terminating: true };
    /// A pod that shuts down and does not answer any more.
    pub const STOPPED: Self = Self { ready: false, serving: false, terminating: true };
}

/// An EndpointSlice with one endpoint; the ports are those of the Service by name.
pub fn endpoint_slice(
    name: &str,
    service: &str,
    address: std::net::IpAddr,
    ports: &[(Port, u16)],
    conditions: Conditions,
) -> Value {
    let Conditions { ready, serving, terminating } = conditions;
    let ports: Vec<_> = ports
        .iter()
        .map(|(Port(name, _, protocol), number)| json!({"name": name, "port": number, "protocol": protocol}))
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
        "addressType": if address.is_ipv4() { "IPv4" } else { "IPv6" },
        "endpoints": [{
            "addresses": [address.to_string()],
            "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        }],
        "ports": ports,
    })
}

/// A TLS Secret of any content.
pub fn tls_secret(name: &str, chain: &str, key: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": chain, "tls.key": key},
    })
}
