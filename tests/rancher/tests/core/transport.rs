//! Keys, scopes, paths, links and discovery.

use lb_rancher_double::{Key, KeyKind, Rancher, Request, Role};
use serde_json::{Value, json};

use crate::scene::{BASE, PROJECT, Scene};

fn status(rancher: &Rancher, key: &Key, method: &str, target: &str) -> u16 {
    rancher.handle(&Request::new(method, target).with_key(key)).status
}

#[test]
fn a_missing_or_wrong_key_is_challenged() {
    let scene = Scene::new();
    let answer = scene.rancher.handle(&Request::new("GET", "/v2-beta/stacks"));
    assert_eq!(answer.status, 401);
    assert!(answer.header("WWW-Authenticate").unwrap().starts_with("Basic realm="));
    let body = answer.json();
    assert_eq!((&body["code"], &body["type"]), (&json!("Unauthorized"), &json!("error")));
    assert!(body.get("fieldName").is_none());
    let wrong = Key { secret: "wrong".to_owned(), ..scene.key.clone() };
    assert_eq!(status(&scene.rancher, &wrong, "GET", "/v2-beta/stacks"), 401);
}

#[test]
fn the_challenge_can_be_suppressed() {
    let request = Request::new("GET", "/v2-beta/stacks").with_header("X-API-No-Challenge", "true");
    let answer = Rancher::default().handle(&request);
    assert_eq!((answer.status, answer.header("WWW-Authenticate")), (401, None));
}

#[test]
fn a_revoked_key_is_refused() {
    let scene = Scene::new();
    assert_eq!(status(&scene.rancher, &scene.key, "GET", "/v2-beta/stacks"), 200);
    scene.rancher.remove_key(&scene.key);
    assert_eq!(status(&scene.rancher, &scene.key, "GET", "/v2-beta/stacks"), 401);
}

#[test]
fn without_access_control_everybody_is_an_administrator() {
    let scene = Scene::new();
    scene.rancher.set_access_control(false);
    let create =
        |target: &str| scene.rancher.handle(&Request::new("POST", target).with_json(&json!({ "name": "x" }))).status;
    assert_eq!(create("/v2-beta/stacks"), 405);
    assert_eq!(create("/v2-beta/projects/1a5/stacks"), 201);
}

#[test]
fn an_environment_key_works_at_both_bases_and_in_no_other_project() {
    let scene = Scene::new();
    let other = scene.rancher.add_project("other");
    for target in ["/v2-beta/stacks", "/v2-beta/projects/1a5/stacks"] {
        assert_eq!(status(&scene.rancher, &scene.key, "GET", target), 200);
    }
    for project in [other.as_str(), "1a999", "nonsense"] {
        let answer = scene.send("GET", &format!("/v2-beta/projects/{project}/stacks"), None);
        assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("Forbidden")), "{project}");
    }
    scene.rancher.set_project_active(PROJECT, false);
    assert_eq!(status(&scene.rancher, &scene.key, "GET", "/v2-beta/stacks"), 403);
}

#[test]
fn a_user_key_may_write_only_within_a_project_of_its_own() {
    let scene = Scene::new();
    let account = |role| KeyKind::Account { memberships: vec![(PROJECT.to_owned(), role)] };
    let member = scene.rancher.add_key(account(Role::Member));
    let reader = scene.rancher.add_key(account(Role::ReadOnly));
    let stranger = scene.rancher.add_key(KeyKind::Account { memberships: Vec::new() });
    let post = |key: &Key, target: &str| {
        scene.rancher.handle(&Request::new("POST", target).with_key(key).with_json(&json!({ "name": "x" }))).status
    };
    assert_eq!(post(&member, "/v2-beta/stacks"), 405);
    assert_eq!(post(&reader, "/v2-beta/projects/1a5/stacks"), 405);
    assert_eq!(post(&stranger, "/v2-beta/projects/1a5/stacks"), 403);
    assert_eq!(post(&member, "/v2-beta/projects/1a5/stacks"), 201);
    assert_eq!(status(&scene.rancher, &reader, "GET", "/v2-beta/projects/1a5/stacks"), 200);
}

#[test]
fn the_project_can_come_from_a_header_or_the_query() {
    let scene = Scene::new();
    let key = scene.rancher.add_key(KeyKind::Admin);
    let request = Request::new("POST", "/v2-beta/stacks").with_key(&key);
    let by_header = request.clone().with_header("X-API-Project-Id", PROJECT).with_json(&json!({ "name": "a" }));
    assert_eq!(scene.rancher.handle(&by_header).status, 201);
    let by_query =
        Request { target: "/v2-beta/stacks?projectId=1a5".to_owned(), ..request }.with_json(&json!({ "name": "b" }));
    assert_eq!(scene.rancher.handle(&by_query).status, 201);
}

#[test]
fn the_old_version_does_not_answer() {
    let scene = Scene::new();
    for target in ["/v1/stacks", "/v1/projects/1a5/loadbalancerservices", "/stacks"] {
        assert_eq!(scene.send("GET", target, None).status, 404, "{target}");
    }
}

#[test]
fn the_schemas_header_loses_the_project_when_the_project_itself_is_read() {
    let scene = Scene::new();
    let header = |target: &str| scene.send("GET", target, None).header("X-API-Schemas").unwrap().to_owned();
    assert_eq!(header("/v2-beta/projects/1a5/stacks"), "http://h:8080/v2-beta/projects/1a5/schemas");
    assert_eq!(header("/v2-beta/projects/1a5"), "http://h:8080/v2-beta/schemas");
    assert_eq!(header("/v2-beta/projects/1a5/nonsense"), "http://h:8080/v2-beta/projects/1a5/schemas");
}

