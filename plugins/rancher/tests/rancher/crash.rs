//! The conversation is cut after each request in turn, before or after the next one is carried out; then it is begun anew.

use lb_provider::{ChangeSet, testing::records::prefix};
use serde_json::{Value, json};

use crate::{
    certificates::{secured, tls},
    world::{Changes, Cut, PROJECT, World, simple},
};

/// Does it once without a cut, to count the requests, then once for each cut; each time in a world of its own.
fn cut_everywhere(prepare: &dyn Fn() -> World, act: &dyn Fn(&World), check: &dyn Fn(&World)) {
    let world = prepare();
    let before = world.count();
    act(&world);
    let requests = world.count() - before;
    assert!(requests > 0);
    for after in 0..requests {
        for (stored, rests) in [(false, false), (false, true), (true, false), (true, true)] {
            let world = prepare();
            let strangers = strangers(&world);
            world.cut(Some(Cut { after, stored }));
            act(&world);
            world.cut(None);
            if rests {
                world.settle();
            }
            check(&world);
            assert_eq!(self::strangers(&world), strangers, "after {after}, stored: {stored}, rests: {rests}");
            assert_eq!(
                world.rancher.stacks().iter().filter(|stack| stack["name"] == "kubernetes-ingress-lbs").count(),
                1
            );
        }
    }
}

/// A world with a stranger who has everything but our mark.
fn world() -> World {
    let world = World::new();
    world.know(&["a", "b"]);
    let stack = world.rancher.add_stack(PROJECT, "theirs", None);
    let fields = json!({
        "name": "default-web", "stackId": stack, "lbConfig": {}, "externalId": "kubernetes-ingress-lbs://default-web",
        "launchConfig": { "imageUuid": "docker:x/y", "ports": ["8080:8080"] },
    });
    world.rancher.add_service(PROJECT, "loadBalancerService", &fields).unwrap();
    world.settle();
    world
}

fn is_strangers(service: &Value) -> bool {
    service["name"] == "default-web"
}

/// What a stranger has, but for what the server does to it.
fn strangers(world: &World) -> Vec<Value> {
    let all = world.rancher.load_balancers().into_iter().filter(is_strangers);
    all.map(|service| {
        json!([service["id"], service["lbConfig"], service["launchConfig"], service["metadata"], service["state"]])
    })
    .collect()
}

/// Ours, after all has come to rest: exactly one.
fn ours(world: &World) -> Value {
    let ours: Vec<_> = world.rancher.load_balancers().into_iter().filter(|service| !is_strangers(service)).collect();
    assert_eq!(ours.len(), 1, "{ours:#?}");
    ours.into_iter().next().unwrap()
}

fn applied(change: &ChangeSet) -> impl Fn(&World) {
    // A cut may hit it or not.
    move |world| drop(world.apply(change))
}

/// The same again leads to exactly this, and then to no more writes.
fn ends_as(world: &World, change: &ChangeSet, certificates: usize) -> Value {
    world.converge(change);
    let count = world.count();
    world.apply(change).unwrap();
    assert_eq!(world.writes_since(count), [""; 0]);
    assert_eq!(world.rancher.certificates().len(), certificates);
    let service = ours(world);
    assert_eq!(service["state"], "active");
    service
}

fn moved() -> ChangeSet {
    crate::world::ingress()
        .host("http-80", "bar.com", vec![prefix("/", "default/b/80")])
        .backends(&[("b", 9090)])
        .scaled(2)
}

