//! Service and EndpointSlice.

use std::collections::HashSet;

use serde_json::Value;

use super::immutable;
use super::name::{label, port_name, port_number};
use crate::object::{items, text};
use crate::status::FieldError;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

pub(super) fn check(object: &Value, before: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = &object["spec"];
    let ports = items(spec, "/ports");
    let service_type = text(spec, "/type");
    if !TYPES.contains(&service_type) {
        errors.push(FieldError::unsupported("spec.type", &spec["type"], &TYPES));
    }
    let headless = text(spec, "/clusterIP") == "None";
    if ports.is_empty() && !headless && service_type != "ExternalName" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    if service_type == "ExternalName" && text(spec, "/externalName").is_empty() {
        errors.push(FieldError::required("spec.externalName", ""));
    }
    let mut names = HashSet::new();
    let mut numbers = HashSet::new();
    for (index, port) in ports.iter().enumerate() {
        let at = format!("spec.ports[{index}]");
        check_port(&mut errors, &at, port, ports.len() > 1);
        let name = text(port, "/name");
        if !name.is_empty() && !names.insert(name) {
            errors.push(FieldError::duplicate(format!("{at}.name"), &port["name"]));
        }
        if !numbers.insert((text(port, "/protocol"), port["port"].as_i64())) {
            let duplicate = serde_json::json!({"protocol": port["protocol"], "port": port["port"]});
            errors.push(FieldError::duplicate(at, &duplicate));
        }
    }
    if let Some(before) = before {
        let old = before.pointer("/spec/clusterIP");
        let stays = |value: &Value| text(value, "/spec/type") != "ExternalName";
        if stays(before) && stays(object) && old.is_some() && old != spec.get("clusterIP") {
            let new = Value::Array(vec![spec["clusterIP"].clone()]);
            errors.push(FieldError::invalid("spec.clusterIPs[0]", &new, "may not change once set"));
        }
    }
    errors
}

fn check_port(errors: &mut Vec<FieldError>, at: &str, port: &Value, named: bool) {
    let name = text(port, "/name");
    if name.is_empty() {
        if named {
            errors.push(FieldError::required(format!("{at}.name"), ""));
        }
    } else {
        let problems = label(name);
        errors.extend(problems.iter().map(|problem| FieldError::invalid(format!("{at}.name"), &port["name"], problem)));
    }
    let number = port["port"].as_i64().unwrap_or_default();
    let problems = port_number(number);
    errors.extend(problems.iter().map(|problem| FieldError::invalid(format!("{at}.port"), &number.into(), problem)));
    if !PROTOCOLS.contains(&text(port, "/protocol")) {
        errors.push(FieldError::unsupported(format!("{at}.protocol"), &port["protocol"], &PROTOCOLS));
    }
    let target = &port["targetPort"];
    let problems = match target {
        Value::String(name) => port_name(name),
        _ => port_number(target.as_i64().unwrap_or_default()),
    };
    errors.extend(problems.iter().map(|problem| FieldError::invalid(format!("{at}.targetPort"), target, problem)));
}

pub(super) fn check_endpoint_slice(object: &Value, before: Option<&Value>) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> = immutable("addressType", object, before).into_iter().collect();
    match text(object, "/addressType") {
        "" => errors.push(FieldError::required("addressType", "")),
        "IPv4" | "IPv6" | "FQDN" => {}
        _ => {
            let supported = ["FQDN", "IPv4", "IPv6"];
            errors.push(FieldError::unsupported("addressType", &object["addressType"], &supported));
        }
    }
    for (index, endpoint) in items(object, "/endpoints").iter().enumerate() {
        if items(endpoint, "/addresses").is_empty() {
            let detail = "must contain at least 1 address";
            errors.push(FieldError::required(format!("endpoints[{index}].addresses"), detail));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn messages(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    fn service(ports: &Value) -> Value {
        json!({"spec": {"type": "ClusterIP", "clusterIP": "10.96.0.10", "ports": ports}})
    }

    #[test]
    fn ports_are_checked() {
        let port = json!({"port": 80, "protocol": "TCP", "targetPort": 8080});
        assert!(check(&service(&json!([port])), None).is_empty());
        assert_eq!(messages(&check(&service(&json!([])), None)), ["spec.ports: Required value"]);
        assert_eq!(
            messages(&check(&service(&json!([{"port": 0, "protocol": "HTTP", "targetPort": "web server"}])), None)),
            [
                "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
                "spec.ports[0].protocol: Unsupported value: \"HTTP\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
                "spec.ports[0].targetPort: Invalid value: \"web server\": must contain only alpha-numeric characters \
                 (a-z, 0-9), and hyphens (-)",
            ]
        );
        assert_eq!(
            messages(&check(&service(&json!([port, port])), None)),
            [
                "spec.ports[0].name: Required value",
                "spec.ports[1].name: Required value",
                "spec.ports[1]: Duplicate value: {\"port\":80,\"protocol\":\"TCP\"}"
            ]
        );
    }

    #[test]
    fn the_cluster_address_stays() {
        let before = service(&json!([{"port": 80, "protocol": "TCP", "targetPort": 80}]));
        let mut after = before.clone();
        after["spec"]["clusterIP"] = "10.96.0.11".into();
        assert_eq!(
            messages(&check(&after, Some(&before))),
            ["spec.clusterIPs[0]: Invalid value: [\"10.96.0.11\"]: may not change once set"]
        );
    }

    #[test]
    fn slices_have_a_type_and_addresses_even_on_loopback() {
        let slice = json!({"addressType": "IPv4", "endpoints": [{"addresses": ["127.0.0.1"]}]});
        assert!(check_endpoint_slice(&slice, None).is_empty());
        let slice = json!({"endpoints": [{"addresses": []}]});
        assert_eq!(
            messages(&check_endpoint_slice(&slice, None)),
            ["addressType: Required value", "endpoints[0].addresses: Required value: must contain at least 1 address"]
        );
    }
}
