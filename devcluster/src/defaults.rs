//! What a real server fills in because clients depend on it.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::kind::Kind;
use crate::object::{self, text};

/// 10.96.0.0/12, as kubeadm has it.
const FIRST_ADDRESS: u32 = 0x0a60_0000;
const ADDRESSES: u32 = 1 << 20;
/// The address of the Service `kubernetes` comes first.
pub(crate) const API_ADDRESS: &str = "10.96.0.1";
const FIRST_NODE_PORT: u16 = 30_000;
const NODE_PORTS: u16 = 2_768;

/// Hands out cluster addresses and node ports. Nothing listens on them, so they are never taken back.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    state: Mutex<Allocated>,
}

#[derive(Debug, Default)]
struct Allocated {
    addresses: u32,
    node_ports: u16,
    /// Addresses that manifests chose themselves.
    chosen: HashSet<String>,
}

impl Addresses {
    fn with<T>(&self, work: impl FnOnce(&mut Allocated) -> T) -> T {
        work(&mut self.state.lock().expect("no code panics while it holds the addresses"))
    }

    fn choose(&self, address: &str) {
        self.with(|allocated| allocated.chosen.insert(address.to_owned()));
    }

    fn address(&self) -> String {
        self.with(|allocated| {
            loop {
                allocated.addresses = (allocated.addresses + 1) % ADDRESSES;
                // The first addresses are for those who choose.
                let address = Ipv4Addr::from(FIRST_ADDRESS + (allocated.addresses + 255) % ADDRESSES).to_string();
                if !allocated.chosen.contains(&address) {
                    return address;
                }
            }
        })
    }

    fn node_port(&self) -> u16 {
        self.with(|allocated| {
            allocated.node_ports = (allocated.node_ports + 1) % NODE_PORTS;
            FIRST_NODE_PORT + allocated.node_ports
        })
    }
}

/// Fills in `object`; `before` is the version that it replaces.
pub(crate) fn fill(kind: &Kind, object: &mut Value, before: Option<&Value>, addresses: &Addresses) {
    match kind.kind {
        "Service" => fill_service(object, before, addresses),
        "Secret" => fill_secret(object),
        "Namespace" => fill_namespace(object, before),
        "Ingress" => set_default(object, "status", json!({"loadBalancer": {}})),
        "IngressClass" => {
            if let Some(parameters) = object.pointer_mut("/spec/parameters") {
                set_default(parameters, "scope", json!("Cluster"));
            }
        }
        "EndpointSlice" => {
            for port in list_mut(object, "/ports") {
                set_default(port, "name", json!(""));
                set_default(port, "protocol", json!("TCP"));
            }
        }
        "Endpoints" => {
            for subset in list_mut(object, "/subsets") {
                fill_protocols(subset);
            }
        }
        "Pod" => {
            set_default(object, "status", json!({}));
            set_default(&mut object["status"], "phase", json!("Pending"));
            if let Some(spec) = object.get_mut("spec") {
                fill_pod(spec);
            }
        }
        "Deployment" => fill_deployment(object),
        _ => {}
    }
}

fn set_default(object: &mut Value, field: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.entry(field).or_insert(value);
    }
}

fn list_mut<'a>(object: &'a mut Value, pointer: &str) -> &'a mut [Value] {
    object.pointer_mut(pointer).and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

fn fill_protocols(owner: &mut Value) {
    for port in list_mut(owner, "/ports") {
        set_default(port, "protocol", json!("TCP"));
    }
}

fn fill_secret(object: &mut Value) {
    set_default(object, "type", json!("Opaque"));
    let Some(Value::Object(strings)) = object.as_object_mut().and_then(|object| object.remove("stringData")) else {
        return;
    };
    set_default(object, "data", Value::Object(Map::new()));
    for (key, value) in strings {
        object["data"][key] = STANDARD.encode(value.as_str().unwrap_or_default()).into();
    }
}

