//! Stacks: their names, their states, and what goes with them.

use serde_json::json;

use crate::scene::Scene;

#[test]
fn a_stack_activates_by_itself() {
    let scene = Scene::new();
    let answer = scene.post("/stacks", &json!({ "name": "new", "externalId": "kubernetes-ingress-lbs://" }));
    assert_eq!((answer.status, &answer.json()["state"]), (201, &json!("activating")));
    let path = format!("/stacks/{}", answer.json()["id"].as_str().unwrap());
    assert!(scene.get(&path)["actions"].get("error").is_some());
    scene.settle();
    let actions = scene.get(&path)["actions"].clone();
    for action in ["update", "remove", "upgrade", "activateservices", "exportconfig"] {
        assert!(actions.get(action).is_some(), "{action} is missing in {actions}");
    }
}

#[test]
fn names_of_stacks_have_rules() {
    let scene = Scene::new();
    let refused = |body, code| Scene::refuses(&scene.post("/stacks", &body), code, "name");
    refused(json!({}), "MissingRequired");
    refused(json!({ "name": "" }), "MinLengthExceeded");
    refused(json!({ "name": "x".repeat(64) }), "MaxLengthExceeded");
    refused(json!({ "name": "a.b" }), "InvalidCharacters");
    refused(json!({ "name": "-a" }), "InvalidCharacters");
    refused(json!({ "name": "lbs" }), "NotUnique");
}

#[test]
fn removing_a_stack_removes_its_services_and_holds_its_name_meanwhile() {
    let scene = Scene::new();
    let balancer = scene.active("web");
    let stack = format!("/stacks/{}", scene.stack);
    scene.delete(&stack);
    assert_eq!(scene.state(&balancer), "removing");
    Scene::refuses(&scene.post("/stacks", &json!({ "name": "lbs" })), "NotUnique", "name");
    Scene::refuses(&scene.post("/loadbalancerservices", &scene.balancer("two")), "InvalidState", "stackId");
    scene.settle();
    assert_eq!((scene.state(&stack), scene.state(&balancer)), ("removed".to_owned(), "removed".to_owned()));
    assert_eq!(scene.post("/stacks", &json!({ "name": "lbs" })).status, 201);
}
