//! The state machine of load balancers.

use serde_json::{Value, json};

use crate::scene::{Scene, id};

fn actions(scene: &Scene, path: &str) -> Vec<String> {
    let body = scene.get(path);
    body["actions"]
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| !name.ends_with("servicelink") && !name.ends_with("servicelinks"))
        .cloned()
        .collect()
}

#[test]
fn a_started_load_balancer_skips_inactive() {
    let scene = Scene::new();
    let answer = scene.post("/loadbalancerservices", &scene.balancer("web")).json();
    assert_eq!((&answer["state"], &answer["transitioning"]), (&json!("registering"), &json!("yes")));
    assert_eq!(answer["transitioningMessage"], "In Progress");
    let path = format!("/loadbalancerservices/{}", answer["id"].as_str().unwrap());
    scene.seconds(1);
    assert_eq!((scene.state(&path).as_str(), &scene.get(&path)["healthState"]), ("activating", &json!("initializing")));
    scene.seconds(1);
    let active = scene.get(&path);
    assert_eq!(
        (&active["state"], &active["transitioning"], &active["transitioningMessage"]),
        (&json!("active"), &json!("no"), &Value::Null)
    );
}

#[test]
fn without_start_it_stays_inactive_until_activated() {
    let scene = Scene::new();
    let mut body = scene.balancer("web");
    body["startOnCreate"] = json!(false);
    let path = scene.create(&body);
    scene.settle();
    assert_eq!(scene.state(&path), "inactive");
    let answer = scene.action(&path, "activate", &json!({}));
    assert_eq!((answer.status, &answer.json()["state"]), (202, &json!("activating")));
    scene.settle();
    assert_eq!(scene.state(&path), "active");
}

#[test]
fn each_state_offers_its_actions_and_never_a_purge() {
    let scene = Scene::new();
    let path = scene.active("web");
    for (state, offered) in [
        ("requested", vec!["create", "remove"]),
        ("inactive", vec!["activate", "remove", "update", "upgrade"]),
        ("activating", vec!["deactivate", "remove", "update", "upgrade"]),
        ("active", vec!["deactivate", "remove", "restart", "update", "upgrade"]),
        ("updating-inactive", vec!["deactivate", "remove"]),
        ("restarting", vec!["activate", "deactivate", "remove"]),
        ("upgraded", vec!["finishupgrade", "remove", "rollback"]),
        ("canceled-upgrade", vec!["continueupgrade", "remove", "rollback"]),
        ("removing", vec![]),
        ("removed", vec![]),
    ] {
        scene.rancher.set_state(id(&path), state);
        assert_eq!(actions(&scene, &path), offered, "{state}");
    }
    assert!(scene.get(&path)["actions"].get("setservicelinks").is_some());
}

#[test]
fn actions_unknown_and_unavailable_are_told_apart() {
    let scene = Scene::new();
    let path = scene.active("web");
    let unknown = scene.action(&path, "purge", &json!({}));
    assert_eq!((unknown.status, &unknown.json()["code"]), (422, &json!("InvalidAction")));
    Scene::refuses(&scene.action(&path, "activate", &json!({})), "ActionNotAvailable", "action");
    assert_eq!(scene.action(&path, "setservicelinks", &json!({})).status, 200);
}

#[test]
fn an_identical_put_still_updates_and_a_description_does_not() {
    let scene = Scene::new();
    let path = scene.active("web");
    let stored = scene.get(&path);
    for field in ["lbConfig", "launchConfig", "scale"] {
        let answer = scene.put(&path, &json!({ field: stored[field] }));
        assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("updating-active")), "{field}");
        scene.settle();
    }
    for body in [json!({ "description": "x" }), json!({ "name": "web" }), json!({})] {
        assert_eq!(scene.put(&path, &body).json()["state"], "active");
    }
    assert_eq!(scene.put(&path, &json!({ "name": "renamed" })).json()["state"], "updating-active");
}

#[test]
fn a_put_in_the_wrong_state_conflicts_but_is_stored() {
    let scene = Scene::new();
    let path = scene.active("web");
    for state in ["requested", "registering", "deactivating", "restarting", "removing", "removed"] {
        scene.rancher.set_state(id(&path), state);
        let config = json!({ "portRules": [], "config": state });
        let answer = scene.put(&path, &json!({ "lbConfig": config }));
        assert_eq!((answer.status, &answer.json()["code"]), (409, &json!("Conflict")), "{state}");
        assert_eq!(scene.get(&path)["lbConfig"]["config"], state);
    }
}

#[test]
fn a_put_during_an_upgrade_left_open_is_stored_and_starts_nothing() {
    let scene = Scene::new();
    let path = scene.active("web");
    scene.rancher.set_state(id(&path), "upgraded");
    let answer = scene.put(&path, &json!({ "lbConfig": {} }));
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("upgraded")));
    scene.settle();
    assert_eq!(scene.state(&path), "upgraded");
}

