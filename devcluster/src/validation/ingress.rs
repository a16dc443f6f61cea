//! Ingress and IngressClass.

use std::net::IpAddr;

use serde_json::Value;

use super::name::{label, port_name, port_number, subdomain, wildcard};
use super::{immutable, name};
use crate::object::{items, text};
use crate::status::FieldError;

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const BAD_SEQUENCES: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
const BAD_SUFFIXES: [&str; 2] = ["/..", "/."];

pub(super) fn check(object: &Value, before: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = &object["spec"];
    let rules = items(spec, "/rules");
    if rules.is_empty() && spec.get("defaultBackend").is_none() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        errors.push(FieldError::invalid("spec", &Value::Null, detail));
    }
    if let Some(backend) = spec.get("defaultBackend") {
        check_backend(&mut errors, "spec.defaultBackend", backend);
    }
    for (index, rule) in rules.iter().enumerate() {
        check_rule(&mut errors, &format!("spec.rules[{index}]"), rule);
    }
    for (index, tls) in items(spec, "/tls").iter().enumerate() {
        let at = format!("spec.tls[{index}]");
        for (index, host) in items(tls, "/hosts").iter().enumerate() {
            check_host(&mut errors, &format!("{at}.hosts[{index}]"), host);
        }
        let secret = text(tls, "/secretName");
        if !secret.is_empty() {
            all_invalid(&mut errors, &format!("{at}.secretName"), &tls["secretName"], subdomain(secret));
        }
    }
    if let Some(class) = spec.get("ingressClassName") {
        let problems = subdomain(class.as_str().unwrap_or_default());
        all_invalid(&mut errors, "spec.ingressClassName", class, problems);
        let annotation = &object["metadata"]["annotations"][CLASS_ANNOTATION];
        if before.is_none() && annotation.is_string() && annotation != class {
            let field = format!("annotations.{CLASS_ANNOTATION}");
            let detail = "must match `ingressClassName` when both are specified";
            errors.push(FieldError::invalid(field, annotation, detail));
        }
    }
    errors
}

fn all_invalid(errors: &mut Vec<FieldError>, field: &str, value: &Value, problems: impl IntoIterator<Item = String>) {
    errors.extend(problems.into_iter().map(|problem| FieldError::invalid(field, value, &problem)));
}

fn check_host(errors: &mut Vec<FieldError>, field: &str, value: &Value) {
    let host = value.as_str().unwrap_or_default();
    let problems = if host.contains('*') { wildcard(host) } else { subdomain(host) };
    all_invalid(errors, field, value, problems);
}

fn check_rule(errors: &mut Vec<FieldError>, at: &str, rule: &Value) {
    let host = text(rule, "/host");
    if !host.is_empty() {
        if host.parse::<IpAddr>().is_ok() {
            let detail = "must be a DNS name, not an IP address";
            errors.push(FieldError::invalid(format!("{at}.host"), &rule["host"], detail));
        }
        check_host(errors, &format!("{at}.host"), &rule["host"]);
    }
    let Some(http) = rule.get("http") else { return };
    let paths = items(http, "/paths");
    if paths.is_empty() {
        errors.push(FieldError::required(format!("{at}.http.paths"), ""));
    }
    for (index, path) in paths.iter().enumerate() {
        check_path(errors, &format!("{at}.http.paths[{index}]"), path);
    }
}

