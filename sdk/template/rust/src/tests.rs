//! The provider called as the host calls it, natively, on a temporary directory.

use lb_provider::{
    ChangeKind, ChangeSet, Endpoint, Files, Listener, PathMatch, Protocol, Provider, Redirect,
    RouteAction,
    testing::{self, Component, TestHost, records},
};

use super::{MyLb, settings};

/// One host on port 80, with two endpoints of one backend.
fn change() -> ChangeSet {
    let mut change = records::change(ChangeKind::Complete);
    change.listeners.upsert = vec![records::listener("http-80", 80, Protocol::Http)];
    let routes = vec![
        records::exact("/status", "default/web/80"),
        records::prefix("/", "default/web/80"),
    ];
    change.virtual_hosts.upsert = vec![records::virtual_host("http-80", "*.foo.com", routes)];
    let leaving = Endpoint {
        terminating: true,
        ..records::endpoint("10.0.0.2", 8080)
    };
    let endpoints = vec![records::endpoint("10.0.0.1", 8080), leaving];
    change.backends.upsert = vec![records::backend("default/web/80", endpoints)];
    change
}

fn routes(host: &TestHost) -> serde_json::Value {
    serde_json::from_str(&host.read_text("classes/lb/routes.json").unwrap()).unwrap()
}

#[test]
fn what_is_to_be_served_is_written() {
    let host = TestHost::default();
    let outcome = testing::apply::<MyLb>("{}", change(), &host).unwrap();
    assert!(outcome.rejections.is_empty());
    let forward = serde_json::json!([{ "weight": 1, "endpoints": [{ "address": "10.0.0.1", "port": 8080 }] }]);
    let expected = serde_json::json!({ "ports": [{ "port": 80, "hosts": [{
        "host": "*.foo.com",
        "routes": [
            { "path": "/status", "match": "exact", "forward": forward },
            { "path": "/", "match": "prefix", "forward": forward },
        ],
    }] }] });
    assert_eq!(routes(&host), expected);
}

#[test]
fn the_same_again_writes_nothing() {
    let host = TestHost::default();
    testing::apply::<MyLb>("{}", change(), &host).unwrap();
    testing::apply::<MyLb>("{}", change(), &host).unwrap();
    assert_eq!(host.logged().len(), 1, "{:?}", host.logged());
}

#[test]
fn what_is_gone_is_served_no_more() {
    let host = TestHost::default();
    testing::apply::<MyLb>("{}", change(), &host).unwrap();
    testing::apply::<MyLb>("{}", records::change(ChangeKind::Complete), &host).unwrap();
    assert_eq!(routes(&host), serde_json::json!({ "ports": [] }));
}

#[test]
fn what_cannot_be_served_is_told_and_harms_no_neighbour() {
    let host = TestHost::default();
    let mut change = change();
    let ingress = records::object("Ingress", "db");
    let listener = records::listener("tcp-5432", 5432, Protocol::Tcp);
    change.listeners.upsert.push(Listener {
        sources: vec![ingress.clone()],
        ..listener
    });
    let nowhere = Redirect {
        scheme: None,
        host: None,
        port: None,
        path: None,
        status: 301,
    };
    let routes_of_any = vec![
        records::route(
            PathMatch::Exact("/old".to_owned()),
            RouteAction::Redirect(nowhere),
        ),
        records::route(
            PathMatch::Exact("/gone".to_owned()),
            RouteAction::Respond(503),
        ),
    ];
    change
        .virtual_hosts
        .upsert
        .push(records::virtual_host("http-80", "*", routes_of_any));
    let outcome = testing::apply::<MyLb>("{}", change, &host).unwrap();
    let told: Vec<_> = outcome
        .rejections
        .iter()
        .map(|rejection| rejection.object.name.as_str())
        .collect();
    assert_eq!(told, ["web", "db"]);
    assert_eq!(routes(&host)["ports"][0]["hosts"][0]["host"], "*.foo.com");
    assert_eq!(
        routes(&host)["ports"][0]["hosts"][1]["routes"][0]["status"],
        503
    );
}

#[test]
fn what_is_removed_is_gone_and_may_be_removed_again() {
    let host = TestHost::default();
    testing::apply::<MyLb>("{}", change(), &host).unwrap();
    testing::remove::<MyLb>("{}", "lb", &host).unwrap();
    testing::remove::<MyLb>("{}", "lb", &host).unwrap();
    assert!(testing::observe::<MyLb>("{}", &host).unwrap().is_empty());
}

#[test]
fn a_file_that_somebody_deleted_is_noticed() {
    let host = TestHost::default();
    testing::apply::<MyLb>("{}", change(), &host).unwrap();
    let drift = || {
        testing::observe::<MyLb>("{}", &host)
            .unwrap()
            .remove(0)
            .drift
    };
    assert_eq!(drift(), None);
    host.directory().remove("classes/lb/routes.json").unwrap();
    assert_eq!(drift().as_deref(), Some("routes.json is gone"));
}

#[test]
fn settings_are_checked_and_documented() {
    testing::check_settings::<MyLb>(r#"{ "indent": false }"#).unwrap();
    let error = testing::check_settings::<MyLb>(r#"{ "indnt": false }"#).unwrap_err();
    assert!(error.contains("indnt"), "{error}");
    let schema = MyLb::describe().settings_schema;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let defaults = schema["properties"].as_object().unwrap().iter();
    let defaults: serde_json::Map<_, _> = defaults
        .map(|(key, value)| (key.clone(), value["default"].clone()))
        .collect();
    testing::check_settings::<MyLb>(&serde_json::Value::Object(defaults).to_string()).unwrap();
}

#[test]
#[ignore = "needs the component and lb-controller: cargo wasm && cargo test -- --ignored"]
fn the_component_keeps_the_contract() {
    Component::built("my_lb")
        .with(["--config", "my-lb.yaml"])
        .keeps_the_contract();
}
