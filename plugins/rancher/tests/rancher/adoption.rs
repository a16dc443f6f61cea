//! Load balancers that the original controller made.

use lb_provider::{Readiness, testing::records::prefix};
use serde_json::{Value, json};

use crate::world::{Changes, PROJECT, World, ingress, named, simple};

/// Makes what the original would have made, with rules to these services, and gives its id.
fn original(world: &World, name: &str, targets: &[&str]) -> String {
    let stack = world.rancher.stacks().into_iter().find(|stack| stack["name"] == "kubernetes-ingress-lbs");
    let stack = stack.map(|stack| stack["id"].as_str().unwrap().to_owned());
    let made = || world.rancher.add_stack(PROJECT, "kubernetes-ingress-lbs", Some("kubernetes-ingress-lbs://"));
    let stack = stack.unwrap_or_else(made);
    let rule = |target: &&str| json!({ "hostname": "foo.com", "sourcePort": 80, "targetPort": 8080, "protocol": "http", "serviceId": service(world, target) });
    let rules: Vec<_> = targets.iter().map(rule).collect();
    let fields = json!({
        "name": name, "stackId": stack, "externalId": format!("kubernetes-ingress-lbs://{name}"), "scale": 1, "startOnCreate": true,
        "launchConfig": { "imageUuid": "docker:rancher/lb-service-haproxy:v0.5.9", "ports": ["80:80"], "labels": {} },
        "lbConfig": { "portRules": rules },
    });
    let id = world.rancher.add_service(PROJECT, "loadBalancerService", &fields).unwrap();
    world.settle();
    id
}

fn service(world: &World, name: &str) -> String {
    let uid = crate::world::uid(name);
    let known = world.rancher.rows("kubernetesService").into_iter().find(|row| row["externalId"] == uid.as_str());
    known.unwrap()["id"].as_str().unwrap().to_owned()
}

fn is_standing(world: &World, id: &str) -> bool {
    world.rancher.load_balancers().iter().any(|service| service["id"] == id && service["state"] == "active")
}

#[test]
fn both_old_names_are_adopted_in_place() {
    for name in ["default-rancherlb-web", "default-web"] {
        let world = World::new();
        world.know(&["a"]);
        let id = original(&world, name, &["a"]);
        world.rancher.edit(&id, &json!({ "scale": 2 }));
        let image = world.only()["launchConfig"]["imageUuid"].clone();
        let count = world.count();
        assert_eq!(world.converge(&simple()).readiness, Readiness::Ready);
        let service = world.only();
        assert_eq!(world.writes_since(count), [format!("PUT /loadbalancerservices/{id}")]);
        assert_eq!((&service["name"], &service["launchConfig"]["imageUuid"]), (&json!(name), &image));
        assert_eq!(service["scale"], 2);
        assert_eq!(service["metadata"]["lb-controller"]["loadBalancer"], "default/web");
        let observed = world.observe().remove(0);
        assert_eq!(observed.owner_uid.as_deref(), Some("ingress-web"));
        // It stays ours when nothing more is adopted.
        world.set("adopt", json!(false));
        world.converge(&simple().scaled(1));
        assert_eq!(world.only()["id"], id.as_str());
        world.converge_removal("default/web");
        assert!(world.rancher.load_balancers().is_empty());
    }
}

#[test]
fn another_separator_is_known_by_setting() {
    let world = World::new();
    world.know(&["a"]);
    world.set("legacy-separator", json!("lb"));
    let id = original(&world, "default-lb-web", &["a"]);
    world.converge(&simple());
    assert_eq!(world.only()["id"], id.as_str());
}

#[test]
fn what_is_not_certainly_of_this_ingress_is_left_alone() {
    type Prepare = fn(&World, &str);
    let cases: [(&str, Prepare); 4] = [
        ("not to be adopted", |world, _| world.set("adopt", json!(false))),
        ("another external id", |world, id| {
            world.rancher.edit(id, &json!({ "externalId": "kubernetes-ingress-lbs://x" }));
        }),
        ("no external id", |world, id| world.rancher.edit(id, &json!({ "externalId": null }))),
        ("marked by another cluster", |world, id| {
            let mark = json!({ "version": 1, "controller": "other/lb", "loadBalancer": "default/web" });
            world.rancher.edit(id, &json!({ "metadata": { "lb-controller": mark } }));
        }),
    ];
    for (name, prepare) in cases {
        let world = World::new();
        world.know(&["a"]);
        let id = original(&world, "default-rancherlb-web", &["a"]);
        prepare(&world, &id);
        let before = world.rancher.row(&id).unwrap();
        world.apply(&simple()).unwrap();
        assert_eq!(world.rancher.load_balancers().len(), 2, "{name}");
        assert_eq!(world.rancher.row(&id).unwrap(), before, "{name}");
    }
}

#[test]
fn weakness_15_an_ambiguous_name_is_adopted_only_by_whom_it_serves() {
    // `default-my-web` is `default/my-web` or `default-my/web`.
    let change = named("my-web").host("http-80", "foo.com", vec![prefix("/", "default/a/80")]).backends(&[("a", 8080)]);
    for (targets, adopted) in [(&["a"][..], true), (&["b"], false), (&["a", "b"], false), (&[], false)] {
        let world = World::new();
        world.know(&["a", "b"]);
        let id = original(&world, "default-my-web", targets);
        world.apply(&change).unwrap();
        let marked: Value = world.rancher.row(&id).unwrap()["metadata"]["lb-controller"]["loadBalancer"].clone();
        assert_eq!(marked == "default/my-web", adopted, "{targets:?}");
        assert!(adopted || is_standing(&world, &id));
    }
    // The separator twice, overlapping.
    let change =
        named("rancherlb-web").host("http-80", "foo.com", vec![prefix("/", "default/a/80")]).backends(&[("a", 8080)]);
    let world = World::new();
    world.know(&["a", "b"]);
    let id = original(&world, "default-rancherlb-rancherlb-web", &["b"]);
    world.apply(&change).unwrap();
    assert!(world.rancher.row(&id).unwrap()["metadata"]["lb-controller"].is_null());
}

#[test]
fn the_adopted_one_of_a_recreated_ingress_goes() {
    let world = World::new();
    world.know(&["a"]);
    let id = original(&world, "default-rancherlb-web", &["a"]);
    world.converge(&simple());
    let reborn = ingress()
        .host("http-80", "foo.com", vec![prefix("/", "default/a/80")])
        .backends(&[("a", 8080)])
        .owned_by("reborn");
    assert_eq!(world.converge(&reborn).readiness, Readiness::Ready);
    assert_ne!(world.only()["id"], id.as_str());
}