#[test]
fn schemas_tell_methods_fields_and_filters() {
    let scene = Scene::new();
    let schemas = scene.get("/schemas");
    let find = |id: &str| schemas["data"].as_array().unwrap().iter().find(|each| each["id"] == id).unwrap().clone();
    let balancer = find("loadBalancerService");
    assert_eq!(balancer["collectionMethods"], json!(["GET", "POST"]));
    assert_eq!(balancer["pluralName"], "loadBalancerServices");
    assert_eq!(balancer["links"]["collection"], "http://h:8080/v2-beta/projects/1a5/loadbalancerservices");
    assert_eq!(balancer["resourceFields"]["lbConfig"]["type"], "lbConfig");
    assert_eq!(balancer["resourceFields"]["scale"]["default"], 1);
    assert_eq!(balancer["resourceFields"]["externalId"]["update"], false);
    assert_eq!(balancer["collectionFilters"]["externalId"]["modifiers"][0], "eq");
    assert_eq!(find("kubernetesService")["collectionMethods"], json!(["GET"]));
    assert_eq!(find("portRule")["resourceFields"]["sourcePort"]["max"], 65535);
}

#[test]
fn the_schema_of_a_user_has_no_post() {
    let scene = Scene::new();
    let key = scene.rancher.add_key(KeyKind::Account { memberships: vec![(PROJECT.to_owned(), Role::Owner)] });
    let methods = |base: &str| {
        let target = format!("{base}/schemas/loadbalancerservice");
        scene.rancher.handle(&Request::new("GET", &target).with_key(&key)).json()["collectionMethods"].clone()
    };
    assert_eq!(methods("/v2-beta"), json!(["GET"]));
    assert_eq!(methods(BASE), json!(["GET", "POST"]));
}

#[test]
fn types_are_found_in_every_spelling() {
    let scene = Scene::new();
    for name in ["loadBalancerServices", "loadbalancerservices", "loadBalancerService", "loadbalancerservice"] {
        assert_eq!(scene.get(&format!("/{name}"))["resourceType"], "loadBalancerService");
    }
    assert_eq!(scene.send("GET", &format!("{BASE}/nonsense"), None).status, 404);
}

#[test]
fn links_are_absolute_and_lower_case_and_follow_the_request() {
    let scene = Scene::new();
    let path = scene.active("web");
    let body = scene.get(&path);
    assert_eq!(body["links"]["self"], format!("http://h:8080{BASE}{path}"));
    assert_eq!(body["actions"]["remove"], format!("http://h:8080{BASE}{path}/?action=remove"));
    let request = Request::new("GET", &format!("{BASE}{path}"))
        .with_key(&scene.key)
        .with_header("Host", "inner")
        .with_header("X-Forwarded-Proto", "https")
        .with_header("X-Forwarded-Host", "outer");
    assert_eq!(scene.rancher.handle(&request).json()["links"]["self"], format!("https://outer{BASE}{path}"));
}

#[test]
fn a_body_that_is_no_json_object_is_refused() {
    let scene = Scene::new();
    for body in ["{\"name\":", "[]", "7"] {
        let mut request = Request::new("POST", &format!("{BASE}/stacks")).with_key(&scene.key);
        request.body = body.as_bytes().to_vec();
        let answer = scene.rancher.handle(&request);
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("InvalidBodyContent")));
    }
}

#[test]
fn subscriptions_need_a_project_and_an_event() {
    let scene = Scene::new();
    let subscribe = |key: &Key, target: &str| {
        scene.rancher.subscribe(&Request::new("GET", target).with_key(key)).map_err(|answer| answer.status)
    };
    let user = scene.rancher.add_key(KeyKind::Account { memberships: vec![(PROJECT.to_owned(), Role::Member)] });
    let query = "subscribe?eventNames=resource.change";
    assert_eq!(subscribe(&scene.key, &format!("{BASE}/{query}")).unwrap().project, PROJECT);
    assert_eq!(subscribe(&user, &format!("/v2-beta/{query}")).unwrap_err(), 404);
    assert_eq!(subscribe(&user, &format!("{BASE}/{query}")).unwrap().project, PROJECT);
    assert_eq!(subscribe(&scene.key, &format!("{BASE}/subscribe")).unwrap_err(), 422);
    assert_eq!(subscribe(&scene.key, &format!("/v2-beta/projects/1a9/{query}")).unwrap_err(), 403);
    let subscriber = subscribe(&scene.key, &format!("{BASE}/{query}")).unwrap();
    scene.rancher.remove_key(&scene.key);
    assert!(!scene.rancher.is_authorized(&subscriber));
}

#[test]
fn changes_are_read_as_the_subscriber_would_see_them() {
    let scene = Scene::new();
    let request = Request::new("GET", &format!("{BASE}/subscribe?eventNames=resource.change")).with_key(&scene.key);
    let subscriber = scene.rancher.subscribe(&request).unwrap();
    let before = scene.rancher.latest_change();
    let path = scene.active("web");
    let changes = scene.rancher.changes_since(before);
    let change = changes.iter().rfind(|change| change.resource_type == "loadBalancerService").unwrap();
    assert_eq!(change.project, PROJECT);
    let read = scene.rancher.read(&subscriber, change).unwrap();
    assert_eq!((&read["state"], read["id"].as_str()), (&json!("active"), path.rsplit('/').next()));
    assert_ne!(read["links"]["self"], Value::Null);
}
