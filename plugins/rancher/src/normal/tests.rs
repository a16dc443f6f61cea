use lb_provider::{
    ChangeKind, ChangeSet, Protocol,
    testing::records::{self, backend, listener, object, prefix, virtual_host},
};

use super::*;
use crate::plan::plan;

fn change() -> ChangeSet {
    let mut change = records::change(ChangeKind::Complete);
    change.load_balancer.owner = Some(object("Ingress", "web"));
    change.listeners.upsert = vec![listener("http-80", 80, Protocol::Http)];
    let routes = vec![prefix("/Foo", "default/a/80"), prefix("/", "default/a/80")];
    change.virtual_hosts.upsert = vec![virtual_host("http-80", "foo.com", routes)];
    change.backends.upsert = vec![lb_provider::Backend { target_ports: vec![8080], ..backend("default/a/80", vec![]) }];
    change
}

fn wanted() -> Normal {
    let services = [("service-a".to_owned(), "1s1".to_owned())].into();
    Normal::wanted(&plan(&change()), &services, &BTreeMap::new(), None)
}

/// What is wanted, as Rancher gives it back: rewritten and with all that it adds.
fn stored() -> Value {
    json!({
        "id": "1s20",
        "scale": 3,
        "launchConfig": {
            "imageUuid": "docker:x", "ports": ["80:80/tcp"], "healthCheck": { "port": 42 },
            "labels": { "io.rancher.container.create_agent": "true", "theirs": "x" },
        },
        "lbConfig": {
            "type": "lbConfig", "config": "", "certificateIds": [], "defaultCertificateId": null, "stickinessPolicy": null,
            "portRules": [
                { "type": "portRule", "hostname": "foo.com", "path": null, "sourcePort": 80, "targetPort": 8080, "protocol": "http",
                  "serviceId": "1s1", "priority": 2, "selector": null, "backendName": null, "environment": null, "weight": null },
                { "type": "portRule", "hostname": "foo.com", "path": "/Foo", "sourcePort": 80, "targetPort": 8080,
                  "serviceId": "1s1", "priority": 1 },
            ],
        },
    })
}

fn read(stored: Value) -> Normal {
    let service = serde_json::from_value(stored).unwrap();
    Normal::stored(&service, Some(&Mark::default()), false, &BTreeSet::new())
}

#[test]
fn what_rancher_rewrites_is_no_difference() {
    assert_eq!(read(stored()), wanted());
    assert_eq!(read(stored()).digest(), wanted().digest());
}

#[test]
fn weakness_07_every_real_change_is_a_difference() {
    let rules = "/lbConfig/portRules";
    let changes: [(&str, Value); 17] = [
        ("/lbConfig/portRules/1/path", json!("/foo")),
        ("/lbConfig/portRules/0/path", json!("/x")),
        ("/lbConfig/portRules/0/hostname", json!(null)),
        ("/lbConfig/portRules/0/hostname", json!("FOO.com")),
        ("/lbConfig/portRules/0/serviceId", json!("1s2")),
        ("/lbConfig/portRules/0/targetPort", json!(8081)),
        ("/lbConfig/portRules/0/sourcePort", json!(81)),
        ("/lbConfig/portRules/0/protocol", json!("https")),
        ("/lbConfig/portRules/0/priority", json!(3)),
        ("/lbConfig/portRules/0/priority", json!(null)),
        ("/lbConfig/portRules/0/weight", json!(5)),
        ("/lbConfig/config", json!("Global")),
        ("/lbConfig/defaultCertificateId", json!("1c1")),
        ("/lbConfig/certificateIds", json!(["1c1"])),
        ("/lbConfig/stickinessPolicy", json!({})),
        ("/launchConfig/ports", json!(["80:80", "81:81"])),
        ("/launchConfig/ports", json!(["80:80", "nonsense"])),
    ];
    for (pointer, value) in changes {
        let mut edited = stored();
        *edited.pointer_mut(pointer).unwrap() = value.clone();
        assert_ne!(read(edited), wanted(), "{pointer} {value}");
    }
    // One rule twice, so that the number is the same and a removed one would be masked.
    let mut doubled = stored();
    let twice = doubled["lbConfig"]["portRules"][0].clone();
    *doubled.pointer_mut(rules).unwrap() = json!([twice, twice]);
    assert_ne!(read(doubled), wanted());
}

#[test]
fn config_is_compared_with_its_case() {
    let of = |config: &str| {
        let mut change = change();
        let source = object("Ingress", "web");
        change.load_balancer.annotations =
            vec![lb_provider::Annotation { key: "config".to_owned(), value: config.to_owned(), source }];
        Normal::wanted(&plan(&change), &BTreeMap::new(), &BTreeMap::new(), None)
    };
    assert_ne!(of("Global"), of("global"));
    assert_ne!(of("Global").digest(), of("global").digest());
}

#[test]
fn defaults_of_stickiness_are_no_difference() {
    let full = json!({ "type": "t", "cookie": "c", "mode": "insert", "indirect": false, "nocache": false, "postonly": false, "name": null });
    let short = json!({ "cookie": "c" });
    let with = |policy: Value| {
        let mut stored = stored();
        stored["lbConfig"]["stickinessPolicy"] = policy;
        read(stored)
    };
    assert_eq!(with(full), with(short.clone()));
    assert_ne!(with(short), with(json!({ "cookie": "C" })));
}

#[test]
fn a_scale_that_nobody_asked_for_is_right() {
    let mark = Mark { scale: Some(2), ..Mark::default() };
    let service: LoadBalancerService = serde_json::from_value(stored()).unwrap();
    assert_eq!(Normal::marked(&service, &mark).scale, Some(3));
    assert_eq!(Normal::marked(&service, &Mark::default()).scale, None);
}
