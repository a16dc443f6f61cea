//! How many requests there are, and in how many rounds.

use lb_provider::testing::records::prefix;
use serde_json::json;

use crate::world::{Changes, Cut, World, ingress, named, simple};

#[test]
fn a_fresh_create_takes_two_rounds() {
    let world = World::new();
    world.know(&["a"]);
    let other = named("other").host("http-80", "foo.com", vec![prefix("/", "default/a/80")]).backends(&[("a", 8080)]);
    world.apply(&other).unwrap();
    // The first of all makes the stack as well.
    assert_eq!(world.rounds(), 3);
    let count = world.count();
    world.apply(&simple()).unwrap();
    assert_eq!(world.rounds(), 2);
    assert_eq!(world.writes_since(count), ["POST /loadbalancerservices"]);
    assert_eq!(world.count() - count, 6);
}

#[test]
fn a_change_is_one_put_and_only_of_what_differs() {
    let world = World::new();
    world.know(&["a"]);
    world.converge(&simple());
    let (count, id) = (world.count(), world.only()["id"].as_str().unwrap().to_owned());
    world.rounds();
    world.apply(&simple().scaled(2)).unwrap();
    assert_eq!(world.rounds(), 2);
    assert_eq!(world.writes_since(count), [format!("PUT /loadbalancerservices/{id}")]);
    let (_, put) = world.host.requests().pop().unwrap();
    let body: serde_json::Value = serde_json::from_slice(&put.body).unwrap();
    let keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["metadata", "scale"]);
}

#[test]
fn many_targets_are_looked_up_in_one_list() {
    let world = World::new();
    let names: Vec<_> = (0..20).map(|number| format!("s{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    world.know(&names);
    let routes = names.iter().map(|name| prefix(&format!("/{name}"), &format!("default/{name}/80"))).collect();
    let backends: Vec<_> = names.iter().map(|name| (*name, 8080)).collect();
    let change = ingress().host("http-80", "foo.com", routes).backends(&backends);
    world.converge(&change);
    let count = world.count();
    world.apply(&change).unwrap();
    assert_eq!(world.count() - count, 5);
    assert_eq!(world.rules().len(), 20);
}

#[test]
fn a_look_at_everything_is_two_requests() {
    let world = World::new();
    world.know(&["a"]);
    for number in 0..20 {
        let change = named(&format!("i{number}")).host("http-80", "foo.com", vec![prefix("/", "default/a/80")]);
        world.apply(&change.backends(&[("a", 8080)])).unwrap();
    }
    world.settle();
    let count = world.count();
    assert_eq!(world.observe().len(), 20);
    assert_eq!(world.requests()[count..], ["GET /loadbalancerservices", "GET /certificates"]);

    let late =
        named("late").host("http-80", "foo.com", vec![prefix("/", "default/late/80")]).backends(&[("late", 8080)]);
    world.apply(&late).unwrap();
    let count = world.count();
    world.observe();
    assert_eq!(
        world.requests()[count..],
        ["GET /loadbalancerservices", "GET /certificates", "GET /kubernetesservices"]
    );
}

#[test]
fn the_image_is_asked_for_only_if_the_settings_name_none() {
    let world = World::new();
    world.know(&["a"]);
    world.set("image", json!("example/lb:v1"));
    world.converge(&simple());
    assert!(!world.requests().iter().any(|line| line.contains("/settings")));
    assert_eq!(world.only()["launchConfig"]["imageUuid"], "docker:example/lb:v1");
}

#[test]
fn in_an_outage_nothing_is_sent_twice() {
    let world = World::new();
    world.know(&["a"]);
    world.converge(&simple());
    world.cut(Some(Cut::default()));
    for call in [&|| world.apply(&simple()).is_err(), &|| world.try_observe().is_err()] as [&dyn Fn() -> bool; 2] {
        world.rounds();
        assert!(call());
        assert_eq!(world.rounds(), 1);
    }
}
