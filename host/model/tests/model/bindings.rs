//! Which of several providers serves a class, and what a translator holds.

use std::{collections::BTreeSet, sync::Arc};

use k8s_openapi::api::networking::v1::IngressClass;
use lb_model::{
    cluster::{Change, NamespacedName},
    translate::{ClassBindings, ClassSelection, Options, Translator},
    types::{BackendDetail, ChangeKind, Descriptor, Feature, Placement, Scope},
};
use serde_json::{Value, json};

use crate::cluster::MemoryCluster;

const CONTROLLER: &str = "lb-controller.io/ingress";

fn bindings() -> Arc<ClassBindings> {
    let classes = [("nginx", "lb"), ("rancher", "remote")];
    Arc::new(ClassBindings::new(classes.map(|(name, class)| (name.to_owned(), class.to_owned())).into()))
}

fn class(name: &str, parameters: &Value) -> Arc<IngressClass> {
    let class = json!({"metadata": {"name": name}, "spec": {"controller": CONTROLLER, "parameters": parameters}});
    Arc::new(serde_json::from_value(class).unwrap())
}

fn named(provider: &str) -> Value {
    json!({"apiGroup": "lb-controller.io", "kind": "Provider", "name": provider})
}

#[test]
fn a_class_is_bound_by_its_parameters_or_else_by_its_name() {
    for (class, expected) in [
        (class("lb", &Value::Null), "nginx"),
        (class("remote", &Value::Null), "rancher"),
        (class("lb", &named("rancher")), "rancher"),
        (class("other", &named("nginx")), "nginx"),
    ] {
        assert_eq!(bindings().provider_of(&class), Ok(expected), "{class:?}");
    }
}

#[test]
fn a_class_that_nobody_serves_is_told_which_field_is_at_fault() {
    let mut namespaced = named("nginx");
    namespaced["scope"] = json!("Namespace");
    namespaced["namespace"] = json!("shop");
    let wrong = [
        (Value::Null, "metadata.name", "nginx, rancher"),
        (named("ngixn"), "spec.parameters.name", "\"ngixn\"; there are nginx, rancher"),
        (
            json!({"apiGroup": "k8s.example.com", "kind": "Params", "name": "a"}),
            "spec.parameters",
            "Params.k8s.example.com",
        ),
        (json!({"kind": "Provider", "name": "nginx"}), "spec.parameters", "Provider is not understood"),
        (namespaced, "spec.parameters.scope", "Cluster"),
    ];
    for (parameters, field, words) in wrong {
        let problems = bindings().problems(CONTROLLER, &[class("other", &parameters)]);
        let [problem] = problems.as_slice() else { panic!("{parameters}: {problems:?}") };
        assert_eq!((problem.object.name.as_str(), problem.field.as_str()), ("other", field));
        assert!(problem.message.contains(words), "{}", problem.message);
    }
    let foreign = json!({"metadata": {"name": "other"}, "spec": {"controller": "example.com/else"}});
    assert!(bindings().problems(CONTROLLER, &[Arc::new(serde_json::from_value(foreign).unwrap())]).is_empty());
}

fn translator(provider: &str, watch_without_class: bool) -> Translator {
    let descriptor = Descriptor {
        name: provider.to_owned(),
        version: "1.0.0".to_owned(),
        scope: Scope::PerClass,
        placement: Placement::EveryReplica,
        change_sets: ChangeKind::Incremental,
        backend_detail: BackendDetail::Endpoints,
        features: vec![Feature::PathPrefix],
        annotation_prefixes: Vec::new(),
        observe_interval: 0,
        settings_schema: "{}".to_owned(),
        grants: Vec::new(),
    };
    let options = Options {
        controller_name: CONTROLLER.to_owned(),
        classes: ClassSelection::Bound { provider: provider.to_owned(), bindings: bindings() },
        watch_without_class,
        http_port: 80,
        https_port: 443,
        default_certificate: None,
        streams: Vec::new(),
    };
    Translator::new(options, Arc::new(descriptor))
}