#[test]
fn a_put_while_activating_keeps_the_state_and_ends_active() {
    let scene = Scene::new();
    let path = scene.create(&scene.balancer("web"));
    scene.seconds(1);
    assert_eq!(scene.put(&path, &json!({ "lbConfig": {} })).json()["state"], "activating");
    scene.settle();
    assert_eq!(scene.state(&path), "active");
}

#[test]
fn deleting_is_idempotent_and_the_action_is_not() {
    let scene = Scene::new();
    let path = scene.active("web");
    for state in ["removing", "removing"] {
        let answer = scene.delete(&path);
        assert_eq!((answer.status, &answer.json()["state"]), (200, &json!(state)));
    }
    Scene::refuses(&scene.action(&path, "remove", &json!({})), "ActionNotAvailable", "action");
    scene.settle();
    let answer = scene.delete(&path);
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("removed")));
}

#[test]
fn a_removal_hangs_until_released() {
    let scene = Scene::new();
    let path = scene.active("web");
    scene.rancher.hold_removal(id(&path));
    scene.delete(&path);
    scene.seconds(3600);
    assert_eq!(scene.state(&path), "removing");
    scene.rancher.release_removal(id(&path));
    scene.settle();
    assert_eq!(scene.state(&path), "removed");
}

#[test]
fn an_upgrade_waits_to_be_finished() {
    let scene = Scene::new();
    scene.add_host("203.0.113.1");
    let path = scene.active("web");
    let before = scene.rancher.row(id(&path)).unwrap()["containers"][0]["id"].clone();
    let mut config = scene.get(&path)["launchConfig"].clone();
    config["labels"]["a"] = json!("b");
    let upgrade = json!({ "inServiceStrategy": { "launchConfig": config, "batchSize": 1, "intervalMillis": 2000 } });
    let answer = scene.action(&path, "upgrade", &upgrade);
    assert_eq!((answer.status, &answer.json()["state"]), (202, &json!("upgrading")));
    scene.settle();
    assert_eq!(scene.state(&path), "upgraded");
    assert_ne!(scene.rancher.row(id(&path)).unwrap()["containers"][0]["id"], before);
    assert_eq!(scene.action(&path, "finishupgrade", &json!({})).json()["state"], "finishing-upgrade");
    scene.settle();
    assert_eq!(
        (scene.state(&path).as_str(), &scene.get(&path)["launchConfig"]["labels"]["a"]),
        ("active", &json!("b"))
    );
}

#[test]
fn an_upgrade_can_be_cancelled_and_rolled_back() {
    let scene = Scene::new();
    let path = scene.active("web");
    let mut config = scene.get(&path)["launchConfig"].clone();
    config["labels"]["a"] = json!("b");
    Scene::refuses(&scene.action(&path, "upgrade", &json!({})), "MissingRequired", "inServiceStrategy");
    scene.action(&path, "upgrade", &json!({ "inServiceStrategy": { "launchConfig": config } }));
    assert_eq!(scene.action(&path, "cancelupgrade", &json!({})).json()["state"], "canceling-upgrade");
    scene.settle();
    assert_eq!(scene.state(&path), "canceled-upgrade");
    assert_eq!(scene.action(&path, "rollback", &json!({})).json()["state"], "rolling-back");
    scene.settle();
    let body = scene.get(&path);
    assert_eq!((&body["state"], &body["launchConfig"]["labels"]["a"]), (&json!("active"), &Value::Null));
}

#[test]
fn global_scheduling_cannot_be_switched() {
    let scene = Scene::new();
    let path = scene.active("web");
    let mut config = scene.get(&path)["launchConfig"].clone();
    config["labels"]["io.rancher.scheduler.global"] = json!("true");
    Scene::refuses(&scene.put(&path, &json!({ "launchConfig": config })), "InvalidOption", "labels");
    let upgrade = json!({ "inServiceStrategy": { "launchConfig": config } });
    Scene::refuses(&scene.action(&path, "upgrade", &upgrade), "InvalidOption", "labels");
}

#[test]
fn the_server_reconciles_by_itself() {
    let scene = Scene::new();
    let path = scene.active("web");
    scene.rancher.reconcile(id(&path));
    assert_eq!(scene.state(&path), "updating-active");
    scene.settle();
    assert_eq!(scene.state(&path), "active");
}

#[test]
fn users_deactivate_and_restart() {
    let scene = Scene::new();
    let path = scene.active("web");
    assert_eq!(scene.action(&path, "restart", &json!({})).json()["state"], "restarting");
    scene.settle();
    scene.rancher.deactivate(id(&path));
    assert_eq!(scene.state(&path), "deactivating");
    scene.settle();
    assert_eq!(scene.state(&path), "inactive");
    assert_eq!(scene.put(&path, &json!({ "scale": 2 })).json()["state"], "updating-inactive");
    scene.settle();
    assert_eq!(scene.state(&path), "inactive");
}
