use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use lb_model::provider::KeySource;
use serde_json::{Value, json};

use super::{object::Watched, *};

fn source(resource: Resource) -> Arc<Source> {
    Arc::new(Source { resource, namespace: "".into() })
}

fn name(name: &str) -> NamespacedName {
    NamespacedName::new("shop", name)
}

/// A trimmed object of namespace `shop`.
fn object<K: Watched + serde::de::DeserializeOwned>(value: Value) -> (NamespacedName, Object) {
    let object: K = serde_json::from_value(value).unwrap();
    (object.key(), object.trim())
}

fn ingress(name: &str, host: &str, address: Option<&str>, version: &str) -> (NamespacedName, Object) {
    let addresses: Vec<_> = address.iter().map(|ip| json!({ "ip": ip })).collect();
    object::<Ingress>(json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": name, "resourceVersion": version,
            "managedFields": [{ "manager": "kubectl" }],
            "labels": { "app": "shop" },
            "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}", "scale": "2" },
        },
        "spec": { "rules": [{ "host": host }] },
        "status": { "loadBalancer": { "ingress": addresses } },
    }))
}

fn slice(name: &str, service: &str, address: &str) -> (NamespacedName, Object) {
    object::<EndpointSlice>(json!({
        "metadata": {
            "name": name, "namespace": "shop", "labels": { "kubernetes.io/service-name": service },
            "annotations": { "endpoints.kubernetes.io/last-change-trigger-time": address },
        },
        "addressType": "IPv4",
        "endpoints": [{
            "addresses": [address], "nodeName": "node", "zone": "a", "conditions": { "ready": true },
            "targetRef": { "kind": "Pod", "name": format!("pod-{address}") },
        }],
        "ports": [{ "name": "http", "port": 80 }],
    }))
}

struct Fixture {
    stores: Stores,
    keys: Arc<Keys>,
}

impl Fixture {
    fn new(resources: &[Resource]) -> Self {
        let keys = Keys::new();
        let sources = resources.iter().map(|resource| Source { resource: *resource, namespace: "".into() });
        Self { stores: Stores::new(sources, keys.clone()), keys }
    }

    fn absorb(&mut self, source: &Arc<Source>, event: Event) -> Effects {
        let mut effects = Effects::default();
        self.stores.absorb(Notice { source: source.clone(), seen: Instant::now(), event }, &mut effects);
        effects
    }

    fn apply(&mut self, resource: Resource, (key, object): (NamespacedName, Object)) -> Effects {
        self.absorb(&source(resource), Event::Applied(key, object))
    }

    /// A whole list.
    fn list(&mut self, resource: Resource, objects: Vec<(NamespacedName, Object)>) -> Effects {
        let mut all = Effects::default();
        let events = objects.into_iter().map(|(key, object)| Event::Listed(key, object));
        for event in std::iter::once(Event::Begin).chain(events).chain([Event::Complete]) {
            let effects = self.absorb(&source(resource), event);
            all.changes.extend(effects.changes);
            all.ingresses.extend(effects.ingresses);
        }
        all
    }
}

#[test]
fn stores_are_complete_when_all_sources_have_listed() {
    let mut fixture = Fixture::new(&[Resource::Ingresses, Resource::Services]);
    assert!(!fixture.stores.complete());
    fixture.list(Resource::Ingresses, vec![]);
    assert!(!fixture.stores.complete());
    fixture.absorb(&source(Resource::Services), Event::Begin);
    assert!(!fixture.stores.complete());
    fixture.absorb(&source(Resource::Services), Event::Complete);
    assert!(fixture.stores.complete());
    fixture.absorb(&source(Resource::Services), Event::Begin);
    assert!(fixture.stores.complete(), "a later list does not make them incomplete");
}

#[test]
fn an_unchanged_list_has_no_effect() {
    let mut fixture = Fixture::new(&[Resource::Ingresses]);
    let list = || vec![ingress("a", "a.example", None, "1"), ingress("b", "b.example", None, "2")];
    assert_eq!(fixture.list(Resource::Ingresses, list()).changes.len(), 2);
    let effects = fixture.list(Resource::Ingresses, list());
    assert!(effects.changes.is_empty() && effects.ingresses.is_empty(), "{effects:?}");
}

#[test]
fn what_vanished_during_a_break_is_a_change_once_the_list_is_complete() {
    let mut fixture = Fixture::new(&[Resource::Ingresses]);
    fixture.list(
        Resource::Ingresses,
        vec![
            ingress("a", "a.example", None, "1"),
            ingress("b", "b.example", None, "2"),
            ingress("c", "c.example", None, "3"),
        ],
    );
    let effects = fixture.list(
        Resource::Ingresses,
        vec![
            ingress("b", "other.example", None, "4"),
            ingress("c", "c.example", None, "3"),
            ingress("d", "d.example", None, "5"),
        ],
    );
    assert_eq!(effects.changes, ["a", "b", "d"].map(|it| Change::Ingress(name(it))).into());
    assert!(fixture.stores.ingress(&name("a")).is_none());
    assert_eq!(fixture.stores.ingress_count(), 3);
}

