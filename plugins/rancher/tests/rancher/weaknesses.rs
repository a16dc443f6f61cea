//! What the original controller did wrong, as far as a provider can do it wrong. Those that the pure parts cannot get wrong
//! are tested beside them, and are named alike.

use lb_provider::{
    Address, Error, ObjectRef, Readiness, Removal,
    testing::records::{listener, object, prefix},
};
use serde_json::{Value, json};

use crate::world::{Changes, PROJECT, World, ingress, named, pending, simple};

fn state(world: &World) -> String {
    world.only()["state"].as_str().unwrap().to_owned()
}

#[test]
fn weakness_01_a_recreate_waits_for_removed_and_not_for_purged() {
    let world = World::new();
    world.know(&["a"]);
    world.converge(&simple());
    let old = world.only()["id"].clone();
    let global = simple().annotated("io.rancher.scheduler.global", "true");
    // Every call comes back at once, and says what it waits for.
    let error = world.apply(&global).unwrap_err();
    assert!(matches!(&error, Error::Unavailable(retry) if retry.message.contains("made again")), "{error:?}");
    assert!(matches!(&world.apply(&global), Err(Error::Unavailable(retry)) if retry.message.contains("is removing")));
    world.settle();
    assert!(world.apply(&global).is_ok());
    assert_ne!(world.only()["id"], old);
    assert_eq!(world.converge(&global).readiness, Readiness::Ready);
}

#[test]
fn weakness_02_activating_is_not_active() {
    let world = World::new();
    world.know(&["a"]);
    world.apply(&simple()).unwrap();
    while state(&world) != "activating" {
        world.rancher.advance(std::time::Duration::from_millis(250));
    }
    // Which the action to deactivate would not have told.
    assert!(pending(&world.observe()[0].readiness).contains("activating"));
}

#[test]
fn weakness_03_a_new_load_balancer_has_all_its_rules_from_the_start() {
    let world = World::new();
    world.know(&["a"]);
    world.apply(&simple()).unwrap();
    // Nothing has been activated yet.
    assert_eq!(world.rules().len(), 1);
    assert_eq!(world.only()["launchConfig"]["ports"].as_array().unwrap().len(), 1);
}

#[test]
fn weakness_04_ports_change_in_place() {
    let world = World::new();
    world.know(&["a"]);
    world.converge(&simple());
    let before = world.only();
    let mut change = simple();
    change.listeners.upsert.push(listener("http-99", 99, lb_provider::Protocol::Http));
    let change = change.host("http-99", "foo.com", vec![prefix("/", "default/a/80")]);
    let count = world.count();
    world.converge(&change);
    let after = world.only();
    assert_eq!(after["id"], before["id"]);
    assert_eq!(after["launchConfig"]["ports"], json!(["80:80/tcp", "99:99/tcp"]));
    let writes = world.writes_since(count);
    assert_eq!(writes, [format!("PUT /loadbalancerservices/{}", after["id"].as_str().unwrap())]);
    // What Rancher added on create is still there.
    for kept in ["healthCheck", "imageUuid"] {
        assert_eq!(after["launchConfig"][kept], before["launchConfig"][kept], "{kept}");
        assert!(!after["launchConfig"][kept].is_null(), "{kept}");
    }
    assert_eq!(after["launchConfig"]["labels"], before["launchConfig"]["labels"]);
}

#[test]
fn weakness_05_scale_labels_and_image_are_followed_both_ways() {
    let world = World::new();
    world.know(&["a"]);
    let labelled = simple().scaled(2).annotated("io.rancher.custom", "x").annotated("config", "global");
    world.converge(&labelled);
    let service = world.only();
    assert_eq!(service["scale"], 2);
    assert_eq!(service["launchConfig"]["labels"]["io.rancher.custom"], "x");
    // And back.
    world.converge(&simple());
    let service = world.only();
    assert_eq!(service["scale"], 1);
    assert!(service["launchConfig"]["labels"].get("io.rancher.custom").is_none());
    assert_eq!(service["launchConfig"]["labels"]["io.rancher.container.create_agent"], "true");
    assert_eq!(service["lbConfig"]["config"].as_str().unwrap_or_default(), "");

    // A scale that no Ingress asks for is for Rancher's users.
    world.rancher.edit(service["id"].as_str().unwrap(), &json!({ "scale": 3 }));
    world.converge(&simple());
    assert_eq!(world.only()["scale"], 3);
}

