//! The checks of a real API server that people run into: names, labels, Ingresses, Services, TLS Secrets, and what may
//! not change. In its words, and never stricter than it is.

mod ingress;
mod metadata;
mod name;
mod service;

use serde_json::Value;

use crate::kind::Kind;
use crate::object::text;
use crate::status::FieldError;

/// Everything that is wrong with `object`; `before` is the version that it replaces.
pub(crate) fn check(kind: &Kind, object: &Value, before: Option<&Value>) -> Vec<FieldError> {
    let mut errors = metadata::check(kind, object, before);
    match kind.kind {
        "Ingress" => errors.extend(ingress::check(object, before)),
        "IngressClass" => errors.extend(ingress::check_class(object, before)),
        "Service" => errors.extend(service::check(object, before)),
        "EndpointSlice" => errors.extend(service::check_endpoint_slice(object, before)),
        "Secret" => errors.extend(check_secret(object, before)),
        "ConfigMap" => errors.extend(check_immutable(object, before, &["data", "binaryData"])),
        _ => {}
    }
    errors
}

/// Everything that is wrong with the status of `object`.
pub(crate) fn check_status(kind: &Kind, object: &Value, before: &Value) -> Vec<FieldError> {
    let mut errors = metadata::check(kind, object, Some(before));
    if kind.kind == "Ingress" {
        errors.extend(ingress::check_status(object));
    }
    errors
}

fn immutable(field: &str, object: &Value, before: Option<&Value>) -> Option<FieldError> {
    let pointer = format!("/{}", field.replace('.', "/"));
    let (new, old) = (object.pointer(&pointer), before?.pointer(&pointer));
    (new != old).then(|| FieldError::invalid(field, new.unwrap_or(&Value::Null), "field is immutable"))
}

fn check_secret(object: &Value, before: Option<&Value>) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> = immutable("type", object, before).into_iter().collect();
    let required: &[&str] = match text(object, "/type") {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for key in required {
        if object["data"].get(key).is_none() {
            errors.push(FieldError::required(format!("data[{key}]"), ""));
        }
    }
    errors.extend(check_immutable(object, before, &["data"]));
    errors
}

/// What a Secret or ConfigMap that is marked immutable may not change.
fn check_immutable(object: &Value, before: Option<&Value>, fields: &[&str]) -> Vec<FieldError> {
    let Some(before) = before.filter(|before| before["immutable"] == true) else { return Vec::new() };
    let mut errors = Vec::new();
    if object["immutable"] != true {
        errors.push(FieldError::forbidden("immutable", "field is immutable when `immutable` is set"));
    }
    for field in fields {
        if object.get(field) != before.get(field) {
            errors.push(FieldError::forbidden(*field, "field is immutable when `immutable` is set"));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind;

    fn messages(plural: &str, object: &Value, before: Option<&Value>) -> Vec<String> {
        let kind = kind::find("", "v1", plural).unwrap();
        check(kind, object, before).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_tls_secret_needs_both_its_keys() {
        let secret = json!({"metadata": {"name": "s"}, "type": "kubernetes.io/tls", "data": {"tls.crt": ""}});
        assert_eq!(messages("secrets", &secret, None), ["data[tls.key]: Required value"]);
        let mut changed = secret.clone();
        changed["type"] = "Opaque".into();
        assert_eq!(
            messages("secrets", &changed, Some(&secret)),
            [r#"type: Invalid value: "Opaque": field is immutable"#]
        );
    }

    #[test]
    fn what_is_marked_immutable_stays() {
        let before = json!({"metadata": {"name": "c"}, "immutable": true, "data": {"a": "1"}});
        let after = json!({"metadata": {"name": "c"}, "data": {"a": "2"}});
        assert_eq!(
            messages("configmaps", &after, Some(&before)),
            [
                "immutable: Forbidden: field is immutable when `immutable` is set",
                "data: Forbidden: field is immutable when `immutable` is set"
            ]
        );
    }
}
