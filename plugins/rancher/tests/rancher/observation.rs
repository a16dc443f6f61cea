//! What a look finds.

use lb_provider::{Address, Readiness, testing::records::prefix};
use lb_rancher_double::{Options, Reschedule};
use serde_json::json;

use crate::world::{Changes, World, pending, simple};

fn ip(address: &str) -> Address {
    Address::Ip(address.to_owned())
}

fn served() -> (World, String) {
    let world = World::new();
    world.know(&["a"]);
    world.converge(&simple());
    let id = world.only()["id"].as_str().unwrap().to_owned();
    (world, id)
}

fn drift(world: &World) -> Option<String> {
    let mut observed = world.observe();
    assert_eq!(observed.len(), 1);
    observed.remove(0).drift
}

#[test]
fn a_load_balancer_that_moves_is_followed() {
    let (world, id) = served();
    let before = world.observe()[0].addresses.clone();
    assert_eq!(before.len(), 1);
    let there = world.add_machine("198.51.100.9");
    let from = world.only()["publicEndpoints"][0]["hostId"].as_str().unwrap().to_owned();
    world.rancher.reschedule(&id, &from, &there, Reschedule::ThroughNone);
    world.settle();
    assert_eq!(world.observe()[0].addresses, [ip("198.51.100.9")]);
    assert_eq!(world.observe()[0].drift, None);
}

#[test]
fn endpoints_that_lead_nowhere_are_no_addresses() {
    let (world, id) = served();
    let at = |address: &str, port: u16| json!({ "ipAddress": address, "port": port });
    world.rancher.edit(
        &id,
        &json!({ "publicEndpoints": [at("198.51.100.2", 80), at("0.0.0.0", 80), at("198.51.100.2", 443), at("", 80)] }),
    );
    assert_eq!(world.observe()[0].addresses, [ip("198.51.100.2")]);
    for nothing in [json!([]), json!(null), json!([at("0.0.0.0", 80)])] {
        world.rancher.edit(&id, &json!({ "publicEndpoints": nothing }));
        let observed = world.observe().remove(0);
        assert!(observed.addresses.is_empty());
        assert!(pending(&observed.readiness).ends_with("is active, but no host publishes its ports yet"));
    }
}

#[test]
fn releases_that_say_no_address_leave_it_pending() {
    let world = World::with(Options { unspecified_addresses: true, ..Options::default() });
    world.know(&["a"]);
    let observed = world.converge(&simple());
    assert_eq!(observed.addresses, []);
    assert!(matches!(observed.readiness, Readiness::Pending(_)));
}

#[test]
fn the_name_of_external_dns_is_published_by_setting() {
    let (world, id) = served();
    world.rancher.set_fqdn(&id, Some("web.default.example.com"));
    assert_eq!(world.observe()[0].addresses.len(), 1);
    world.set("publish-fqdn", json!(true));
    assert_eq!(world.observe()[0].addresses[1], Address::Hostname("web.default.example.com".to_owned()));
}

#[test]
fn what_somebody_changed_is_put_right() {
    let (world, id) = served();
    let changes = [
        json!({ "lbConfig": { "config": "x", "portRules": world.rules() } }),
        json!({ "lbConfig": { "portRules": [] } }),
        json!({ "launchConfig": { "imageUuid": "docker:x/y", "ports": ["81:81/tcp"] } }),
    ];
    for change in changes {
        world.rancher.edit(&id, &change);
        assert_eq!(
            drift(&world).as_deref(),
            Some("its configuration in Rancher is not the one that was applied"),
            "{change}"
        );
        world.converge(&simple());
        assert_eq!(world.rules().len(), 1);
        assert_eq!(world.only()["launchConfig"]["ports"], json!(["80:80/tcp"]));
    }
}

