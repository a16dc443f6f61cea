//! From annotations to labels of the containers, and which labels are ours.

use std::collections::{BTreeMap, BTreeSet};

use lb_provider::{Annotation, Rejection};
use serde_json::{Map, Value};

const RANCHER: &str = "io.rancher.";
const SCHEDULER: &str = "io.rancher.scheduler.";
/// One instance on every host, whatever the scale.
const GLOBAL: &str = "io.rancher.scheduler.global";
/// Rights and registration of the agent within the containers: Rancher gives them, no Ingress takes them.
const RESERVED: [&str; 4] = [
    "io.rancher.container.create_agent",
    "io.rancher.container.agent",
    "io.rancher.container.system",
    "io.rancher.service.requested",
];

/// Where the labels of an Ingress come from and what it may not set.
pub(crate) fn labels(annotations: &[Annotation], rejections: &mut Vec<Rejection>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for annotation in annotations.iter().filter(|annotation| annotation.key.starts_with(RANCHER)) {
        match label(&annotation.key) {
            Ok(label) => {
                labels.insert(label, annotation.value.clone());
            }
            Err(reason) => rejections.push(Rejection {
                object: annotation.source.clone(),
                field: format!("metadata.annotations[\"{}\"]", annotation.key),
                message: format!("{reason}; the annotation is left out"),
            }),
        }
    }
    labels
}

/// The label that an annotation asks for. Scheduler labels have a colon where an annotation, which may not, has a dot.
fn label(annotation: &str) -> Result<String, &'static str> {
    if RESERVED.iter().any(|reserved| annotation.starts_with(reserved)) {
        return Err("this label is set by Rancher itself");
    }
    match annotation.strip_prefix(SCHEDULER) {
        None if annotation == RANCHER => Err("there is no label without a name"),
        None => Ok(annotation.to_owned()),
        Some("") => Err("there is no label without a name"),
        Some(rest) => Ok(format!("{SCHEDULER}{}", rest.replacen('.', ":", 1))),
    }
}

/// Whether containers have to be placed anew for this label to have an effect.
pub(crate) fn places(label: &str) -> bool {
    label.starts_with(SCHEDULER)
}

/// Whether there is one instance on every host. Rancher lets nobody switch this on a service that exists.
pub(crate) fn is_global(labels: &BTreeMap<String, String>) -> bool {
    labels.get(GLOBAL).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

/// The labels of a stored launch configuration; what is no string is shown as JSON spells it.
pub(crate) fn stored(launch_config: &Map<String, Value>) -> BTreeMap<String, String> {
    let labels = launch_config.get("labels").and_then(Value::as_object);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    labels
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), text(value)))
        .collect()
}

/// Those of the stored labels that are ours: that we set or want, or that the original set.
pub(crate) fn ours(
    stored: &BTreeMap<String, String>,
    set: Option<&[String]>,
    wanted: &BTreeSet<&str>,
) -> BTreeMap<String, String> {
    let is_ours = |label: &str| match set {
        _ if wanted.contains(label) => true,
        Some(set) => set.iter().any(|ours| ours == label),
        None => places(label),
    };
    stored.iter().filter(|(label, _)| is_ours(label)).map(|(label, value)| (label.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use lb_provider::testing::records::object;

    use super::*;

    fn annotation(key: &str) -> Annotation {
        Annotation { key: key.to_owned(), value: "v".to_owned(), source: object("Ingress", "web") }
    }

    #[test]
    fn the_first_dot_of_a_scheduler_annotation_becomes_a_colon() {
        for (annotation, expected) in [
            ("io.rancher.scheduler.affinity.host_label", "io.rancher.scheduler.affinity:host_label"),
            ("io.rancher.scheduler.affinity.host_label_soft_ne", "io.rancher.scheduler.affinity:host_label_soft_ne"),
            ("io.rancher.scheduler.affinity.a.b", "io.rancher.scheduler.affinity:a.b"),
            ("io.rancher.scheduler.global", "io.rancher.scheduler.global"),
            ("io.rancher.container.hostname_override", "io.rancher.container.hostname_override"),
        ] {
            assert_eq!(label(annotation).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn no_ingress_takes_an_agents_rights() {
        let mut rejections = vec![];
        let annotations = [
            annotation("config"),
            annotation("io.rancher."),
            annotation("io.rancher.container.agent.role"),
            annotation("io.rancher.container.create_agent"),
            annotation("io.rancher.scheduler."),
            annotation("io.rancher.x"),
        ];
        let labels = labels(&annotations, &mut rejections);
        assert_eq!(labels.keys().collect::<Vec<_>>(), ["io.rancher.x"]);
        let fields: Vec<_> = rejections.iter().map(|rejection| &*rejection.field).collect();
        assert_eq!(fields.len(), 4);
        assert_eq!(fields[1], "metadata.annotations[\"io.rancher.container.agent.role\"]");
    }

    #[test]
    fn ours_are_those_that_we_set_or_want() {
        let stored: BTreeMap<_, _> = ["io.rancher.a", "io.rancher.b", "io.rancher.scheduler.c", "d"]
            .map(|label| (label.to_owned(), "v".to_owned()))
            .into();
        let keys = |set, wanted: &[&str]| {
            let wanted = wanted.iter().copied().collect();
            ours(&stored, set, &wanted).into_keys().collect::<Vec<_>>()
        };
        let set = ["io.rancher.a".to_owned()];
        assert_eq!(keys(Some(&set), &["d"]), ["d", "io.rancher.a"]);
        // The original left no mark: what places containers was its.
        assert_eq!(keys(None, &[]), ["io.rancher.scheduler.c"]);
    }

    #[test]
    fn labels_that_are_no_strings_are_read() {
        let launch_config = serde_json::json!({ "labels": { "a": true, "b": null, "c": 1, "d": "x" } });
        let read = super::stored(launch_config.as_object().unwrap());
        let expected = [("a", "true"), ("c", "1"), ("d", "x")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(read, expected.into());
        assert!(super::stored(&Map::new()).is_empty());
    }
}