fn check_path(errors: &mut Vec<FieldError>, at: &str, path: &Value) {
    let Some(path_type) = path.get("pathType").and_then(Value::as_str) else {
        errors.push(FieldError::required(format!("{at}.pathType"), "pathType must be specified"));
        return;
    };
    let value = text(path, "/path");
    let field = format!("{at}.path");
    let mut wrong = |detail: &str| errors.push(FieldError::invalid(&field, &value.into(), detail));
    match path_type {
        "Exact" | "Prefix" => {
            if !value.starts_with('/') {
                wrong("must be an absolute path");
            }
            for sequence in BAD_SEQUENCES.iter().filter(|sequence| value.contains(**sequence)) {
                wrong(&format!("must not contain '{sequence}'"));
            }
            for suffix in BAD_SUFFIXES.iter().filter(|suffix| value.ends_with(**suffix)) {
                wrong(&format!("cannot end with '{suffix}'"));
            }
        }
        "ImplementationSpecific" => {
            if !value.is_empty() && !value.starts_with('/') {
                wrong("must be an absolute path");
            }
        }
        _ => {
            let supported = ["Exact", "ImplementationSpecific", "Prefix"];
            errors.push(FieldError::unsupported(format!("{at}.pathType"), &path["pathType"], &supported));
        }
    }
    check_backend(errors, &format!("{at}.backend"), &path["backend"]);
}

fn check_backend(errors: &mut Vec<FieldError>, at: &str, backend: &Value) {
    let nothing = Value::String(String::new());
    match (backend.get("resource"), backend.get("service")) {
        (Some(_), Some(_)) => {
            errors.push(FieldError::invalid(at, &nothing, "cannot set both resource and service backends"));
        }
        (Some(resource), None) => check_reference(errors, &format!("{at}.resource"), resource),
        (None, Some(service)) => check_service(errors, at, service),
        (None, None) => errors.push(FieldError::invalid(at, &nothing, "resource or service backend is required")),
    }
}

fn check_service(errors: &mut Vec<FieldError>, at: &str, service: &Value) {
    let service_name = text(service, "/name");
    if service_name.is_empty() {
        errors.push(FieldError::required(format!("{at}.service.name"), ""));
    } else {
        all_invalid(errors, &format!("{at}.service.name"), &service["name"], name::strict_label(service_name));
    }
    let port = text(service, "/port/name");
    let number = service.pointer("/port/number").and_then(Value::as_i64).unwrap_or_default();
    match (port.is_empty(), number) {
        (true, 0) => errors.push(FieldError::required(at, "port name or number is required")),
        (true, number) => {
            all_invalid(errors, &format!("{at}.service.port.number"), &number.into(), port_number(number));
        }
        (false, 0) => all_invalid(errors, &format!("{at}.service.port.name"), &port.into(), port_name(port)),
        (false, _) => errors.push(FieldError::invalid(at, &"".into(), "cannot set both port name & port number")),
    }
}

fn check_reference(errors: &mut Vec<FieldError>, at: &str, reference: &Value) {
    if let Some(group) = reference.get("apiGroup") {
        all_invalid(errors, &format!("{at}.apiGroup"), group, subdomain(group.as_str().unwrap_or_default()));
    }
    for field in ["kind", "name"] {
        let field_path = format!("{at}.{field}");
        match text(reference, &format!("/{field}")) {
            "" => errors.push(FieldError::required(field_path, "")),
            value @ ("." | "..") => {
                let problem = format!("may not be '{value}'");
                all_invalid(errors, &field_path, &value.into(), [problem]);
            }
            value => {
                let problems = ['/', '%'].iter().filter(|character| value.contains(**character));
                let problems = problems.map(|character| format!("may not contain '{character}'"));
                all_invalid(errors, &field_path, &value.into(), problems);
            }
        }
    }
}

/// `status.loadBalancer`.
pub(super) fn check_status(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (index, ingress) in items(object, "/status/loadBalancer/ingress").iter().enumerate() {
        let at = format!("status.loadBalancer.ingress[{index}]");
        let (ip, hostname) = (text(ingress, "/ip"), text(ingress, "/hostname"));
        if !ip.is_empty() && ip.parse::<IpAddr>().is_err() {
            let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            errors.push(FieldError::invalid(format!("{at}.ip"), &ingress["ip"], detail));
        }
        if !hostname.is_empty() {
            all_invalid(&mut errors, &format!("{at}.hostname"), &ingress["hostname"], subdomain(hostname));
            if hostname.parse::<IpAddr>().is_ok() {
                let detail = "must be a DNS name, not an IP address";
                errors.push(FieldError::invalid(format!("{at}.hostname"), &ingress["hostname"], detail));
            }
        }
    }
    errors
}