#[test]
fn weakness_05_the_image_and_what_places_containers_are_upgraded() {
    let world = World::new();
    world.know(&["a"]);
    world.converge(&simple());
    let id = world.only()["id"].clone();
    world.set("image", json!("rancher/lb-service-haproxy:v0.9.15"));
    let placed = simple().annotated("io.rancher.scheduler.affinity.host_label_soft", "role=edge");
    let count = world.count();
    world.converge(&placed);
    let service = world.only();
    assert_eq!((&service["id"], service["state"].as_str()), (&id, Some("active")));
    assert_eq!(service["launchConfig"]["imageUuid"], "docker:rancher/lb-service-haproxy:v0.9.15");
    assert_eq!(service["launchConfig"]["labels"]["io.rancher.scheduler.affinity:host_label_soft"], "role=edge");
    assert_eq!(service["launchConfig"]["labels"]["io.rancher.container.create_agent"], "true");
    let path = format!("/loadbalancerservices/{}", id.as_str().unwrap());
    let expected = [format!("PUT {path}"), format!("POST {path}?upgrade"), format!("POST {path}?finishupgrade")];
    assert_eq!(world.writes_since(count), expected);
    world.converge(&simple());
    assert!(world.only()["launchConfig"]["labels"].get("io.rancher.scheduler.affinity:host_label_soft").is_none());
}

#[test]
fn weakness_08_a_missing_target_leaves_the_rest_live() {
    let world = World::new();
    world.know(&["a"]);
    let change = ingress()
        .host("http-80", "foo.com", vec![prefix("/late", "default/late/80"), prefix("/", "default/a/80")])
        .backends(&[("a", 8080), ("late", 9090)]);
    let outcome = world.apply(&change).unwrap();
    assert_eq!(pending(&outcome.readiness), "Rancher does not know the Service default/late yet; the rest is served");
    assert_eq!(world.rules().len(), 1);
    world.settle();
    let observed = world.observe().remove(0);
    assert_eq!(observed.drift, None);
    assert!(matches!(observed.readiness, Readiness::Pending(_)));
    // Looking at it again writes nothing.
    let count = world.count();
    world.apply(&change).unwrap();
    assert_eq!(world.writes_since(count), [""; 0]);
    world.know(&["late"]);
    assert_eq!(world.observe()[0].drift.as_deref(), Some("Rancher learned of a Service that was missing"));
    assert_eq!(world.converge(&change).readiness, Readiness::Ready);
    assert_eq!(world.rules().len(), 2);
}

#[test]
fn weakness_11_what_nobody_wants_is_reported_until_it_is_removed() {
    let world = World::new();
    world.know(&["a"]);
    for name in ["one", "two"] {
        let backends = [("a", 8080)];
        let change = named(name).host("http-80", "foo.com", vec![prefix("/", "default/a/80")]).backends(&backends);
        world.apply(&change).unwrap();
    }
    world.settle();
    let ids = |world: &World| world.observe().into_iter().map(|observed| observed.load_balancer).collect::<Vec<_>>();
    assert_eq!(ids(&world), ["default/one", "default/two"]);
    world.converge_removal("default/one");
    assert_eq!(ids(&world), ["default/two"]);
}

#[test]
fn weakness_13_a_failing_api_is_an_error_and_not_an_empty_list() {
    let world = World::new();
    world.know(&["a"]);
    world.converge(&simple());
    world.cut(Some(crate::world::Cut::default()));
    assert!(matches!(world.try_observe(), Err(Error::Unavailable(_))));
    assert!(matches!(world.apply(&simple()), Err(Error::Unavailable(_))));
}

#[test]
fn weakness_14_a_removing_load_balancer_is_not_taken_for_one() {
    let world = World::new();
    world.know(&["a"]);
    world.converge(&simple());
    let id = world.only()["id"].as_str().unwrap().to_owned();
    world.rancher.hold_removal(&id);
    world.rancher.remove(&id);
    world.settle();
    assert_eq!(state(&world), "removing");
    assert!(world.observe().is_empty());
    let count = world.count();
    assert!(matches!(world.apply(&simple()), Err(Error::Unavailable(retry)) if retry.message.contains("is removing")));
    assert!(matches!(world.remove("default/web"), Ok(Removal::Pending(_))));
    assert_eq!(world.writes_since(count), [""; 0]);
    world.rancher.release_removal(&id);
    world.settle();
    assert_eq!(world.converge(&simple()).readiness, Readiness::Ready);
    assert_ne!(world.only()["id"], id.as_str());
}

