use lb_model::types::ObjectRef;

use super::*;

fn finding(name: &str, field: &str, message: &str) -> Finding {
    Finding {
        object: ObjectRef {
            kind: "Ingress".to_owned(),
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            uid: "u".to_owned(),
        },
        reason: reason::REJECTED,
        action: action::TRANSLATE,
        field: field.to_owned(),
        message: message.to_owned(),
        breach: None,
    }
}

fn origin() -> Origin {
    Origin::Ingress(NamespacedName::new("shop", "a"))
}

#[test]
fn a_breach_is_no_news_because_it_happened_elsewhere() {
    let mut told = Told::default();
    let breach = |kind, message| Finding { breach: Some(kind), ..finding("a", "", message) };
    let mut news = |finding: Finding| told.news(origin(), &[finding]).len();
    assert_eq!(news(breach(Breach::ComputeDeadline, "in a < b")), 1);
    assert_eq!(news(breach(Breach::ComputeDeadline, "in b")), 0);
    assert_eq!(news(breach(Breach::Memory, "in b")), 1);
}

#[test]
fn only_news_is_told() {
    let mut told = Told::default();
    let messages = |told: &mut Told, findings: &[Finding]| -> Vec<String> {
        told.news(origin(), findings).into_iter().map(|finding| finding.message.clone()).collect()
    };
    let (one, two) = (finding("a", "spec", "one"), finding("a", "spec", "two"));
    assert_eq!(messages(&mut told, std::slice::from_ref(&one)), ["one"]);
    assert!(messages(&mut told, std::slice::from_ref(&one)).is_empty(), "told once");
    assert_eq!(messages(&mut told, &[one.clone(), two.clone()]), ["two"]);
    assert!(messages(&mut told, &[two.clone(), one.clone()]).is_empty(), "in whatever order");
    assert!(messages(&mut told, std::slice::from_ref(&two)).is_empty());
    assert_eq!(messages(&mut told, &[one.clone(), one.clone()]), ["one"], "again after it was over; not twice");
    assert!(messages(&mut told, &[]).is_empty());
    assert_eq!(messages(&mut told, &[one]), ["one"]);
}

#[test]
fn a_new_object_of_the_same_name_is_told_anew() {
    let mut told = Told::default();
    let mut finding = finding("a", "spec", "one");
    assert_eq!(told.news(origin(), std::slice::from_ref(&finding)).len(), 1);
    finding.object.uid = "v".to_owned();
    assert_eq!(told.news(origin(), std::slice::from_ref(&finding)).len(), 1);
}

#[test]
fn the_field_stands_in_front() {
    assert_eq!(finding("a", "spec.tls[0].secretName", "missing").note(), "spec.tls[0].secretName: missing");
    assert_eq!(finding("a", "", "missing").note(), "missing");
}

#[test]
fn a_note_is_cut_between_characters() {
    let note = finding("a", "spec", &"ä".repeat(2000)).note();
    assert!(note.len() <= NOTE_LIMIT && note.len() > NOTE_LIMIT - 8, "{}", note.len());
    assert!(note.ends_with("ä…"));
}

#[test]
fn an_event_is_what_the_api_takes() {
    let event =
        event(&finding(&format!("{}-x", "a".repeat(219)), "spec", "wrong"), "lb-controller.io/ingress", "pod-0");
    let name = event.metadata.name.unwrap();
    assert!(name.len() <= 253 && !name.contains("-."), "{name}");
    assert_eq!(event.metadata.namespace.as_deref(), Some("shop"));
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    assert_eq!(event.reason.as_deref(), Some("Rejected"));
    assert_eq!(event.action.as_deref(), Some("Translate"));
    assert_eq!(event.regarding.unwrap().api_version.as_deref(), Some("networking.k8s.io/v1"));
}

#[test]
fn an_event_about_a_class_lives_in_the_default_namespace() {
    let mut finding = finding("lb", "", "wrong");
    finding.object.kind = "IngressClass".to_owned();
    finding.object.namespace.clear();
    let event = event(&finding, "c", "i");
    assert_eq!(event.metadata.namespace.as_deref(), Some("default"));
    assert_eq!(event.regarding.unwrap().namespace, None);
}

#[test]
fn a_full_queue_drops_and_counts() {
    let mut registry = prometheus_client::registry::Registry::default();
    let (events, _deliveries) = Events::new(Metrics::register(&mut registry));
    for _ in 0..QUEUE + 3 {
        events.publish(finding("a", "", "wrong"));
    }
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    assert!(text.contains("lb_events_dropped_total 3"), "{text}");
}
