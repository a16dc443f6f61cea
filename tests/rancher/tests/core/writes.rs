//! What a write stores, and what it is refused for.

use lb_rancher_double::Options;
use serde_json::{Value, json};

use crate::scene::{Scene, id};

#[test]
fn unknown_and_unwritable_fields_are_dropped() {
    let scene = Scene::new();
    let mut body = scene.balancer("web");
    body["nonsense"] = json!(1);
    body["healthState"] = json!("splendid");
    let path = scene.create(&body);
    assert!(scene.get(&path).get("nonsense").is_none());
    assert_ne!(scene.get(&path)["healthState"], "splendid");
    scene.settle();
    let answer = scene.put(&path, &json!({ "externalId": "x", "stackId": "1st99", "state": "removed" }));
    assert_eq!(answer.status, 200);
    assert_eq!((&answer.json()["externalId"], &answer.json()["state"]), (&Value::Null, &json!("active")));
}

#[test]
fn each_top_level_key_is_replaced_whole() {
    let scene = Scene::new();
    let mut body = scene.balancer("web");
    body["lbConfig"]["config"] = json!("global");
    let path = scene.create(&body);
    scene.settle();
    let answer = scene.put(&path, &json!({ "lbConfig": { "portRules": [scene.rule()] } })).json();
    assert!(answer["lbConfig"].get("config").is_none());
    assert_eq!(answer["scale"], 1);
}

#[test]
fn nested_objects_get_types_and_defaults_but_no_nulls() {
    let scene = Scene::new();
    let mut body = scene.balancer("web");
    body["lbConfig"]["stickinessPolicy"] = json!({ "cookie": "S", "indirect": "true" });
    let config = scene.get(&scene.create(&body))["lbConfig"].clone();
    let rule = &config["portRules"][0];
    assert_eq!(
        (&config["type"], &rule["type"], &rule["protocol"]),
        (&json!("lbConfig"), &json!("portRule"), &json!("http"))
    );
    assert!(rule.get("path").is_none());
    let policy = &config["stickinessPolicy"];
    assert_eq!(policy["type"], "loadBalancerCookieStickinessPolicy");
    assert_eq!((&policy["mode"], &policy["indirect"]), (&json!("insert"), &json!(true)));
}

#[test]
fn scale_defaults_to_one_and_may_be_none_at_all() {
    let scene = Scene::new();
    let mut body = scene.balancer("web");
    body["scale"] = Value::Null;
    assert_eq!(scene.get(&scene.create(&body))["scale"], 1);
    let mut none = scene.balancer("none");
    none["scale"] = json!(0);
    assert_eq!(scene.get(&scene.create(&none))["scale"], 0);
}

fn refused(change: impl FnOnce(&Scene, &mut Value), code: &str, field: &str) {
    let scene = Scene::new();
    let mut body = scene.balancer("web");
    change(&scene, &mut body);
    Scene::refuses(&scene.post("/loadbalancerservices", &body), code, field);
}

#[test]
fn names_of_services_have_rules() {
    for (name, code) in [
        ("", "MinLengthExceeded"),
        ("a.b", "InvalidCharacters"),
        ("a--b", "InvalidCharacters"),
        ("-a", "InvalidCharacters"),
        ("a-", "InvalidCharacters"),
    ] {
        refused(|_, body| body["name"] = json!(name), code, "name");
    }
    refused(|_, body| body["name"] = json!("x".repeat(64)), "MaxLengthExceeded", "name");
}

#[test]
fn top_level_fields_have_rules() {
    refused(|_, body| body["scale"] = json!(-1), "MinLimitExceeded", "scale");
    refused(|_, body| body["scale"] = json!("many"), "InvalidFormat", "scale");
    refused(|_, body| body["externalId"] = json!("x".repeat(256)), "MaxLengthExceeded", "externalId");
    refused(|_, body| body["scalePolicy"] = json!({ "min": 3, "max": 2 }), "MaxLimitExceeded", "min");
    for field in ["name", "launchConfig", "lbConfig"] {
        refused(|_, body| body.as_object_mut().unwrap().remove(field).map_or((), drop), "MissingRequired", field);
    }
}

#[test]
fn the_stack_must_be_alive_and_of_the_project() {
    refused(|_, body| body["stackId"] = json!("1st99"), "InvalidReference", "stackId");
    refused(|_, body| body.as_object_mut().unwrap().remove("stackId").map_or((), drop), "InvalidState", "stackId");
    refused(
        |scene, body| {
            let project = scene.rancher.add_project("other");
            body["stackId"] = json!(scene.rancher.add_stack(&project, "x", None));
        },
        "InvalidReference",
        "stackId",
    );
    refused(|scene, _| scene.rancher.set_state(&scene.stack, "error"), "InvalidState", "stackId");
}

#[test]
fn port_rules_have_rules() {
    for (change, code, field) in [
        (json!({ "sourcePort": null }), "MissingRequired", "sourcePort"),
        (json!({ "sourcePort": 0 }), "MinLimitExceeded", "sourcePort"),
        (json!({ "sourcePort": 65536 }), "MaxLimitExceeded", "sourcePort"),
        (json!({ "sourcePort": 42 }), "InvalidOption", "sourcePort"),
        (json!({ "serviceId": null }), "MissingRequired", "serviceId"),
        (json!({ "selector": "a=b" }), "InvalidOption", "serviceId"),
        (json!({ "serviceId": "1s999" }), "InvalidReference", "serviceId"),
        (json!({ "targetPort": null }), "MissingRequired", "targetPort"),
        (json!({ "protocol": "quic" }), "InvalidOption", "protocol"),
        (json!({ "priority": 0 }), "MinLimitExceeded", "priority"),
        (json!({ "weight": 257 }), "MaxLimitExceeded", "weight"),
        (json!({ "region": "eu" }), "MissingRequired", "environment"),
    ] {
        refused(
            |_, body| {
                let rule = body["lbConfig"]["portRules"][0].as_object_mut().unwrap();
                rule.extend(change.as_object().unwrap().clone());
            },
            code,
            field,
        );
    }
}