pub(super) fn check_class(object: &Value, before: Option<&Value>) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> = immutable("spec.controller", object, before).into_iter().collect();
    let controller = text(object, "/spec/controller");
    let field = "spec.controller";
    if controller.is_empty() {
        errors.push(FieldError::required(field, ""));
    } else {
        if controller.len() > 250 {
            errors.push(FieldError::too_long(field, 250));
        }
        match controller.split_once('/') {
            Some((domain, path)) if !domain.is_empty() && !path.is_empty() => {
                let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
                all_invalid(&mut errors, field, &controller.into(), subdomain(domain));
                if !path.bytes().all(is_path) {
                    errors.push(FieldError::invalid(field, &path.into(), "Invalid path"));
                }
            }
            _ => {
                let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
                errors.push(FieldError::invalid(field, &controller.into(), detail));
            }
        }
    }
    if let Some(parameters) = object.pointer("/spec/parameters") {
        check_reference(&mut errors, "spec.parameters", parameters);
        let (scope, namespace) = (text(parameters, "/scope"), text(parameters, "/namespace"));
        match scope {
            "" | "Cluster" if !namespace.is_empty() => {
                let detail = "`parameters.scope` is set to 'Cluster'";
                errors.push(FieldError::forbidden("spec.parameters.namespace", detail));
            }
            "Namespace" if namespace.is_empty() => {
                let detail = "`parameters.scope` is set to 'Namespace'";
                errors.push(FieldError::required("spec.parameters.namespace", detail));
            }
            "" | "Cluster" => {}
            "Namespace" => all_invalid(&mut errors, "spec.parameters.namespace", &namespace.into(), label(namespace)),
            _ => {
                let supported = ["Cluster", "Namespace"];
                errors.push(FieldError::unsupported("spec.parameters.scope", &scope.into(), &supported));
            }
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

    fn with_path(path: &Value) -> Value {
        json!({"metadata": {"name": "web"}, "spec": {"rules": [{"http": {"paths": [path]}}]}})
    }

    #[test]
    fn an_ordinary_ingress_passes() {
        let ingress = json!({
            "metadata": {"name": "web"},
            "spec": {
                "ingressClassName": "lb", "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}},
                "tls": [{"hosts": ["a.example", "*.b.example"], "secretName": "tls"}, {}],
                "rules": [{"host": "*.b.example", "http": {"paths": [
                    {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"name": "http"}}}},
                    {"pathType": "ImplementationSpecific", "backend": {"resource": {"kind": "Bucket", "name": "b"}}}
                ]}}, {"host": "a.example"}]
            }
        });
        assert_eq!(messages(&check(&ingress, None)), [""; 0]);
    }

    #[test]
    fn rules_or_a_default_backend_are_needed() {
        let found = messages(&check(&json!({"metadata": {}, "spec": {}}), None));
        assert_eq!(found, ["spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"]);
    }

    #[test]
    fn paths_are_checked_by_their_type() {
        let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
        let check_one = |path: Value| messages(&check(&with_path(&path), None));
        let at = "spec.rules[0].http.paths[0]";
        assert_eq!(
            check_one(json!({"path": "foo", "pathType": "Prefix", "backend": backend})),
            [format!("{at}.path: Invalid value: \"foo\": must be an absolute path")]
        );
        assert_eq!(
            check_one(json!({"path": "/a//b/..", "pathType": "Exact", "backend": backend})),
            [
                format!("{at}.path: Invalid value: \"/a//b/..\": must not contain '//'"),
                format!("{at}.path: Invalid value: \"/a//b/..\": cannot end with '/..'"),
            ]
        );
        assert_eq!(
            check_one(json!({"path": "/", "backend": backend})),
            [format!("{at}.pathType: Required value: pathType must be specified")]
        );
        assert_eq!(
            check_one(json!({"path": "/", "pathType": "Regex", "backend": backend})),
            [format!(
                "{at}.pathType: Unsupported value: \"Regex\": supported values: \"Exact\", \
                 \"ImplementationSpecific\", \"Prefix\""
            )]
        );
        assert!(check_one(json!({"path": "/a b\n{}", "pathType": "Prefix", "backend": backend})).is_empty());
    }

    #[test]
    fn backends_need_one_target_and_one_port() {
        let check_one =
            |backend: Value| messages(&check(&json!({"metadata": {}, "spec": {"defaultBackend": backend}}), None));
        let at = "spec.defaultBackend";
        assert_eq!(
            check_one(json!({})),
            [format!("{at}: Invalid value: \"\": resource or service backend is required")]
        );
        assert_eq!(
            check_one(json!({"service": {"name": "web", "port": {}}})),
            [format!("{at}: Required value: port name or number is required")]
        );
        assert_eq!(
            check_one(json!({"service": {"name": "web", "port": {"name": "a", "number": 1}}})),
            [format!("{at}: Invalid value: \"\": cannot set both port name & port number")]
        );
        assert_eq!(
            check_one(json!({"service": {"name": "web", "port": {"number": 70_000}}})),
            [format!("{at}.service.port.number: Invalid value: 70000: must be between 1 and 65535, inclusive")]
        );
        assert_eq!(
            check_one(
                json!({"service": {"name": "web", "port": {"number": 1}}, "resource": {"kind": "a", "name": "b"}})
            ),
            [format!("{at}: Invalid value: \"\": cannot set both resource and service backends")]
        );
    }

    #[test]
    fn hosts_are_dns_names() {
        let check_one =
            |host: &str| messages(&check(&json!({"metadata": {}, "spec": {"rules": [{"host": host}]}}), None));
        assert!(
            check_one("Foo.example")[0].starts_with(r#"spec.rules[0].host: Invalid value: "Foo.example": a lowercase"#)
        );
        assert_eq!(
            check_one("10.0.0.1"),
            [r#"spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address"#]
        );
        assert!(check_one("a.*.example")[0].contains("a wildcard DNS-1123 subdomain must start with '*.'"));
        assert!(check_one("*.example").is_empty() && check_one("").is_empty());
    }

    #[test]
    fn class_and_annotation_agree_on_creation_only() {
        let object = json!({"metadata": {"annotations": {CLASS_ANNOTATION: "a"}},
            "spec": {"ingressClassName": "b", "defaultBackend": {"resource": {"kind": "a", "name": "b"}}}});
        assert_eq!(
            messages(&check(&object, None)),
            ["annotations.kubernetes.io/ingress.class: Invalid value: \"a\": must match `ingressClassName` when both \
              are specified"]
        );
        assert!(check(&object, Some(&object)).is_empty());
    }

    #[test]
    fn a_class_has_a_controller_that_stays() {
        let class = |controller: &str| json!({"metadata": {"name": "lb"}, "spec": {"controller": controller}});
        assert!(check_class(&class("lb-controller.io/ingress"), None).is_empty());
        assert_eq!(messages(&check_class(&json!({"spec": {}}), None)), ["spec.controller: Required value"]);
        assert!(messages(&check_class(&class("none"), None))[0].contains("must be a domain-prefixed path"));
        assert_eq!(
            messages(&check_class(&class("a.io/b"), Some(&class("a.io/a")))),
            [r#"spec.controller: Invalid value: "a.io/b": field is immutable"#]
        );
    }

    #[test]
    fn status_addresses_are_addresses() {
        let status = |ingress: Value| json!({"status": {"loadBalancer": {"ingress": [ingress]}}});
        assert!(check_status(&status(json!({"ip": "192.0.2.1"}))).is_empty());
        assert!(messages(&check_status(&status(json!({"ip": "x"}))))[0].contains("must be a valid IP address"));
        assert!(messages(&check_status(&status(json!({"hostname": "192.0.2.1"}))))[0].contains("not an IP address"));
    }
}