#[test]
fn what_rancher_itself_changes_is_no_drift() {
    let world = World::with(Options {
        newer_agent_labels: true,
        default_registry: Some("registry.example.com".to_owned()),
        ..Options::default()
    });
    world.know(&["a"]);
    world.set("image", json!("rancher/lb-service-haproxy:v1"));
    let change = simple().annotated("io.rancher.scheduler.affinity.host_label_soft", "a=b");
    world.converge(&change);
    assert_eq!(world.only()["launchConfig"]["imageUuid"], "docker:registry.example.com/rancher/lb-service-haproxy:v1");
    let id = world.only()["id"].as_str().unwrap().to_owned();
    let count = world.count();
    world.apply(&change).unwrap();
    assert_eq!(world.writes_since(count), [""; 0]);
    world.rancher.reconcile(&id);
    assert_eq!(drift(&world), None);
    world.settle();
    assert_eq!(drift(&world), None);
}

#[test]
fn a_target_that_goes_takes_its_rules_and_comes_back() {
    let (world, _) = served();
    let change = simple().host("http-80", "b.com", vec![prefix("/", "default/b/80")]).backends(&[("b", 8080)]);
    world.know(&["b"]);
    world.converge(&change);
    let target = world.rules().iter().find(|rule| rule["hostname"] == "b.com").unwrap()["serviceId"].clone();
    world.rancher.remove(target.as_str().unwrap());
    world.settle();
    assert_eq!(world.rules().len(), 1);
    assert!(drift(&world).is_some());
    assert!(matches!(world.converge(&change).readiness, Readiness::Pending(_)));
    world.know(&["b"]);
    assert_eq!(world.converge(&change).readiness, Readiness::Ready);
    assert_eq!(world.rules().len(), 2);
}

#[test]
fn one_that_a_user_deactivated_is_activated() {
    let (world, id) = served();
    world.rancher.deactivate(&id);
    world.settle();
    assert_eq!(drift(&world).as_deref(), Some("somebody deactivated it"));
    assert_eq!(world.converge(&simple()).readiness, Readiness::Ready);
    assert_eq!(world.only()["state"], "active");
}

#[test]
fn a_placement_that_fails_says_why_and_recovers() {
    let (world, id) = served();
    world.rancher.fail_placement(&id, "Allocation failed: host needs ports 80/tcp available");
    world.apply(&simple().scaled(2)).unwrap();
    world.settle();
    let observed = world.observe().remove(0);
    assert_eq!(observed.drift, None);
    assert!(
        pending(&observed.readiness).ends_with(": Allocation failed: host needs ports 80/tcp available"),
        "{observed:?}"
    );
    world.rancher.recover_placement(&id);
    for _ in 0..4 {
        world.settle();
    }
    assert_eq!(world.converge(&simple().scaled(2)).readiness, Readiness::Ready);
}

#[test]
fn a_mark_that_was_wiped_is_written_again() {
    let (world, id) = served();
    world.rancher.edit(&id, &json!({ "metadata": { "theirs": 1 } }));
    assert!(world.observe().is_empty());
    assert!(world.host.logged().iter().any(|line| line.message.starts_with("the mark of a load balancer was removed")));
    world.converge(&simple());
    assert_eq!((&world.only()["id"], &world.only()["metadata"]["theirs"]), (&json!(id), &json!(1)));
}

#[test]
fn an_old_incarnation_beside_the_new_one_is_cleaned_up() {
    let (world, _) = served();
    world.refuse(crate::world::Refusal { request: "DELETE /loadbalancerservices", status: 500, stored: false });
    let reborn = simple().owned_by("reborn");
    assert!(world.apply(&reborn).is_err());
    // Somebody made the new one by hand, in effect: both stand.
    let mut fields = world.only();
    fields["name"] = json!("default-web-other");
    fields["externalId"] = json!("lb-controller://test-cluster/lb/reborn");
    let both = json!({
        "name": fields["name"], "externalId": fields["externalId"], "stackId": fields["stackId"], "metadata": fields["metadata"],
        "launchConfig": { "imageUuid": fields["launchConfig"]["imageUuid"], "ports": ["80:80"] }, "lbConfig": {},
    });
    world.rancher.advance(std::time::Duration::from_secs(5));
    world.rancher.add_service(crate::world::PROJECT, "loadBalancerService", &both).unwrap();
    world.settle();
    let observed = world.observe();
    assert_eq!(observed.len(), 1);
    assert_eq!(observed[0].owner_uid.as_deref(), Some("reborn"));
    assert_eq!(observed[0].drift.as_deref(), Some("a former load balancer of the same Ingress is still there"));
}