#[test]
fn weakness_14_an_upgrade_that_a_user_left_is_left_alone() {
    let world = World::new();
    world.know(&["a", "b"]);
    world.converge(&simple());
    let id = world.only()["id"].as_str().unwrap().to_owned();
    world.rancher.set_state(&id, "upgraded");
    let other = ingress().host("http-80", "foo.com", vec![prefix("/", "default/b/80")]).backends(&[("b", 8080)]);
    let count = world.count();
    let error = world.apply(&other).unwrap_err();
    assert!(
        matches!(&error, Error::Unavailable(retry) if retry.message.contains("is upgraded in Rancher")),
        "{error:?}"
    );
    assert!(pending(&world.apply(&simple()).unwrap().readiness).contains("waits to be finished or rolled back"));
    assert_eq!(world.observe()[0].drift, None);
    assert_eq!(world.writes_since(count), [""; 0]);
    world.rancher.set_state(&id, "active");
    world.converge(&other);
    assert_eq!(world.rules()[0]["hostname"], "foo.com");
}

#[test]
fn weakness_14_what_a_409_stored_is_done_all_the_same() {
    let world = World::new();
    world.know(&["a", "b"]);
    world.converge(&simple());
    let other = ingress().host("http-80", "bar.com", vec![prefix("/", "default/b/80")]).backends(&[("b", 8080)]);
    world.refuse(crate::world::Refusal { request: "PUT /loadbalancerservices", status: 409, stored: true });
    assert!(matches!(world.apply(&other), Err(Error::Conflict(_))));
    // What is stored is what is wanted, yet it is written again, whole.
    assert_eq!(world.rules()[0]["hostname"], "bar.com");
    world.settle();
    assert!(world.observe()[0].drift.is_some());
    let count = world.count();
    world.converge(&other);
    assert_eq!(world.writes_since(count).len(), 1);
    let body = world.host.requests().into_iter().rfind(|(_, request)| request.method == "PUT").unwrap().1.body;
    assert!(serde_json::from_slice::<Value>(&body).unwrap()["lbConfig"]["portRules"].is_array());
}

