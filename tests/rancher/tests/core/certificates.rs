//! Certificates: parsed, never compared with their key, protected only as a default.

use serde_json::{Value, json};

use crate::scene::Scene;

fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn certificate(name: &str) -> Value {
    let (cert, key) = pair();
    json!({ "name": name, "cert": cert, "key": key })
}

fn create(scene: &Scene, name: &str) -> String {
    let answer = scene.post("/certificates", &certificate(name));
    assert_eq!(answer.status, 201, "{}", answer.json());
    scene.settle();
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[test]
fn the_key_is_shown_once_and_stored() {
    let scene = Scene::new();
    let body = certificate("a");
    let made = scene.post("/certificates", &body).json();
    assert_eq!((&made["key"], &made["state"]), (&body["key"], &json!("activating")));
    let read = scene.get(&format!("/certificates/{}", made["id"].as_str().unwrap()));
    assert_eq!((&read["key"], &read["cert"]), (&Value::Null, &body["cert"]));
    assert_eq!(scene.rancher.certificates()[0]["key"], body["key"]);
}

#[test]
fn the_server_describes_the_certificate() {
    let scene = Scene::new();
    let read = scene.get(&format!("/certificates/{}", create(&scene, "a")));
    let fingerprint = read["certFingerprint"].as_str().unwrap();
    assert_eq!((fingerprint.len(), fingerprint.matches(':').count()), (59, 19));
    assert_eq!(fingerprint, fingerprint.to_lowercase());
    assert_eq!(read["CN"], "rcgen self signed cert");
    assert_eq!(read["subjectAlternativeNames"], json!(["a.example"]));
    assert!(read["expiresAt"].as_str().unwrap().contains(" UTC "));
    assert_eq!(read["state"], "active");
}

#[test]
fn a_certificate_must_parse_and_be_in_every_put() {
    let scene = Scene::new();
    let broken = json!({ "name": "a", "cert": "nonsense", "key": "k" });
    let answer = scene.post("/certificates", &broken);
    Scene::refuses(&answer, "InvalidFormat", "cert");
    assert!(answer.json()["message"].is_string());
    let path = format!("/certificates/{}", create(&scene, "a"));
    Scene::refuses(&scene.put(&path, &json!({ "description": "x" })), "InvalidFormat", "cert");
    Scene::refuses(&scene.post("/certificates", &json!({ "name": "b", "cert": pair().0 })), "MissingRequired", "key");
}

#[test]
fn a_rotation_keeps_the_id_and_takes_a_foreign_key() {
    let scene = Scene::new();
    let path = format!("/certificates/{}", create(&scene, "a"));
    let before = scene.get(&path)["certFingerprint"].clone();
    let answer = scene.put(&path, &json!({ "cert": pair().0, "key": pair().1 }));
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("updating-active")));
    assert_eq!(answer.json()["key"], Value::Null);
    scene.settle();
    assert_ne!(scene.get(&path)["certFingerprint"], before);
    assert_eq!(scene.state(&path), "active");
}

#[test]
fn names_of_certificates_are_unique_until_removed() {
    let scene = Scene::new();
    let path = format!("/certificates/{}", create(&scene, "ns/secret"));
    Scene::refuses(&scene.post("/certificates", &certificate("ns/secret")), "NotUnique", "name");
    scene.delete(&path);
    Scene::refuses(&scene.post("/certificates", &certificate("ns/secret")), "NotUnique", "name");
    scene.settle();
    assert_eq!(scene.post("/certificates", &certificate("ns/secret")).status, 201);
}

#[test]
fn only_a_default_certificate_is_protected() {
    let scene = Scene::new();
    let (default, other) = (create(&scene, "a"), create(&scene, "b"));
    let mut body = scene.balancer("web");
    body["lbConfig"]["defaultCertificateId"] = json!(default);
    body["lbConfig"]["certificateIds"] = json!([other]);
    let balancer = scene.create(&body);
    let answer = scene.delete(&format!("/certificates/{default}"));
    assert_eq!((answer.status, &answer.json()["code"]), (405, &json!("InvalidAction")));
    assert_eq!(scene.delete(&format!("/certificates/{other}")).status, 200);
    scene.settle();
    assert_eq!(scene.get(&balancer)["lbConfig"]["certificateIds"], json!([other]));
    scene.delete(&balancer);
    scene.settle();
    assert_eq!(scene.delete(&format!("/certificates/{default}")).status, 200);
}