#[test]
fn a_create_is_never_doubled() {
    cut_everywhere(&world, &applied(&simple()), &|world| {
        assert_eq!(ends_as(world, &simple(), 0)["lbConfig"]["portRules"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn a_create_with_certificates_makes_each_once() {
    let (one, two) = (tls("one", 1), tls("two", 1));
    let change = secured(&[("a.com", &one), ("b.com", &two)]);
    let prepare = || {
        let world = world();
        one.reveal(&world);
        two.reveal(&world);
        world
    };
    cut_everywhere(&prepare, &applied(&change), &|world| {
        ends_as(world, &change, 2);
    });
}

#[test]
fn an_update_is_finished() {
    let prepare = || {
        let world = world();
        world.converge(&simple());
        world
    };
    cut_everywhere(&prepare, &applied(&moved()), &|world| {
        let service = ends_as(world, &moved(), 0);
        assert_eq!(service["lbConfig"]["portRules"][0]["hostname"], "bar.com");
        assert_eq!(service["scale"], 2);
    });
}

#[test]
fn a_rotation_is_finished() {
    let (old, new) = (tls("one", 1), tls("one", 2));
    let (before, after) = (secured(&[("a.com", &old)]), secured(&[("a.com", &new)]));
    let prepare = || {
        let world = world();
        old.reveal(&world);
        new.reveal(&world);
        world.converge(&before);
        world
    };
    cut_everywhere(&prepare, &applied(&after), &|world| {
        ends_as(world, &after, 1);
        assert_eq!(world.rancher.certificates()[0]["key"], new.key.as_str());
    });
}

#[test]
fn an_upgrade_is_finished() {
    let prepare = || {
        let world = world();
        world.converge(&simple());
        world
    };
    let change = simple().annotated("io.rancher.scheduler.affinity.host_label_soft", "role=edge");
    cut_everywhere(&prepare, &applied(&change), &|world| {
        let service = ends_as(world, &change, 0);
        assert_eq!(service["launchConfig"]["labels"]["io.rancher.scheduler.affinity:host_label_soft"], "role=edge");
    });
    // Cut where it is finished.
    let prepare = || {
        let world = prepare();
        world.apply(&change).unwrap();
        world.settle();
        world
    };
    cut_everywhere(&prepare, &applied(&change), &|world| {
        ends_as(world, &change, 0);
    });
}

#[test]
fn a_recreated_ingress_ends_with_one() {
    let prepare = || {
        let world = world();
        world.converge(&simple());
        world
    };
    let reborn = simple().owned_by("reborn");
    cut_everywhere(&prepare, &applied(&reborn), &|world| {
        assert_eq!(ends_as(world, &reborn, 0)["externalId"], "lb-controller://test-cluster/lb/reborn");
    });
}

#[test]
fn a_switch_to_global_ends_with_one() {
    let prepare = || {
        let world = world();
        world.converge(&simple());
        world
    };
    let global = simple().annotated("io.rancher.scheduler.global", "true");
    cut_everywhere(&prepare, &applied(&global), &|world| {
        assert_eq!(ends_as(world, &global, 0)["launchConfig"]["labels"]["io.rancher.scheduler.global"], "true");
    });
}

#[test]
fn an_adoption_is_finished() {
    let prepare = || {
        let world = world();
        let stack = world.rancher.add_stack(PROJECT, "kubernetes-ingress-lbs", Some("kubernetes-ingress-lbs://"));
        let fields = json!({
            "name": "default-rancherlb-web", "stackId": stack, "lbConfig": {}, "startOnCreate": true,
            "externalId": "kubernetes-ingress-lbs://default-rancherlb-web",
            "launchConfig": { "imageUuid": "docker:x/y", "ports": ["80:80"] },
        });
        world.rancher.add_service(PROJECT, "loadBalancerService", &fields).unwrap();
        world.settle();
        world
    };
    cut_everywhere(&prepare, &applied(&simple()), &|world| {
        assert_eq!(ends_as(world, &simple(), 0)["name"], "default-rancherlb-web");
    });
}

#[test]
fn a_removal_is_finished() {
    let prepare = || {
        let world = world();
        world.converge(&simple());
        world
    };
    let remove = |world: &World| drop(world.remove("default/web"));
    cut_everywhere(&prepare, &remove, &|world| {
        world.converge_removal("default/web");
        assert!(world.rancher.load_balancers().iter().all(is_strangers));
    });
}