fn key() -> NamespacedName {
    NamespacedName::new("shop", "a")
}

fn put(cluster: &mut MemoryCluster, class: Option<&str>) {
    let ingress = json!({
        "metadata": {"namespace": "shop", "name": "a", "uid": "1"},
        "spec": {"ingressClassName": class, "rules": [{"host": "a.test"}]},
    });
    cluster.ingresses.insert(key(), Arc::new(serde_json::from_value(ingress).unwrap()));
}

#[test]
fn an_ingress_that_moves_is_held_until_it_is_released() {
    let mut cluster = MemoryCluster::default();
    let (mut nginx, mut rancher) = (translator("nginx", false), translator("rancher", false));
    put(&mut cluster, Some("lb"));
    for translator in [&mut nginx, &mut rancher] {
        translator.update(&cluster, [Change::Everything]);
    }
    assert_eq!((nginx.load_balancer_of(&key()), rancher.load_balancer_of(&key())), (Some("lb"), None));

    put(&mut cluster, Some("remote"));
    let updated = nginx.update(&cluster, [Change::Ingress(key())]);
    assert_eq!((updated.held, updated.load_balancers), (BTreeSet::from([key()]), BTreeSet::new()));
    rancher.update(&cluster, [Change::Ingress(key())]);
    assert_eq!((nginx.load_balancer_of(&key()), rancher.load_balancer_of(&key())), (Some("lb"), Some("remote")));
    assert!(nginx.held().contains(&key()) && rancher.held().is_empty());

    let released = nginx.release(&key(), &cluster);
    assert_eq!(released.load_balancers, BTreeSet::from(["lb".to_owned()]));
    assert_eq!(nginx.load_balancer_of(&key()), None);
    assert!(nginx.update(&cluster, [Change::Everything]).held.is_empty(), "it is not taken back");

    // One that comes back is its own again; one that goes is held by nobody.
    nginx.hold([key()]);
    nginx.update(&cluster, [Change::Ingress(key())]);
    assert_eq!(nginx.load_balancer_of(&key()), Some("lb"));
    put(&mut cluster, Some("lb"));
    let updated = nginx.update(&cluster, [Change::Ingress(key())]);
    assert!(nginx.held().is_empty() && updated.ingresses.contains(&key()));
    put(&mut cluster, Some("remote"));
    nginx.update(&cluster, [Change::Ingress(key())]);
    cluster.ingresses.clear();
    nginx.update(&cluster, [Change::Ingress(key())]);
    assert!(nginx.held().is_empty() && nginx.load_balancer_of(&key()).is_none());
}

#[test]
fn an_ingress_without_a_class_goes_to_one_provider() {
    let mut cluster = MemoryCluster::default();
    let (mut nginx, mut rancher) = (translator("nginx", true), translator("rancher", false));
    let owners = |cluster: &MemoryCluster, nginx: &mut Translator, rancher: &mut Translator| {
        [nginx, rancher].map(|translator| {
            translator.update(cluster, [Change::Everything]);
            let own = translator.load_balancer_of(&key()).is_some() && !translator.held().contains(&key());
            // Nobody is left to hold it.
            translator.release(&key(), cluster);
            own
        })
    };
    put(&mut cluster, None);
    assert_eq!(owners(&cluster, &mut nginx, &mut rancher), [true, false]);
    for (name, provider, age) in
        [("old", "rancher", "2026-01-01T00:00:00Z"), ("young", "nginx", "2026-02-01T00:00:00Z")]
    {
        let mut default = IngressClass::clone(&class(name, &named(provider)));
        let annotation = ("ingressclass.kubernetes.io/is-default-class".to_owned(), "true".to_owned());
        default.metadata.annotations = Some([annotation].into());
        default.metadata.creation_timestamp = serde_json::from_value(json!(age)).unwrap();
        cluster.classes.insert(name.to_owned(), Arc::new(default));
        let rancher_has_it = name == "old";
        assert_eq!(owners(&cluster, &mut nginx, &mut rancher), [!rancher_has_it, rancher_has_it], "{name}");
    }
}
