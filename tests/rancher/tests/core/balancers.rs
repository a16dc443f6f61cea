//! Targets that go, and placement.

use std::collections::BTreeMap;

use lb_rancher_double::Host;
use serde_json::{Value, json};

use crate::scene::{PROJECT, Scene, id};

fn labelled(scene: &Scene, address: &str, role: &str) -> String {
    let labels = BTreeMap::from([("role".to_owned(), role.to_owned())]);
    scene.rancher.add_host(PROJECT, Host { name: address.to_owned(), addresses: vec![address.to_owned()], labels })
}

fn hosts(scene: &Scene, path: &str) -> Vec<Value> {
    let row = scene.rancher.row(id(path)).unwrap();
    row["containers"].as_array().unwrap().iter().map(|each| each["hostId"].clone()).collect()
}

#[test]
fn a_removed_target_takes_its_rules_along() {
    let scene = Scene::new();
    let other = scene.rancher.add_kubernetes_service(PROJECT, "uid-b", "default", "b");
    scene.settle();
    let mut body = scene.balancer("web");
    let kept = json!({ "sourcePort": 80, "targetPort": 1, "serviceId": other });
    body["lbConfig"]["portRules"] = json!([scene.rule(), kept]);
    let path = scene.create(&body);
    scene.settle();
    assert_eq!(
        scene.get(&path)["linkedServices"],
        json!({ "kube-default/web": scene.target, "kube-default/b": other })
    );
    scene.rancher.remove(&scene.target);
    scene.seconds(1);
    let stripped = scene.get(&path);
    assert_eq!(stripped["state"], "updating-active");
    assert_eq!(stripped["lbConfig"]["portRules"].as_array().unwrap().len(), 1);
    let rule = stripped["lbConfig"]["portRules"][0].as_object().unwrap();
    assert_eq!((rule.get("hostname"), &rule["serviceId"]), (Some(&Value::Null), &json!(other)));
}

#[test]
fn a_removed_target_is_still_accepted_and_then_dangles() {
    let scene = Scene::new();
    scene.rancher.remove(&scene.target);
    scene.settle();
    let path = scene.active("web");
    assert_eq!(scene.get(&path)["lbConfig"]["portRules"][0]["serviceId"], scene.target);
}

#[test]
fn a_replaced_kubernetes_service_has_another_id() {
    let scene = Scene::new();
    let path = scene.active("web");
    let new = scene.rancher.add_kubernetes_service(PROJECT, "uid-web-2", "default", "web");
    scene.settle();
    assert_ne!(new, scene.target);
    assert_eq!(scene.get(&format!("/services/{}", scene.target))["state"], "removed");
    assert_eq!(scene.get(&path)["lbConfig"]["portRules"], json!([]));
}

#[test]
fn without_hosts_it_is_active_and_empty() {
    let scene = Scene::new();
    let path = scene.active("web");
    assert_eq!((hosts(&scene, &path).len(), &scene.get(&path)["publicEndpoints"]), (0, &Value::Null));
}

#[test]
fn host_ports_are_exclusive_and_the_loser_recovers() {
    let scene = Scene::new();
    scene.add_host("203.0.113.1");
    let first = scene.active("first");
    let second = scene.create(&scene.balancer("second"));
    scene.settle();
    let stuck = scene.get(&second);
    assert_eq!((&stuck["state"], &stuck["transitioning"]), (&json!("activating"), &json!("error")));
    assert_eq!(stuck["transitioningMessage"], "Allocation failed: host needs ports 80/tcp available");
    scene.delete(&first);
    scene.seconds(180);
    assert_eq!(scene.state(&second), "active");
}

#[test]
fn scale_needs_as_many_hosts() {
    let scene = Scene::new();
    scene.add_host("203.0.113.1");
    let path = scene.active("web");
    scene.put(&path, &json!({ "scale": 2 }));
    scene.settle();
    assert_eq!((scene.state(&path).as_str(), hosts(&scene, &path).len()), ("updating-active", 1));
    scene.add_host("203.0.113.2");
    scene.seconds(180);
    assert_eq!((scene.state(&path).as_str(), &scene.get(&path)["currentScale"]), ("active", &json!(2)));
    scene.put(&path, &json!({ "scale": 0 }));
    scene.settle();
    assert_eq!(scene.get(&path)["publicEndpoints"], json!([]));
}

