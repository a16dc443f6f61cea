//! Public endpoints in all their shapes.

use std::time::Duration;

use lb_rancher_double::{Delays, Host, Options, Reschedule};
use serde_json::{Value, json};

use crate::scene::{PROJECT, Scene, id};

fn addresses(scene: &Scene, path: &str) -> Vec<String> {
    let body = scene.get(path);
    let list = body["publicEndpoints"].as_array().unwrap();
    list.iter().map(|each| each["ipAddress"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn they_come_later_than_active_one_for_each_host_and_port() {
    let scene = Scene::new();
    scene.add_host("203.0.113.1");
    scene.add_host("203.0.113.2");
    let mut body = scene.balancer("web");
    body["scale"] = json!(2);
    body["launchConfig"]["ports"] = json!(["80:80", "443:443"]);
    let path = scene.create(&body);
    scene.seconds(2);
    let early = scene.get(&path);
    assert_eq!((&early["state"], &early["publicEndpoints"]), (&json!("active"), &Value::Null));
    scene.seconds(1);
    let late = scene.get(&path);
    assert_eq!(late["healthState"], "healthy");
    assert_eq!(late["publicEndpoints"].as_array().unwrap().len(), 4);
    let first = &late["publicEndpoints"][0];
    assert_eq!(
        (&first["type"], &first["port"], &first["serviceId"]),
        (&json!("publicEndpoint"), &json!(80), &json!(id(&path)))
    );
}

#[test]
fn they_are_none_after_deactivation_and_while_removing() {
    let scene = Scene::new();
    scene.add_host("203.0.113.1");
    let path = scene.active("web");
    assert_eq!(addresses(&scene, &path), ["203.0.113.1"]);
    scene.rancher.deactivate(id(&path));
    scene.settle();
    assert_eq!(scene.get(&path)["publicEndpoints"], json!([]));
    scene.action(&path, "activate", &json!({}));
    scene.settle();
    scene.rancher.hold_removal(id(&path));
    scene.delete(&path);
    scene.seconds(2);
    assert_eq!((scene.state(&path).as_str(), &scene.get(&path)["publicEndpoints"]), ("removing", &json!([])));
}

#[test]
fn a_bind_address_shows_and_zero_does_not() {
    let scene = Scene::new();
    scene.add_host("203.0.113.1");
    let mut body = scene.balancer("web");
    body["launchConfig"]["ports"] = json!(["198.51.100.7:80:80", "0.0.0.0:81:81"]);
    let path = scene.create(&body);
    scene.settle();
    assert_eq!(addresses(&scene, &path), ["198.51.100.7", "203.0.113.1"]);
}

#[test]
fn some_releases_show_zero() {
    let scene = Scene::with(Options { unspecified_addresses: true, ..Options::default() });
    scene.add_host("203.0.113.1");
    let path = scene.active("web");
    assert_eq!(addresses(&scene, &path), ["0.0.0.0"]);
}

#[test]
fn several_address_records_repeat_an_endpoint() {
    let scene = Scene::new();
    let addresses_of_host = vec!["203.0.113.1".to_owned(), "10.0.0.1".to_owned()];
    scene.rancher.add_host(PROJECT, Host { name: "h".to_owned(), addresses: addresses_of_host, ..Host::default() });
    let path = scene.active("web");
    assert_eq!(addresses(&scene, &path), ["203.0.113.1", "203.0.113.1"]);
}

/// The distinct address lists seen while a container moves.
fn moves(shape: Reschedule) -> Vec<Vec<String>> {
    let scene = Scene::with(Options { delays: Delays::uniform(Duration::from_millis(100)), ..Options::default() });
    let from = scene.add_host("203.0.113.1");
    let path = scene.active("web");
    let to = scene.add_host("203.0.113.2");
    scene.rancher.reschedule(id(&path), &from, &to, shape);
    assert_eq!(scene.state(&path), "updating-active");
    let mut seen = vec![addresses(&scene, &path)];
    for _ in 0..200 {
        scene.millis(10);
        let mut now = addresses(&scene, &path);
        now.sort();
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    assert_eq!(scene.state(&path), "active");
    seen
}

#[test]
fn containers_move_in_three_shapes() {
    let (a, b) = ("203.0.113.1".to_owned(), "203.0.113.2".to_owned());
    let (only_a, only_b) = (vec![a.clone()], vec![b.clone()]);
    assert_eq!(moves(Reschedule::Direct), [only_a.clone(), only_b.clone()]);
    assert_eq!(moves(Reschedule::ThroughNone), [only_a.clone(), vec![], only_b.clone()]);
    assert_eq!(moves(Reschedule::ThroughBoth), [only_a, vec![a, b], only_b]);
}

#[test]
fn a_removed_host_gives_its_containers_to_another() {
    let scene = Scene::new();
    let host = scene.add_host("203.0.113.1");
    let path = scene.active("web");
    scene.add_host("203.0.113.2");
    scene.rancher.remove_host(&host);
    assert_eq!(scene.state(&path), "updating-active");
    scene.settle();
    assert_eq!((scene.state(&path).as_str(), addresses(&scene, &path)), ("active", vec!["203.0.113.2".to_owned()]));
}

#[test]
fn a_disconnected_or_inactive_host_keeps_its_endpoints() {
    let scene = Scene::new();
    let host = scene.add_host("203.0.113.1");
    let path = scene.active("web");
    scene.rancher.disconnect_host(&host);
    scene.rancher.deactivate_host(&host);
    scene.settle();
    assert_eq!(addresses(&scene, &path), ["203.0.113.1"]);
    assert_eq!(scene.get(&format!("/hosts/{host}"))["agentState"], "disconnected");
}

#[test]
fn an_external_dns_sets_the_name() {
    let scene = Scene::new();
    let path = scene.active("web");
    assert_eq!(scene.get(&path)["fqdn"], Value::Null);
    scene.rancher.set_fqdn(id(&path), Some("web.example"));
    assert_eq!(scene.get(&path)["fqdn"], "web.example");
}

#[test]
fn the_image_none_shows_what_the_client_writes() {
    let scene = Scene::new();
    scene.add_host("203.0.113.1");
    let mut body = scene.balancer("web");
    body["launchConfig"]["imageUuid"] = json!("docker:rancher/none");
    let path = scene.create(&body);
    scene.settle();
    let written = json!([{ "ipAddress": "192.0.2.1", "port": 80 }]);
    scene.put(&path, &json!({ "publicEndpoints": written }));
    scene.settle();
    assert_eq!(addresses(&scene, &path), ["192.0.2.1"]);
}