#[test]
fn a_list_that_breaks_off_removes_nothing() {
    let mut fixture = Fixture::new(&[Resource::Ingresses]);
    fixture.list(Resource::Ingresses, vec![ingress("a", "a.example", None, "1"), ingress("b", "b.example", None, "2")]);
    let ingresses = source(Resource::Ingresses);
    fixture.absorb(&ingresses, Event::Begin);
    let (key, object) = ingress("a", "a.example", None, "1");
    fixture.absorb(&ingresses, Event::Listed(key, object));
    let effects = fixture
        .list(Resource::Ingresses, vec![ingress("a", "a.example", None, "1"), ingress("b", "b.example", None, "2")]);
    assert!(effects.changes.is_empty());
    assert_eq!(fixture.stores.ingress_count(), 2);
}

#[test]
fn a_list_of_one_namespace_leaves_the_others_alone() {
    let mut fixture = Fixture::new(&[Resource::Ingresses]);
    fixture.list(Resource::Ingresses, vec![ingress("a", "a.example", None, "1")]);
    let other = Arc::new(Source { resource: Resource::Ingresses, namespace: "office".into() });
    fixture.absorb(&other, Event::Begin);
    let effects = fixture.absorb(&other, Event::Complete);
    assert!(effects.changes.is_empty());
    assert_eq!(fixture.stores.ingress_count(), 1);
}

#[test]
fn a_status_is_no_change_for_translation() {
    let mut fixture = Fixture::new(&[]);
    fixture.apply(Resource::Ingresses, ingress("a", "a.example", None, "1"));
    let effects = fixture.apply(Resource::Ingresses, ingress("a", "a.example", Some("192.0.2.1"), "2"));
    assert!(effects.changes.is_empty());
    assert_eq!(effects.ingresses, [name("a")].into());
    let record = fixture.stores.ingress_record(&name("a")).unwrap();
    assert_eq!(&*record.resource_version, "2");
    assert_eq!(record.addresses.len(), 1);
}

#[test]
fn only_the_resource_version_changing_has_no_effect_but_is_kept() {
    let mut fixture = Fixture::new(&[]);
    fixture.apply(Resource::Ingresses, ingress("a", "a.example", None, "1"));
    let effects = fixture.apply(Resource::Ingresses, ingress("a", "a.example", None, "7"));
    assert!(effects.changes.is_empty() && effects.ingresses.is_empty());
    assert_eq!(&*fixture.stores.ingress_record(&name("a")).unwrap().resource_version, "7");
}

#[test]
fn an_ingress_is_kept_without_what_nobody_reads() {
    let mut fixture = Fixture::new(&[]);
    fixture.apply(Resource::Ingresses, ingress("a", "a.example", Some("192.0.2.1"), "1"));
    let ingress = fixture.stores.ingress(&name("a")).unwrap();
    assert!(ingress.metadata.managed_fields.is_none() && ingress.status.is_none());
    assert_eq!(ingress.metadata.annotations.as_ref().unwrap().keys().collect::<Vec<_>>(), ["scale"]);
    assert_eq!(ingress.metadata.uid.as_deref(), Some("a"));
}

#[test]
fn a_slice_belongs_to_its_service() {
    let mut fixture = Fixture::new(&[]);
    let effects = fixture.apply(Resource::EndpointSlices, slice("one", "web", "10.0.0.1"));
    assert_eq!(effects.changes, [Change::Endpoints(name("web"))].into());
    fixture.apply(Resource::EndpointSlices, slice("two", "web", "10.0.0.2"));
    let addresses = |fixture: &Fixture, service: &str| -> Vec<String> {
        let slices = fixture.stores.endpoint_slices(&name(service));
        slices.iter().flat_map(|slice| slice.endpoints.iter().flatten()).map(|it| it.addresses[0].clone()).collect()
    };
    assert_eq!(addresses(&fixture, "web"), ["10.0.0.1", "10.0.0.2"]);

    let effects = fixture.apply(Resource::EndpointSlices, slice("one", "api", "10.0.0.1"));
    assert_eq!(effects.changes, [Change::Endpoints(name("api")), Change::Endpoints(name("web"))].into());
    assert_eq!(addresses(&fixture, "web"), ["10.0.0.2"]);
    assert_eq!(addresses(&fixture, "api"), ["10.0.0.1"]);

    let effects = fixture.absorb(&source(Resource::EndpointSlices), Event::Deleted(name("one")));
    assert_eq!(effects.changes, [Change::Endpoints(name("api"))].into());
    assert!(addresses(&fixture, "api").is_empty());
}

