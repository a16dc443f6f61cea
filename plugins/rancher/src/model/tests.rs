use serde_json::json;

use super::*;

fn read(mut fields: Value) -> LoadBalancerService {
    fields["id"] = json!("1s20");
    fields["name"] = json!("web");
    serde_json::from_value(fields).unwrap()
}

fn ip(address: &str) -> Address {
    Address::Ip(address.to_owned())
}

#[test]
fn weakness_18_missing_null_and_odd_fields_are_read() {
    for odd in [
        json!({}),
        json!({ "launchConfig": null, "lbConfig": null, "metadata": null, "publicEndpoints": null, "scale": null }),
        json!({ "launchConfig": [], "lbConfig": "x", "metadata": 1, "publicEndpoints": {}, "scale": -1, "state": 7 }),
        json!({ "launchConfig": { "labels": [], "ports": [null, 1] }, "lbConfig": { "portRules": null, "config": null } }),
    ] {
        let service = read(odd);
        assert!(service.addresses(true).is_empty());
        assert!(service.ports().is_empty());
        assert!(service.lb_config.port_rules.is_empty());
        assert_eq!(service.mark(), None);
        assert!(!service.belongs_to("c"));
    }
}

#[test]
fn weakness_13_addresses_are_those_that_lead_somewhere_each_once() {
    let endpoint = |address: &str| json!({ "type": "publicEndpoint", "ipAddress": address, "port": 80 });
    let addresses = ["203.0.113.2", "203.0.113.1", "203.0.113.2", "0.0.0.0", "", "::", "2001:db8::1", "not an address"];
    let endpoints: Vec<_> = addresses.into_iter().map(endpoint).chain([json!({ "ipAddress": null })]).collect();
    let service = read(json!({ "publicEndpoints": endpoints, "fqdn": "web.example.com." }));
    let expected = vec![ip("203.0.113.1"), ip("203.0.113.2"), ip("2001:db8::1")];
    assert_eq!(service.addresses(false), expected);
    let with_name = [expected, vec![Address::Hostname("web.example.com".to_owned())]].concat();
    assert_eq!(service.addresses(true), with_name);
    assert!(read(json!({ "fqdn": "" })).addresses(true).is_empty());
    assert!(read(json!({ "publicEndpoints": [] })).addresses(true).is_empty());
}

#[test]
fn weakness_20_ours_is_what_carries_our_mark() {
    let theirs = json!({ "lb-controller": { "version": 1, "controller": "other" } });
    let mine = json!({ "lb-controller": { "version": 1, "controller": "c" } });
    for (fields, expected) in [
        (json!({ "externalId": "lb-controller://c/uid" }), true),
        (json!({ "externalId": "lb-controller://c/uid", "metadata": theirs }), true),
        (json!({ "externalId": "lb-controller://other/uid", "metadata": mine }), false),
        (json!({ "externalId": "lb-controller://c/d/uid" }), false),
        (json!({ "externalId": null, "metadata": mine }), false),
        (json!({ "externalId": "kubernetes-ingress-lbs://web" }), false),
        (json!({ "externalId": "kubernetes-ingress-lbs://web", "metadata": mine }), true),
        (json!({ "externalId": "kubernetes-ingress-lbs://web", "metadata": theirs }), false),
        (json!({ "externalId": "kubernetes-ingress-lbs://else", "metadata": mine }), false),
    ] {
        assert_eq!(read(fields.clone()).belongs_to("c"), expected, "{fields}");
    }
}

#[test]
fn readiness_says_what_is_waited_for() {
    let endpoints = json!([{ "ipAddress": "203.0.113.1" }]);
    let ready = read(json!({ "state": "active", "transitioning": "no", "publicEndpoints": endpoints }));
    assert_eq!(ready.readiness(), Readiness::Ready);
    for (fields, expected) in [
        (json!({ "state": "active" }), "the load balancer web is active, but no host publishes its ports yet"),
        (
            json!({ "state": "activating", "transitioning": "error", "transitioningMessage": "Allocation failed" }),
            "the load balancer web is activating in Rancher: Allocation failed",
        ),
        (
            json!({ "state": "updating-active", "transitioning": "yes", "transitioningMessage": "In Progress" }),
            "the load balancer web is updating-active in Rancher",
        ),
    ] {
        assert_eq!(read(fields).readiness(), Readiness::Pending(expected.to_owned()));
    }
}
