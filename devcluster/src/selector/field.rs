//! `metadata.name=a,type!=b`, for the few fields that a real server has indexed.

use serde_json::Value;

use crate::kind::Kind;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    /// JSON pointer into the object as it is stored.
    pointer: String,
    equal: bool,
    value: String,
}

/// All of the requirements hold; none matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector {
    requirements: Vec<Requirement>,
}

impl FieldSelector {
    pub(crate) fn parse(kind: &Kind, text: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        for term in split_unescaped(text) {
            if term.is_empty() {
                continue;
            }
            let (field, equal, value) = [("!=", false), ("==", true), ("=", true)]
                .iter()
                .find_map(|(token, equal)| term.split_once(token).map(|(field, value)| (field, *equal, value)))
                .ok_or_else(|| format!("invalid selector: '{text}'; can't understand '{term}'"))?;
            let pointer = pointer(kind, field).ok_or_else(|| unsupported(kind, field))?;
            requirements.push(Requirement { pointer, equal, value: unescape(value) });
        }
        Ok(Self { requirements })
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.requirements.iter().all(|requirement| {
            let equal = match object.pointer(&requirement.pointer) {
                Some(Value::String(text)) => *text == requirement.value,
                Some(Value::Bool(flag)) => flag.to_string() == requirement.value,
                _ => requirement.value.is_empty() || requirement.value == "false",
            };
            equal == requirement.equal
        })
    }
}

fn unsupported(kind: &Kind, field: &str) -> String {
    // Core kinds list their fields in a conversion function; all others have the default one.
    if kind.group.is_empty() {
        format!("field label not supported: {field}")
    } else {
        format!(r#""{field}" is not a known field selector: only "metadata.name", "metadata.namespace""#)
    }
}

/// Where the field is in a stored object, if the kind may be selected by it.
fn pointer(kind: &Kind, field: &str) -> Option<String> {
    let fields: &[&str] = match kind.kind {
        "Secret" => &["type"],
        "Namespace" => &["status.phase"],
        "Node" => &["spec.unschedulable"],
        "Service" => &["spec.clusterIP", "spec.type"],
        "Pod" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "Event" => return event_pointer(kind, field),
        _ => &[],
    };
    (is_metadata(field) || fields.contains(&field)).then(|| format!("/{}", field.replace('.', "/")))
}

fn is_metadata(field: &str) -> bool {
    matches!(field, "metadata.name" | "metadata.namespace")
}

/// Events are stored as the core group has them, whichever group asks.
fn event_pointer(kind: &Kind, field: &str) -> Option<String> {
    let object = if kind.is_event_view() { "regarding." } else { "involvedObject." };
    let controller = if kind.is_event_view() { "reportingController" } else { "reportingComponent" };
    if let Some(inner) = field.strip_prefix(object) {
        let known = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];
        return known.contains(&inner).then(|| format!("/involvedObject/{inner}"));
    }
    if field == controller {
        return Some("/reportingComponent".to_owned());
    }
    match field {
        "source" => Some("/source/component".to_owned()),
        "reason" | "type" => Some(format!("/{field}")),
        _ => is_metadata(field).then(|| format!("/{}", field.replace('.', "/"))),
    }
}

/// Splits at commas that no backslash escapes.
fn split_unescaped(text: &str) -> Vec<String> {
    let mut terms = vec![String::new()];
    let mut escaped = false;
    for character in text.chars() {
        let term = terms.last_mut().expect("starts with one");
        match character {
            ',' if !escaped => terms.push(String::new()),
            _ => term.push(character),
        }
        escaped = character == '\\' && !escaped;
    }
    terms
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kind;

    fn matches(kind: &Kind, selector: &str, object: &Value) -> bool {
        FieldSelector::parse(kind, selector).unwrap().matches(object)
    }

    #[test]
    fn fields_of_a_secret() {
        let secret = kind::find("", "v1", "secrets").unwrap();
        let object = json!({"metadata": {"name": "a,b", "namespace": "default"}, "type": "kubernetes.io/tls"});
        assert!(matches(secret, r"metadata.name=a\,b,type=kubernetes.io/tls", &object));
        assert!(matches(secret, "type!=Opaque,metadata.namespace==default", &object));
        assert!(!matches(secret, "metadata.name=other", &object));
        let error = FieldSelector::parse(secret, "data.x=1").unwrap_err();
        assert_eq!(error, "field label not supported: data.x");
        assert!(FieldSelector::parse(secret, "type").unwrap_err().contains("can't understand 'type'"));
    }

    #[test]
    fn both_event_groups_select_by_the_object() {
        let object = json!({"metadata": {}, "involvedObject": {"name": "web", "kind": "Ingress"}, "reason": "Sync"});
        let core = kind::find("", "v1", "events").unwrap();
        let view = kind::find("events.k8s.io", "v1", "events").unwrap();
        assert!(matches(core, "involvedObject.name=web,involvedObject.uid=,reason=Sync", &object));
        assert!(matches(view, "regarding.name=web", &object));
        assert!(FieldSelector::parse(view, "involvedObject.name=web").is_err());
    }

    #[test]
    fn other_kinds_know_only_their_name() {
        let ingress = kind::find("networking.k8s.io", "v1", "ingresses").unwrap();
        let error = FieldSelector::parse(ingress, "spec.ingressClassName=lb").unwrap_err();
        assert!(error.starts_with(r#""spec.ingressClassName" is not a known field selector"#), "{error}");
    }
}
