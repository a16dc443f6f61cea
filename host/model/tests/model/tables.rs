//! The difference of two states leads from the one to the other.

use std::sync::Arc;

use lb_model::{
    tables::{Configuration, Tables},
    types::{Affinity, Backend, BackendProtocol, ChangeKind, Endpoint, Listener, LoadBalancer, ObjectRef, Protocol},
};

fn configuration() -> Configuration {
    let load_balancer = LoadBalancer { id: String::from("lb"), owner: None, scale: None, annotations: Vec::new() };
    Configuration { load_balancer, tables: Tables::default() }
}

fn listener(port: u16) -> Arc<Listener> {
    Arc::new(Listener {
        name: format!("http-{port}"),
        port,
        protocol: Protocol::Http,
        redirect_to_https: None,
        proxy_protocol: false,
        default_certificate: None,
        targets: Vec::new(),
        sources: Vec::new(),
    })
}

fn backend(name: &str, addresses: &[&str]) -> Arc<Backend> {
    let endpoint =
        |address: &&str| Endpoint { address: String::from(*address), port: 8080, terminating: false, zone: None };
    let service = ObjectRef {
        kind: String::from("Service"),
        namespace: String::from("default"),
        name: name.to_owned(),
        uid: String::new(),
    };
    Arc::new(Backend {
        id: format!("default/{name}/80"),
        service,
        port: 80,
        protocol: BackendProtocol::Http,
        affinity: Affinity::None,
        target_ports: Vec::new(),
        endpoints: addresses.iter().map(endpoint).collect(),
    })
}

fn with(listeners: &[u16], backends: &[(&str, &[&str])]) -> Configuration {
    let mut configuration = configuration();
    for port in listeners {
        configuration.tables.listeners.insert(format!("http-{port}"), listener(*port));
    }
    for (name, addresses) in backends {
        configuration.tables.backends.insert(format!("default/{name}/80"), backend(name, addresses));
    }
    configuration
}

#[test]
fn equal_states_have_no_difference() {
    let state = with(&[80], &[("a", &["10.0.0.1"])]);
    assert_eq!(state.changes_since(&state.clone()), None);
    // Also if the records are other allocations.
    assert_eq!(state.changes_since(&with(&[80], &[("a", &["10.0.0.1"])])), None);
}

#[test]
fn a_difference_holds_what_is_new_changed_and_gone_in_order() {
    let old = with(&[80, 8080], &[("a", &["10.0.0.1"]), ("b", &["10.0.0.1"]), ("c", &[]), ("e", &[])]);
    let new = with(&[80, 443], &[("b", &["10.0.0.2"]), ("c", &[]), ("d", &[]), ("f", &[])]);
    let change = new.changes_since(&old).unwrap();
    assert_eq!(change.kind, ChangeKind::Incremental);
    let names: Vec<_> = change.listeners.upsert.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        (names.as_slice(), change.listeners.remove.as_slice()),
        (["http-443"].as_slice(), [String::from("http-8080")].as_slice())
    );
    let ids: Vec<_> = change.backends.upsert.iter().map(|it| it.id.as_str()).collect();
    assert_eq!(ids, ["default/b/80", "default/d/80", "default/f/80"]);
    assert_eq!(change.backends.remove, ["default/a/80", "default/e/80"]);

    let mut applied = old;
    applied.absorb(change);
    assert_eq!(applied, new);
}

#[test]
fn what_concerns_the_load_balancer_as_a_whole_is_a_difference() {
    let old = with(&[80], &[]);
    let mut new = old.clone();
    new.load_balancer.scale = Some(3);
    let change = new.changes_since(&old).unwrap();
    assert_eq!(change.load_balancer.scale, Some(3));
    assert!(change.listeners.upsert.is_empty());
    let mut applied = old;
    applied.absorb(change);
    assert_eq!(applied, new);
}

#[test]
fn a_complete_change_replaces_whatever_was_there() {
    let new = with(&[443], &[("b", &["10.0.0.2"])]);
    let change = new.complete();
    assert_eq!(change.kind, ChangeKind::Complete);
    assert!(change.backends.remove.is_empty());
    let mut applied = with(&[80], &[("a", &["10.0.0.1"])]);
    applied.absorb(change);
    assert_eq!(applied, new);
}

#[test]
fn a_removal_of_what_is_not_there_is_no_error() {
    let mut change = with(&[80], &[]).changes_since(&configuration()).unwrap();
    change.backends.remove.push(String::from("default/never/80"));
    let mut applied = configuration();
    applied.absorb(change);
    assert_eq!(applied, with(&[80], &[]));
}