fn fill_namespace(object: &mut Value, before: Option<&Value>) {
    let name = object::name(object).to_owned();
    let metadata = object::metadata_mut(object);
    metadata.entry("labels").or_insert_with(|| json!({}))["kubernetes.io/metadata.name"] = name.into();
    set_default(object, "spec", json!({}));
    let finalizers = before.map_or_else(|| json!(["kubernetes"]), |before| before["spec"]["finalizers"].clone());
    object["spec"]["finalizers"] = finalizers;
    set_default(object, "status", json!({}));
    set_default(&mut object["status"], "phase", json!("Active"));
}

fn fill_pod(spec: &mut Value) {
    set_default(spec, "restartPolicy", json!("Always"));
    set_default(spec, "dnsPolicy", json!("ClusterFirst"));
    set_default(spec, "terminationGracePeriodSeconds", json!(30));
    set_default(spec, "schedulerName", json!("default-scheduler"));
    set_default(spec, "securityContext", json!({}));
    for containers in ["/containers", "/initContainers"] {
        for container in list_mut(spec, containers) {
            fill_protocols(container);
        }
    }
}

fn fill_deployment(object: &mut Value) {
    set_default(object, "status", json!({}));
    let Some(spec) = object.get_mut("spec") else { return };
    set_default(spec, "replicas", json!(1));
    set_default(spec, "revisionHistoryLimit", json!(10));
    set_default(spec, "progressDeadlineSeconds", json!(600));
    set_default(spec, "strategy", json!({}));
    set_default(&mut spec["strategy"], "type", json!("RollingUpdate"));
    if spec["strategy"]["type"] == "RollingUpdate" {
        set_default(&mut spec["strategy"], "rollingUpdate", json!({"maxSurge": "25%", "maxUnavailable": "25%"}));
    }
    if let Some(spec) = spec.pointer_mut("/template/spec") {
        fill_pod(spec);
    }
}

fn fill_service(object: &mut Value, before: Option<&Value>, addresses: &Addresses) {
    set_default(object, "spec", json!({}));
    set_default(object, "status", json!({"loadBalancer": {}}));
    let spec = &mut object["spec"];
    set_default(spec, "type", json!("ClusterIP"));
    set_default(spec, "sessionAffinity", json!("None"));
    if spec["sessionAffinity"] == "ClientIP" {
        set_default(spec, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10_800}}));
    }
    for port in list_mut(spec, "/ports") {
        set_default(port, "protocol", json!("TCP"));
        if port["targetPort"].is_null() || port["targetPort"] == 0 || port["targetPort"] == "" {
            port["targetPort"] = port["port"].clone();
        }
    }
    let service_type = text(spec, "/type").to_owned();
    if service_type == "ExternalName" {
        return;
    }
    fill_cluster_address(spec, before, addresses);
    set_default(spec, "internalTrafficPolicy", json!("Cluster"));
    if matches!(service_type.as_str(), "NodePort" | "LoadBalancer") {
        set_default(spec, "externalTrafficPolicy", json!("Cluster"));
        fill_node_ports(spec, before, addresses);
    } else {
        // A Service that was reachable from outside, and is no longer, gives its ports back.
        list_mut(spec, "/ports").iter_mut().filter_map(Value::as_object_mut).for_each(|port| {
            port.remove("nodePort");
        });
    }
    if service_type == "LoadBalancer" {
        set_default(spec, "allocateLoadBalancerNodePorts", json!(true));
    }
}

fn fill_cluster_address(spec: &mut Value, before: Option<&Value>, addresses: &Addresses) {
    let chosen = text(spec, "/clusterIP").to_owned();
    let address = match before.map(|before| text(before, "/spec/clusterIP")).filter(|address| !address.is_empty()) {
        _ if !chosen.is_empty() => {
            addresses.choose(&chosen);
            chosen
        }
        Some(kept) => kept.to_owned(),
        None => addresses.address(),
    };
    let family = if address.contains(':') { "IPv6" } else { "IPv4" };
    set_default(spec, "clusterIPs", json!([address]));
    spec["clusterIP"] = address.into();
    set_default(spec, "ipFamilies", json!([family]));
    set_default(spec, "ipFamilyPolicy", json!("SingleStack"));
}

