//! Lists: envelope, pages, order, filters, and what is hidden.

use serde_json::{Value, json};

use crate::scene::{BASE, Scene, id};

fn with_stacks(count: usize) -> Scene {
    let scene = Scene::new();
    for number in 0..count {
        scene.rancher.add_stack("1a5", &format!("s{number}"), None);
    }
    scene
}

#[test]
fn a_list_has_its_envelope() {
    let list = Scene::new().get("/stacks?name=lbs");
    assert_eq!((&list["type"], &list["resourceType"]), (&json!("collection"), &json!("stack")));
    assert_eq!(list["links"]["self"], format!("http://h:8080{BASE}/stacks"));
    assert_eq!(list["filters"]["name"], json!([{ "value": "lbs", "modifier": "eq" }]));
    assert_eq!(list["filters"]["state"], Value::Null);
    assert_eq!(list["pagination"]["total"], Value::Null);
    assert_eq!(list["pagination"]["limit"], 100);
}

#[test]
fn pages_follow_next_to_the_end() {
    let scene = with_stacks(148);
    let first = scene.get("/stacks?removed_null=1");
    assert_eq!((first["data"].as_array().unwrap().len(), &first["pagination"]["partial"]), (100, &json!(true)));
    let next = first["pagination"]["next"].as_str().unwrap();
    assert_eq!(next, format!("http://h:8080{BASE}/stacks?removed_null=1&marker=m100"));
    let second = scene.send("GET", next.strip_prefix("http://h:8080").unwrap(), None).json();
    assert_eq!(second["data"].as_array().unwrap().len(), 50);
    assert_eq!((&second["pagination"]["next"], &second["pagination"]["partial"]), (&Value::Null, &json!(false)));
}

#[test]
fn limits_beyond_reason_are_the_largest_one() {
    let scene = with_stacks(3);
    for limit in ["3001", "0", "-1"] {
        assert_eq!(scene.get(&format!("/stacks?limit={limit}"))["pagination"]["limit"], 3000);
    }
    assert_eq!(scene.ids("/stacks?limit=2").len(), 2);
}

#[test]
fn order_is_by_number_unless_asked_otherwise() {
    let scene = with_stacks(9);
    let ids = scene.ids("/stacks");
    assert_eq!((ids.first().unwrap().as_str(), ids.last().unwrap().as_str()), ("1st1", "1st11"));
    assert_eq!(scene.ids("/stacks?order=desc")[0], "1st11");
    assert_eq!(scene.get("/stacks?sort=name&order=desc")["data"][0]["name"], "s8");
}

#[test]
fn filters_compare_columns() {
    let scene = with_stacks(12);
    assert_eq!(scene.ids("/stacks?name=s3").len(), 1);
    assert_eq!(scene.ids("/stacks?name_prefix=s1").len(), 3);
    assert_eq!(scene.ids("/stacks?name_like=%251").len(), 2);
    assert_eq!(scene.ids("/stacks?name_notlike=s%25").len(), 2);
    assert_eq!(scene.ids("/stacks?name_ne=s3").len(), 13);
    assert_eq!(scene.ids("/stacks?externalId_notnull=1").len(), 1);
    assert_eq!(scene.ids("/stacks?externalId_null=1").len(), 13);
    assert_eq!(scene.ids("/stacks?externalId=kubernetes://default").len(), 1);
}

#[test]
fn unknown_filters_are_ignored_and_repeated_ones_must_all_hold() {
    let scene = with_stacks(2);
    assert_eq!(scene.ids("/stacks?nmae=s1").len(), 4);
    assert_eq!(scene.ids("/stacks?name_contains=s1").len(), 4);
    assert_eq!(scene.ids("/services?scale=2").len(), 1);
    assert_eq!(scene.ids("/stacks?name=s0&name=s1").len(), 0);
}

#[test]
fn references_are_filtered_by_formatted_id() {
    let scene = Scene::new();
    scene.active("web");
    assert_eq!(scene.ids(&format!("/loadbalancerservices?stackId={}", scene.stack)).len(), 1);
    assert_eq!(scene.ids("/loadbalancerservices?stackId=7").len(), 0);
}

#[test]
fn equality_ignores_case_as_production_databases_do() {
    assert_eq!(Scene::new().ids("/stacks?name=LBS").len(), 1);
    let strict = lb_rancher_double::Options { case_sensitive_filters: true, ..Default::default() };
    assert_eq!(Scene::with(strict).ids("/stacks?name=LBS").len(), 0);
}

#[test]
fn removing_is_listed_removed_is_hidden_and_readable_for_two_days() {
    let scene = Scene::new();
    let path = scene.active("web");
    assert_eq!(scene.delete(&path).status, 200);
    let listed = scene.get("/loadbalancerservices?removed_null=1");
    assert_eq!((&listed["data"][0]["state"], &listed["data"][0]["removed"]), (&json!("removing"), &Value::Null));
    scene.settle();
    assert!(scene.ids("/loadbalancerservices").is_empty());
    assert_eq!(scene.ids("/loadbalancerservices?removed_notnull=1"), [id(&path)]);
    let removed = scene.get(&path);
    assert_eq!(removed["state"], "removed");
    assert_eq!(removed["removedTS"].as_i64().unwrap() % 1000, 0);
    scene.seconds(48 * 3600 + 1);
    assert_eq!(scene.send("GET", &format!("{BASE}{path}"), None).status, 404);
}

#[test]
fn services_of_every_kind_share_a_list() {
    let scene = Scene::new();
    let path = scene.active("web");
    assert_eq!(scene.ids("/services"), [scene.target.as_str(), id(&path)]);
    let wrong_type = format!("{BASE}/kubernetesservices/{}", id(&path));
    assert_eq!(scene.send("GET", &wrong_type, None).status, 404);
}

#[test]
fn settings_are_read_by_name_and_never_filtered() {
    let scene = Scene::new();
    assert_eq!(scene.get("/settings/lb.instance.image")["value"], "rancher/lb-service-haproxy:v0.9.14");
    assert!(scene.ids("/settings?name=lb.instance.image").len() > 1);
    let setting = format!("{BASE}/settings/main_loop.delay");
    assert_eq!(scene.send("GET", &setting, None).status, 404);
    assert_eq!(scene.put("/settings/lb.instance.image", &json!({ "value": "x" })).status, 405);
    scene.rancher.set_setting("lb.instance.image", None);
    assert_eq!(scene.get("/settings/lb.instance.image")["value"], Value::Null);
}

#[test]
fn linked_resources_can_be_followed_and_included() {
    let scene = Scene::new();
    let path = scene.active("web");
    assert_eq!(scene.get(&format!("{path}/stack"))["name"], "lbs");
    assert_eq!(scene.get(&format!("{path}?include=stack"))["stack"]["name"], "lbs");
    assert_eq!(scene.ids(&format!("/stacks/{}/services", scene.stack)), [id(&path)]);
}