#[test]
fn the_rest_of_the_configuration_has_rules() {
    refused(|_, body| body["lbConfig"]["portRules"] = Value::Null, "NotNullable", "portRules");
    refused(
        |_, body| body["lbConfig"]["defaultCertificateId"] = json!("1c9"),
        "InvalidReference",
        "defaultCertificateId",
    );
    refused(|_, body| body["lbConfig"]["certificateIds"] = json!(["1c9"]), "InvalidReference", "certificateIds");
    refused(|_, body| body["lbConfig"]["stickinessPolicy"] = json!({ "cookie": null }), "NotNullable", "cookie");
    refused(|_, body| body["lbConfig"]["stickinessPolicy"] = json!({ "mode": "eat" }), "InvalidOption", "mode");
}

#[test]
fn ports_and_images_have_rules() {
    for (port, code) in [
        ("80:http", "PortWrongFormat"),
        ("70000:80", "PortInvalidPublicPort"),
        ("80:70000", "PortInvalidPrivatePort"),
        ("80:80/sctp", "PortInvalidProtocol"),
    ] {
        refused(|_, body| body["launchConfig"]["ports"] = json!([port]), code, "ports");
    }
    refused(|_, body| body["launchConfig"]["ports"] = json!([null]), "MissingRequired", "ports");
    refused(|_, body| body["launchConfig"]["imageUuid"] = json!("haproxy"), "InvalidReference", "imageUuid");
}

#[test]
fn names_clash_whatever_case_and_kind_until_the_other_is_removed() {
    let scene = Scene::new();
    let path = scene.active("web");
    Scene::refuses(&scene.post("/loadbalancerservices", &scene.balancer("WEB")), "NotUnique", "name");
    let dns = json!({ "name": "dns", "stackId": scene.stack });
    scene.rancher.add_service("1a5", "dnsService", &dns).unwrap();
    Scene::refuses(&scene.post("/loadbalancerservices", &scene.balancer("dns")), "NotUnique", "name");
    scene.delete(&path);
    Scene::refuses(&scene.post("/loadbalancerservices", &scene.balancer("web")), "NotUnique", "name");
    scene.settle();
    scene.create(&scene.balancer("web"));
}

#[test]
fn a_default_registry_is_put_before_images() {
    let scene = Scene::with(Options { default_registry: Some("reg.example:5000".to_owned()), ..Options::default() });
    let path = scene.create(&scene.balancer("web"));
    let image = &scene.get(&path)["launchConfig"]["imageUuid"];
    assert_eq!(image, "docker:reg.example:5000/rancher/lb-service-haproxy:v0.9.14");
}

#[test]
fn health_check_and_agent_labels_are_injected_once_and_lost_by_a_careless_put() {
    let scene = Scene::new();
    let path = scene.active("web");
    let config = scene.get(&path)["launchConfig"].clone();
    assert_eq!(config["healthCheck"]["port"], 42);
    assert_eq!(config["labels"]["io.rancher.container.create_agent"], "true");
    assert_eq!(config["labels"]["io.rancher.container.agent.role"], "environmentAdmin");
    let careful = scene.put(&path, &json!({ "launchConfig": config })).json();
    assert_eq!(careful["launchConfig"]["healthCheck"]["port"], 42);
    let careless = json!({ "launchConfig": { "imageUuid": config["imageUuid"], "ports": ["80:80"] } });
    let stored = scene.put(&path, &careless).json()["launchConfig"].clone();
    assert!(stored.get("healthCheck").is_none() && stored.get("labels").is_none(), "{stored}");
}

#[test]
fn ports_become_canonical_in_the_process() {
    let scene = Scene::new();
    let mut body = scene.balancer("web");
    body["launchConfig"]["ports"] = json!(["80:80", "8080", "10.0.0.1:53:53/udp"]);
    let path = scene.create(&body);
    assert_eq!(scene.get(&path)["launchConfig"]["ports"], body["launchConfig"]["ports"]);
    scene.settle();
    let canonical = json!(["80:80/tcp", "8080:8080/tcp", "10.0.0.1:53:53/udp"]);
    assert_eq!(scene.get(&path)["launchConfig"]["ports"], canonical);
}

#[test]
fn metadata_is_kept_as_it_is() {
    let scene = Scene::new();
    let path = scene.active("web");
    let metadata = json!({ "ours": { "digest": "x" }, "theirs": [1, null] });
    assert_eq!(scene.put(&path, &json!({ "metadata": metadata })).json()["metadata"], metadata);
    assert_eq!(scene.rancher.row(id(&path)).unwrap()["metadata"], metadata);
}

#[test]
fn kubernetes_services_are_read_only() {
    let scene = Scene::new();
    let path = format!("/kubernetesservices/{}", scene.target);
    assert_eq!(scene.get(&path)["externalId"], "uid-web");
    assert_eq!(scene.ids("/kubernetesservices?externalId=uid-web&removed_null=1"), [scene.target.as_str()]);
    assert_eq!(scene.post("/kubernetesservices", &json!({ "name": "x" })).status, 405);
    assert_eq!(scene.put(&path, &json!({ "name": "x" })).status, 405);
    assert_eq!(scene.delete(&path).status, 405);
}