fn fill_node_ports(spec: &mut Value, before: Option<&Value>, addresses: &Addresses) {
    let old = before.map_or(&[][..], |before| object::items(before, "/spec/ports"));
    for port in list_mut(spec, "/ports").iter_mut().filter(|port| port["nodePort"].as_i64().unwrap_or_default() == 0) {
        let same = |other: &&Value| other["port"] == port["port"] && other["protocol"] == port["protocol"];
        let kept = old.iter().find(same).map(|old| old["nodePort"].clone()).filter(Value::is_number);
        port["nodePort"] = kept.unwrap_or_else(|| addresses.node_port().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind;

    fn filled(plural: &str, mut object: Value, before: Option<&Value>) -> Value {
        fill(kind::find("", "v1", plural).unwrap(), &mut object, before, &Addresses::default());
        object
    }

    #[test]
    fn a_service_gets_what_clients_expect() {
        let service = filled("services", json!({"spec": {"ports": [{"port": 80}]}}), None);
        assert_eq!(
            service,
            json!({
                "spec": {
                    "type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
                    "clusterIP": "10.96.1.0", "clusterIPs": ["10.96.1.0"], "ipFamilies": ["IPv4"],
                    "ipFamilyPolicy": "SingleStack", "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]
                },
                "status": {"loadBalancer": {}}
            })
        );
        let again = filled("services", json!({"spec": {"ports": [{"port": 81}]}}), Some(&service));
        assert_eq!(again["spec"]["clusterIP"], "10.96.1.0");
        let headless = filled("services", json!({"spec": {"clusterIP": "None"}}), None);
        assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
        let external = filled("services", json!({"spec": {"type": "ExternalName", "externalName": "x.y"}}), None);
        assert!(external["spec"].get("clusterIP").is_none());
    }

    #[test]
    fn node_ports_are_kept_over_updates_and_dropped_with_the_type() {
        let spec = json!({"spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}});
        let service = filled("services", spec, None);
        let port = service["spec"]["ports"][0]["nodePort"].as_i64().unwrap();
        assert!((30_000..32_768).contains(&port));
        let spec = json!({"spec": {"type": "NodePort", "ports": [{"port": 80}, {"port": 81}]}});
        let again = filled("services", spec, Some(&service));
        assert_eq!(again["spec"]["ports"][0]["nodePort"], port);
        assert!(again["spec"]["ports"][1]["nodePort"].is_number());
        let spec = json!({"spec": {"ports": [{"port": 80, "nodePort": port}]}});
        assert!(filled("services", spec, Some(&service))["spec"]["ports"][0].get("nodePort").is_none());
    }

    #[test]
    fn string_data_becomes_data() {
        let secret = filled("secrets", json!({"data": {"a": "MQ=="}, "stringData": {"b": "2"}}), None);
        assert_eq!(secret, json!({"type": "Opaque", "data": {"a": "MQ==", "b": "Mg=="}}));
    }

    #[test]
    fn chosen_addresses_are_not_handed_out() {
        let addresses = Addresses::default();
        addresses.choose("10.96.1.0");
        assert_eq!(addresses.address(), "10.96.1.1");
    }

    #[test]
    fn a_namespace_is_active_and_labelled() {
        let namespace = filled("namespaces", json!({"metadata": {"name": "shop"}}), None);
        assert_eq!(namespace["status"]["phase"], "Active");
        assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], "shop");
        assert_eq!(namespace["spec"]["finalizers"], json!(["kubernetes"]));
    }
}