#[test]
fn a_slice_that_loses_its_service_is_gone() {
    let mut fixture = Fixture::new(&[]);
    fixture.apply(Resource::EndpointSlices, slice("one", "web", "10.0.0.1"));
    let orphan = object::<EndpointSlice>(json!({
        "metadata": { "name": "one", "namespace": "shop" }, "addressType": "IPv4", "endpoints": [],
    }));
    let effects = fixture.apply(Resource::EndpointSlices, orphan);
    assert_eq!(effects.changes, [Change::Endpoints(name("web"))].into());
    assert!(fixture.stores.endpoint_slices(&name("web")).is_empty());
}

#[test]
fn a_new_pod_behind_the_same_address_is_no_change() {
    let mut fixture = Fixture::new(&[]);
    fixture.apply(Resource::EndpointSlices, slice("one", "web", "10.0.0.1"));
    let (key, _) = slice("one", "web", "10.0.0.1");
    let again = object::<EndpointSlice>(json!({
        "metadata": { "name": key.name, "namespace": "shop", "generation": 9,
            "labels": { "kubernetes.io/service-name": "web", "pod-template-hash": "x" } },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": ["10.0.0.1"], "zone": "a", "conditions": { "ready": true },
            "targetRef": { "kind": "Pod", "name": "successor" } }],
        "ports": [{ "name": "http", "port": 80 }],
    }));
    assert!(fixture.apply(Resource::EndpointSlices, again).changes.is_empty());
}

#[test]
fn a_service_keeps_what_translation_reads() {
    let mut fixture = Fixture::new(&[]);
    fixture.apply(
        Resource::Services,
        object::<Service>(json!({
            "metadata": { "name": "web", "namespace": "shop", "uid": "u" },
            "spec": {
                "clusterIP": "None", "selector": { "app": "web" }, "sessionAffinity": "ClientIP",
                "ports": [{ "name": "http", "port": 80, "targetPort": "web", "appProtocol": "kubernetes.io/h2c" }],
            },
            "status": { "loadBalancer": {} },
        })),
    );
    let service = fixture.stores.service(&name("web")).unwrap();
    let spec = service.spec.as_ref().unwrap();
    assert_eq!(spec.ports.as_ref().unwrap()[0].app_protocol.as_deref(), Some("kubernetes.io/h2c"));
    assert_eq!((spec.cluster_ip.as_deref(), spec.session_affinity.as_deref()), (Some("None"), Some("ClientIP")));
    assert_eq!((service.metadata.uid.as_deref(), &spec.selector), (Some("u"), &None));
}

fn usable(id: &str, key: &str) -> Object {
    let certificate =
        Certificate { id: id.to_owned(), names: Vec::new(), chain: String::new(), not_after: 0, sources: Vec::new() };
    let key = lb_model::provider::PrivateKey::new(key.to_owned());
    Object::Secret(TlsSecret::Usable { certificate: Arc::new(certificate), key })
}

#[test]
fn the_key_of_a_secret_lives_as_long_as_the_secret() {
    let mut fixture = Fixture::new(&[]);
    let later = || Instant::now() + Duration::from_secs(1);
    fixture.apply(Resource::Secrets, (name("tls"), usable("old", "old key")));
    assert_eq!(fixture.keys.private_key("old").unwrap().reveal(), "old key");

    let effects = fixture.apply(Resource::Secrets, (name("tls"), usable("new", "new key")));
    assert_eq!(effects.changes, [Change::Secret(name("tls"))].into());
    fixture.keys.sweep(later());
    assert!(fixture.keys.private_key("old").is_none());
    assert_eq!(fixture.keys.private_key("new").unwrap().reveal(), "new key");

    fixture.absorb(&source(Resource::Secrets), Event::Deleted(name("tls")));
    fixture.keys.sweep(later());
    assert!(fixture.keys.private_key("new").is_none());
    assert!(matches!(fixture.stores.certificate(&name("tls")), SecretLookup::Missing));
}

#[test]
fn a_malformed_secret_says_why() {
    let mut fixture = Fixture::new(&[]);
    fixture.apply(
        Resource::Secrets,
        object::<Secret>(json!({
            "metadata": { "name": "tls", "namespace": "shop" }, "type": "kubernetes.io/tls",
            "data": { "tls.crt": "bm90IGEgY2VydGlmaWNhdGU=", "tls.key": "bm90IGEga2V5" },
        })),
    );
    let SecretLookup::Malformed(reason) = fixture.stores.certificate(&name("tls")) else { panic!("not malformed") };
    assert!(!reason.is_empty() && !reason.contains("not a key"), "{reason}");
}

#[test]
fn effects_remember_when_the_first_change_came_in() {
    let mut stores = Stores::new([], Keys::new());
    let mut effects = Effects::default();
    let early = Instant::now();
    let late = early + Duration::from_secs(1);
    let ingresses = source(Resource::Ingresses);
    for (seen, (key, object)) in
        [(early, ingress("a", "a.example", None, "1")), (late, ingress("b", "b.example", None, "2"))]
    {
        stores.absorb(Notice { source: ingresses.clone(), seen, event: Event::Applied(key, object) }, &mut effects);
    }
    assert_eq!(effects.since, Some(early));
}
