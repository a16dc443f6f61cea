//! What a change costs: counted in records, not in time.

use std::sync::Arc;

use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice, networking::v1::Ingress};
use lb_model::{
    cluster::{Change, NamespacedName},
    translate::Translator,
    types::{ChangeKind, ChangeSet, Scope},
};
use serde_json::json;

use crate::{
    cluster::MemoryCluster,
    manifest::{FEATURES, descriptor, options},
};

const INGRESSES: usize = 5_000;

fn slice(service: &str, addresses: &[&str]) -> EndpointSlice {
    let endpoints: Vec<_> = addresses.iter().map(|address| json!({"addresses": [address]})).collect();
    serde_json::from_value(json!({
        "metadata": {"name": service, "namespace": "shop", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": endpoints,
    }))
    .unwrap()
}

/// Many Ingresses, each with a host, a path and a Service of its own.
fn large_cluster() -> MemoryCluster {
    let mut cluster = MemoryCluster::default();
    for index in 0..INGRESSES {
        let name = NamespacedName::new("shop", format!("app-{index}"));
        let ingress: Ingress = serde_json::from_value(json!({
            "metadata": {"name": name.name, "namespace": "shop", "uid": format!("ingress-{index}")},
            "spec": {"ingressClassName": "lb", "rules": [{"host": format!("app-{index}.example.com"), "http": {"paths": [
                {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": name.name, "port": {"name": "http"}}}},
            ]}}]},
        }))
        .unwrap();
        let service: Service = serde_json::from_value(json!({
            "metadata": {"name": name.name, "namespace": "shop", "uid": format!("service-{index}")},
            "spec": {"ports": [{"name": "http", "port": 80}]},
        }))
        .unwrap();
        cluster.ingresses.insert(name.clone(), Arc::new(ingress));
        cluster.put_slice(slice(&name.name, &["10.0.0.1", "10.0.0.2"]));
        cluster.services.insert(name, Arc::new(service));
    }
    cluster
}

fn count(change: &ChangeSet) -> [usize; 8] {
    [
        change.listeners.upsert.len(),
        change.listeners.remove.len(),
        change.virtual_hosts.upsert.len(),
        change.virtual_hosts.remove.len(),
        change.backends.upsert.len(),
        change.backends.remove.len(),
        change.certificates.upsert.len(),
        change.certificates.remove.len(),
    ]
}

#[test]
fn one_changed_slice_is_one_backend_record_among_thousands() {
    let mut cluster = large_cluster();
    let mut translator = Translator::new(options(), descriptor(Scope::PerClass, FEATURES.to_vec(), Vec::new()));
    translator.update(&cluster, [Change::Everything]);
    let before = translator.desired("lb").unwrap().clone();
    assert_eq!(count(&before.complete()), [1, 0, INGRESSES, 0, INGRESSES, 0, 0, 0]);

    let changed = NamespacedName::new("shop", "app-1234");
    cluster.put_slice(slice("app-1234", &["10.0.0.2", "10.0.0.3"]));
    let updated = translator.update(&cluster, [Change::Endpoints(changed.clone())]);
    assert_eq!(updated.load_balancers.iter().collect::<Vec<_>>(), ["lb"]);
    assert!(updated.ingresses.is_empty());

    let change = translator.desired("lb").unwrap().changes_since(&before).unwrap();
    assert_eq!(change.kind, ChangeKind::Incremental);
    assert_eq!(count(&change), [0, 0, 0, 0, 1, 0, 0, 0]);
    let backend = &change.backends.upsert[0];
    assert_eq!(backend.id, "shop/app-1234/80");
    let endpoints: Vec<_> = backend.endpoints.iter().map(|it| (it.address.as_str(), it.port)).collect();
    assert_eq!(endpoints, [("10.0.0.2", 8080), ("10.0.0.3", 8080)]);
    let after = translator.desired("lb").unwrap();
    let same = before.tables.backends.iter().filter(|(id, old)| Arc::ptr_eq(old, &after.tables.backends[*id])).count();
    assert_eq!(same, INGRESSES - 1, "what did not change is not computed anew");

    // The same slices again, in whatever order, change nothing.
    cluster.put_slice(slice("app-1234", &["10.0.0.3", "10.0.0.2"]));
    assert_eq!(translator.update(&cluster, [Change::Endpoints(changed)]), lb_model::translate::Updated::default());
}

#[test]
fn one_changed_ingress_is_one_virtual_host() {
    let mut cluster = large_cluster();
    let mut translator = Translator::new(options(), descriptor(Scope::PerClass, FEATURES.to_vec(), Vec::new()));
    translator.update(&cluster, [Change::Everything]);
    let before = translator.desired("lb").unwrap().clone();

    let changed = NamespacedName::new("shop", "app-7");
    let mut ingress = Ingress::clone(&cluster.ingresses[&changed]);
    let rules = ingress.spec.as_mut().unwrap().rules.as_mut().unwrap();
    rules[0].http.as_mut().unwrap().paths[0].path = Some(String::from("/new"));
    cluster.ingresses.insert(changed.clone(), Arc::new(ingress));
    translator.update(&cluster, [Change::Ingress(changed)]);
    let change = translator.desired("lb").unwrap().changes_since(&before).unwrap();
    assert_eq!(count(&change), [0, 0, 1, 0, 0, 0, 0, 0]);
}