#[test]
fn host_labels_choose_hosts() {
    for (label, fits) in [("", 1), ("_ne", 0), ("_soft", 1), ("_soft_ne", 0)] {
        let scene = Scene::new();
        let hosts_by_role = [labelled(&scene, "203.0.113.1", "web"), labelled(&scene, "203.0.113.2", "edge")];
        let mut body = scene.balancer("web");
        body["launchConfig"]["labels"] =
            json!({ format!("io.rancher.scheduler.affinity:host_label{label}"): "role=edge" });
        let path = scene.create(&body);
        scene.settle();
        assert_eq!(hosts(&scene, &path), [json!(hosts_by_role[fits])], "{label}");
    }
}

#[test]
fn an_affinity_that_no_host_meets_fails() {
    let scene = Scene::new();
    labelled(&scene, "203.0.113.1", "web");
    let mut body = scene.balancer("web");
    body["launchConfig"]["labels"] = json!({ "io.rancher.scheduler.affinity:host_label": "role=edge" });
    let path = scene.create(&body);
    scene.settle();
    assert_eq!((scene.state(&path).as_str(), &scene.get(&path)["transitioning"]), ("activating", &json!("error")));
}

#[test]
fn global_runs_on_each_host_whatever_the_scale() {
    let scene = Scene::new();
    scene.add_host("203.0.113.1");
    scene.add_host("203.0.113.2");
    let mut body = scene.balancer("web");
    body["launchConfig"]["labels"] = json!({ "io.rancher.scheduler.global": "true" });
    let path = scene.create(&body);
    scene.settle();
    assert_eq!(hosts(&scene, &path).len(), 2);
    scene.add_host("203.0.113.3");
    scene.settle();
    assert_eq!(hosts(&scene, &path).len(), 3);
}

#[test]
fn placement_fails_with_the_message_of_a_test_and_recovers() {
    let scene = Scene::new();
    scene.add_host("203.0.113.1");
    let path = scene.active("web");
    scene.rancher.fail_placement(id(&path), "no room");
    scene.put(&path, &json!({ "scale": 1 }));
    scene.settle();
    let stuck = scene.get(&path);
    assert_eq!(
        (&stuck["state"], &stuck["transitioning"], &stuck["transitioningMessage"]),
        (&json!("updating-active"), &json!("error"), &json!("no room"))
    );
    scene.rancher.recover_placement(id(&path));
    scene.seconds(180);
    assert_eq!(scene.state(&path), "active");
}

#[test]
fn ports_change_in_place_unless_the_host_has_them_taken() {
    let scene = Scene::new();
    scene.add_host("203.0.113.1");
    let path = scene.active("web");
    let mut taken = scene.balancer("other");
    taken["launchConfig"]["ports"] = json!(["443:443"]);
    scene.create(&taken);
    scene.settle();
    let before = hosts(&scene, &path);
    let mut config = scene.get(&path)["launchConfig"].clone();
    config["ports"] = json!(["8080:80"]);
    scene.put(&path, &json!({ "launchConfig": config }));
    scene.settle();
    assert_eq!((hosts(&scene, &path), &scene.get(&path)["publicEndpoints"][0]["port"]), (before, &json!(8080)));
    config["ports"] = json!(["443:443"]);
    scene.put(&path, &json!({ "launchConfig": config }));
    scene.settle();
    assert_eq!((scene.state(&path).as_str(), &scene.get(&path)["transitioning"]), ("updating-active", &json!("error")));
}

#[test]
fn a_removal_hangs_while_the_host_is_disconnected() {
    let scene = Scene::new();
    let host = scene.add_host("203.0.113.1");
    let path = scene.active("web");
    scene.rancher.disconnect_host(&host);
    scene.delete(&path);
    scene.seconds(3600);
    assert_eq!(scene.state(&path), "removing");
    scene.rancher.activate_host(&host);
    scene.settle();
    assert_eq!(scene.state(&path), "removed");
}