#[test]
fn weakness_15_names_that_the_original_could_not_make_are_made() {
    let world = World::new();
    world.know(&["a"]);
    let long = "x".repeat(200);
    let names = ["web.example.com", "a--b", &long, "web-rancherlb-web"];
    for name in names {
        let change = named(name).host("http-80", "foo.com", vec![prefix("/", "default/a/80")]).backends(&[("a", 8080)]);
        world.apply(&change).unwrap();
    }
    world.settle();
    let mut found: Vec<_> = world.observe().into_iter().map(|observed| observed.load_balancer).collect();
    let mut expected = names.map(|name| format!("default/{name}"));
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn weakness_16_a_stack_of_the_same_name_is_used_whoever_made_it() {
    let world = World::new();
    world.know(&["a"]);
    let stack = world.rancher.add_stack(PROJECT, "kubernetes-ingress-lbs", None);
    world.converge(&simple());
    assert_eq!(world.only()["stackId"], stack.as_str());
    assert_eq!(world.rancher.stacks().iter().filter(|stack| stack["name"] == "kubernetes-ingress-lbs").count(), 1);
}

#[test]
fn weakness_17_lists_are_read_to_their_end() {
    let world = World::new();
    world.know(&["a"]);
    world.converge(&simple());
    let stack = world.only()["stackId"].as_str().unwrap().to_owned();
    let template = world.only();
    for number in 0..3000 {
        let fields = json!({
            "name": format!("theirs-{number}"), "stackId": stack, "lbConfig": {},
            "launchConfig": { "imageUuid": template["launchConfig"]["imageUuid"], "ports": [] },
        });
        world.rancher.add_service(PROJECT, "loadBalancerService", &fields).unwrap();
    }
    // The last of all.
    let last = named("last").host("http-80", "foo.com", vec![prefix("/", "default/a/80")]).backends(&[("a", 8080)]);
    world.apply(&last).unwrap();
    let count = world.count();
    let ids: Vec<_> = world.observe().into_iter().map(|observed| observed.load_balancer).collect();
    assert_eq!(ids, ["default/last", "default/web"]);
    // Two pages, and the certificates.
    assert_eq!(world.count() - count, 3);
}

#[test]
fn weakness_19_without_a_port_no_load_balancer_is_made_and_one_that_is_there_keeps_its_place() {
    let world = World::new();
    world.know(&["a"]);
    let mut nothing = simple();
    nothing.listeners.upsert.clear();
    nothing.virtual_hosts.upsert.clear();
    let Err(Error::Invalid(rejections)) = world.apply(&nothing) else { panic!("it is refused") };
    assert!(rejections[0].message.starts_with("there is no port to serve: plain HTTP is switched off"));
    assert!(world.rancher.load_balancers().is_empty());

    let addresses = world.converge(&simple()).addresses;
    let before = world.only();
    let outcome = world.apply(&nothing).unwrap();
    assert_eq!(outcome.rejections.len(), 1);
    world.settle();
    assert_eq!(world.rules(), [json!(null); 0]);
    let after = world.only();
    assert_eq!((&after["id"], &after["launchConfig"]), (&before["id"], &before["launchConfig"]));
    let observed = world.converge(&nothing);
    assert_eq!((observed.readiness, observed.addresses), (Readiness::Ready, addresses));
    let count = world.count();
    world.apply(&nothing).unwrap();
    assert_eq!(world.writes_since(count), [""; 0]);
    // And back again.
    world.converge(&simple());
    assert_eq!((world.rules().len(), &world.only()["id"]), (1, &before["id"]));
}

#[test]
fn weakness_20_strangers_are_never_touched() {
    let world = World::new();
    world.know(&["a"]);
    world.converge(&simple());
    let ours = world.only();
    let fields = |name: &str, external_id: Option<&str>| {
        json!({
            "name": name, "stackId": ours["stackId"], "externalId": external_id, "lbConfig": {}, "metadata": ours["metadata"],
            "launchConfig": { "imageUuid": ours["launchConfig"]["imageUuid"], "ports": ["81:81"] },
        })
    };
    // One that says our words, one of another cluster, one whose cluster has a longer name.
    let strangers = [
        ("default-web", None),
        ("default-web-x", Some("lb-controller://other-cluster/lb/ingress-web")),
        ("default-web-y", Some("lb-controller://test-cluster/lb/else/ingress-web")),
    ];
    let add = |(name, id): (&str, Option<&str>)| {
        world.rancher.add_service(PROJECT, "loadBalancerService", &fields(name, id)).unwrap()
    };
    let strangers = strangers.map(add);
    world.settle();
    let before = strangers.each_ref().map(|id| world.rancher.row(id).unwrap());
    world.converge(&simple().scaled(2));
    assert_eq!(world.observe().len(), 1);
    world.converge_removal("default/web");
    assert!(world.observe().is_empty());
    assert_eq!(strangers.each_ref().map(|id| world.rancher.row(id).unwrap()), before);
}

#[test]
fn weakness_21_a_recreated_ingress_has_a_load_balancer_of_its_own() {
    let world = World::new();
    world.know(&["a"]);
    world.converge(&simple());
    let old = world.only()["id"].clone();
    let reborn = simple().owned_by("reborn");
    world.apply(&reborn).unwrap();
    let observed = world.observe();
    assert_eq!(observed.len(), 1);
    assert_eq!(observed[0].owner_uid.as_deref(), Some("reborn"));
    assert_eq!(world.converge(&reborn).readiness, Readiness::Ready);
    assert_ne!(world.only()["id"], old);
}

#[test]
fn weakness_21_another_cluster_has_load_balancers_of_its_own() {
    let world = World::new();
    world.know(&["a"]);
    world.converge(&simple());
    world.host.set_controller("other-cluster/lb");
    assert!(world.observe().is_empty());
    let addresses: Vec<Address> = world.apply(&simple()).unwrap().addresses;
    assert!(addresses.is_empty());
    assert_eq!(world.rancher.load_balancers().len(), 2);
    world.converge_removal("default/web");
    assert_eq!(world.only()["externalId"], "lb-controller://test-cluster/lb/ingress-web");
    let ObjectRef { uid, .. } = object("Ingress", "web");
    assert_eq!(uid, "ingress-web");
}
