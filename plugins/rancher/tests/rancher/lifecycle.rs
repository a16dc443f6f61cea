//! From create to remove.

use lb_provider::{
    Address, CookieAffinity, CookieMode, HostService, Listener, Policy, Protocol, Readiness, Removal,
    testing::records::{passthrough, prefix, targets},
};
use serde_json::json;

use crate::world::{Changes, World, ingress, listener, pending, simple};

#[test]
fn an_ingress_becomes_a_load_balancer_that_serves() {
    let world = World::new();
    world.know(&["a", "b"]);
    let change = ingress()
        .host("http-80", "foo.com", vec![prefix("/foo/", "default/a/80"), prefix("/", "default/b/80")])
        .host("http-80", "*", vec![prefix("/", "default/a/80")])
        .host("http-80", "*.bar.com", vec![prefix("/", "default/b/80")])
        .backends(&[("a", 8080), ("b", 9090)])
        .scaled(2)
        .annotated("config", "global\n  maxconn 10");
    let outcome = world.apply(&change).unwrap();
    assert!(outcome.rejections.is_empty());
    assert!(pending(&outcome.readiness).contains("in Rancher"), "{outcome:?}");
    world.settle();
    let observed = world.observe();
    assert_eq!(observed.len(), 1);
    assert_eq!(observed[0].load_balancer, "default/web");
    assert_eq!(observed[0].owner_uid.as_deref(), Some("ingress-web"));
    assert_eq!(observed[0].readiness, Readiness::Ready);
    assert_eq!(observed[0].drift, None);
    let ip = |address: &str| Address::Ip(address.to_owned());
    assert_eq!(observed[0].addresses, [ip("203.0.113.1"), ip("203.0.113.2")]);

    let service = world.only();
    assert_eq!(service["externalId"], "lb-controller://test-cluster/lb/ingress-web");
    assert_eq!(service["scale"], 2);
    assert_eq!(service["lbConfig"]["config"], "global\n  maxconn 10");
    let rule = |rule: &serde_json::Value| {
        json!([
            rule["priority"],
            rule["sourcePort"],
            rule["protocol"],
            rule["hostname"],
            rule["path"],
            rule["targetPort"]
        ])
    };
    let rules: Vec<_> = world.rules().iter().map(rule).collect();
    let expected = [
        json!([1, 80, "http", "foo.com", "/foo", 8080]),
        json!([2, 80, "http", "foo.com", null, 9090]),
        json!([3, 80, "http", "*.bar.com", null, 9090]),
        json!([4, 80, "http", null, null, 8080]),
    ];
    assert_eq!(rules, expected);

    assert!(matches!(world.remove("default/web"), Ok(Removal::Pending(_))));
    assert!(world.observe().is_empty());
    world.settle();
    assert_eq!(world.remove("default/web"), Ok(Removal::Removed));
    assert!(world.rancher.load_balancers().is_empty());
    assert_eq!(world.remove("default/unknown"), Ok(Removal::Removed));
    assert_eq!(world.remove("no-slash"), Ok(Removal::Removed));
}

#[test]
fn nothing_changed_writes_nothing() {
    let world = World::new();
    world.know(&["a"]);
    world.converge(&simple());
    let count = world.count();
    world.rounds();
    let outcome = world.apply(&simple()).unwrap();
    assert_eq!(outcome.readiness, Readiness::Ready);
    assert_eq!(world.writes_since(count), [""; 0]);
    assert_eq!(world.rounds(), 1);
}

#[test]
fn streams_and_passthrough_are_served_and_given_up_again() {
    let world = World::new();
    world.know(&["a"]);
    let stream = |name: &str, port, protocol| Listener {
        targets: targets(&["default/a/80"]),
        ..listener(name, port, protocol, "web")
    };
    let mut change = simple().virtual_host(passthrough("tls-8443", "foo.com", &["default/a/80"]));
    change.listeners.upsert.extend([
        stream("tcp-5432", 5432, Protocol::Tcp),
        stream("udp-53", 53, Protocol::Udp),
        listener("tls-8443", 8443, Protocol::Tls, "web"),
    ]);
    assert_eq!(world.converge(&change).readiness, Readiness::Ready);
    let mut rules: Vec<_> = world
        .rules()
        .iter()
        .map(|rule| format!("{} {} {} {}", rule["protocol"], rule["sourcePort"], rule["hostname"], rule["targetPort"]))
        .collect();
    rules.sort();
    let expected = [
        r#""http" 80 "foo.com" 8080"#,
        r#""sni" 8443 "foo.com" 8080"#,
        r#""tcp" 5432 null 8080"#,
        r#""udp" 53 null 8080"#,
    ];
    assert_eq!(rules, expected);
    let ports = json!(["53:53/udp", "80:80/tcp", "5432:5432/tcp", "8443:8443/tcp"]);
    let mut stored = world.only()["launchConfig"]["ports"].as_array().unwrap().clone();
    stored.sort_by_key(|port| ports.as_array().unwrap().iter().position(|known| known == port));
    assert_eq!(json!(stored), ports);
    let count = world.count();
    world.apply(&change).unwrap();
    assert_eq!(world.writes_since(count), [""; 0]);
    world.converge(&simple());
    assert_eq!(world.only()["launchConfig"]["ports"], json!(["80:80/tcp"]));
    assert_eq!(world.rules().len(), 1);
}

#[test]
fn weakness_05_stickiness_is_followed_both_ways() {
    let world = World::new();
    world.know(&["a"]);
    let affinity = CookieAffinity {
        name: Some("p".to_owned()),
        cookie: Some("SRV".to_owned()),
        domain: None,
        path: None,
        mode: CookieMode::Insert,
        indirect: true,
        no_cache: false,
        post_only: false,
        max_age: None,
        secure: false,
    };
    let mut sticky = simple();
    let HostService::Routes(routes) = &mut sticky.virtual_hosts.upsert[0].service else { panic!("it has routes") };
    routes[0].policies.push(Policy::CookieAffinity(affinity));
    world.converge(&sticky);
    assert_eq!(world.only()["lbConfig"]["stickinessPolicy"]["cookie"], "SRV");
    world.converge(&simple());
    assert!(world.only()["lbConfig"]["stickinessPolicy"].is_null());
    let count = world.count();
    world.apply(&simple()).unwrap();
    assert_eq!(world.writes_since(count), [""; 0]);
}
