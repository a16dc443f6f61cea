//! What is refused, and who is told.

use lb_provider::{Error, testing::records::prefix};
use lb_rancher_double::{KeyKind, Options, Role};
use serde_json::json;

use crate::world::{Changes, PROJECT, Refusal, World, simple};

fn denied(error: Error) -> String {
    match error {
        Error::Denied(message) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_of_the_wrong_scope_is_told_at_the_first_look_and_at_the_create() {
    let world = World::new();
    world.know(&["a"]);
    world.rancher.add_stack(PROJECT, "kubernetes-ingress-lbs", None);
    let memberships = vec![(PROJECT.to_owned(), Role::Owner)];
    world.use_key(KeyKind::Account { memberships: memberships.clone() }, "/v2-beta");
    assert!(
        denied(world.try_observe().unwrap_err())
            .starts_with("this API key may list load balancers in Rancher, but not create")
    );
    assert!(matches!(world.apply(&simple()), Err(Error::Denied(_))));
    // The same key, used with the project.
    world.use_key(KeyKind::Account { memberships }, &format!("/v2-beta/projects/{PROJECT}"));
    assert!(world.try_observe().is_ok());
    assert!(world.apply(&simple()).is_ok());
}

#[test]
fn a_role_that_only_reads_is_told() {
    let world = World::new();
    let memberships = vec![(PROJECT.to_owned(), Role::ReadOnly)];
    world.use_key(KeyKind::Account { memberships }, &format!("/v2-beta/projects/{PROJECT}"));
    assert!(denied(world.try_observe().unwrap_err()).contains("or its role only reads"));
}

#[test]
fn a_key_that_is_not_known_is_told() {
    let world = World::new();
    let key = KeyKind::Environment { project: PROJECT.to_owned() };
    world.use_key(key, "/v2-beta/projects/1a99");
    assert!(denied(world.try_observe().unwrap_err()).starts_with("Rancher refuses the project (403)"));
    world.refuse(Refusal { request: "GET /loadbalancerservices", status: 401, stored: false });
    assert!(denied(world.apply(&simple()).unwrap_err()).starts_with("Rancher does not know the API key (401)"));
}

#[test]
fn what_may_pass_is_tried_again() {
    for status in [404, 500, 503] {
        let world = World::new();
        world.know(&["a"]);
        world.refuse(Refusal { request: "POST /loadbalancerservices", status, stored: true });
        assert!(matches!(world.apply(&simple()), Err(Error::Unavailable(_))), "{status}");
        world.converge(&simple());
        world.only();
    }
    let world = World::new();
    world.know(&["a"]);
    world.converge(&simple());
    world.refuse(Refusal { request: "PUT /loadbalancerservices", status: 409, stored: false });
    assert!(matches!(world.apply(&simple().scaled(2)), Err(Error::Conflict(_))));
    world.converge(&simple().scaled(2));
    assert_eq!(world.only()["scale"], 2);
}

#[test]
fn what_rancher_refuses_of_an_ingress_is_told_to_it() {
    let world = World::new();
    world.know(&["a"]);
    world.refuse(Refusal { request: "POST /loadbalancerservices", status: 422, stored: false });
    let Err(Error::Invalid(rejections)) = world.apply(&simple()) else { panic!("it is refused") };
    assert_eq!(rejections[0].object.name, "web");
    assert_eq!(rejections[0].message, "Rancher refuses the load balancer (422 Injected); nothing was changed");
}

#[test]
fn a_strangers_service_of_our_name_is_named() {
    let world = World::new();
    world.know(&["a"]);
    world.converge(&simple());
    let service = world.only();
    let fields = json!({
        "name": service["name"], "stackId": service["stackId"], "launchConfig": { "imageUuid": "docker:x/y" },
    });
    let id = service["id"].as_str().unwrap();
    world.rancher.remove(id);
    world.settle();
    world.rancher.add_service(PROJECT, "service", &fields).unwrap();
    let Err(Error::Invalid(rejections)) = world.apply(&simple()) else { panic!("it is refused") };
    let name = service["name"].as_str().unwrap();
    let expected = format!(
        "the stack kubernetes-ingress-lbs in Rancher already has a service named {name}, which is not this controller's; \
         remove or rename it there"
    );
    assert_eq!(rejections[0].message, expected);
}

#[test]
fn a_server_without_an_image_is_told_to_the_operator() {
    let world = World::with(Options { image: None, ..Options::default() });
    world.know(&["a"]);
    assert!(denied(world.apply(&simple()).unwrap_err()).contains("name one by the setting `image`"));
    world.set("image", json!("rancher/lb-service-haproxy:v0.9.14"));
    assert!(world.apply(&simple()).is_ok());
}

#[test]
fn an_old_servers_image_is_found_in_the_list() {
    let world = World::new();
    world.know(&["a"]);
    world.refuse(Refusal { request: "GET /settings/", status: 404, stored: false });
    assert!(world.apply(&simple()).is_ok());
    assert_eq!(world.only()["launchConfig"]["imageUuid"], "docker:rancher/lb-service-haproxy:v0.9.14");
}

#[test]
fn weakness_12_a_bad_annotation_is_told_and_the_rest_is_served() {
    let world = World::new();
    world.know(&["a"]);
    let change = simple().annotated("io.rancher.container.agent.role", "environmentAdmin").host(
        "http-80",
        "bar.com",
        vec![prefix("/", "default/a/80")],
    );
    let outcome = world.apply(&change).unwrap();
    assert_eq!(outcome.rejections[0].field, "metadata.annotations[\"io.rancher.container.agent.role\"]");
    assert_eq!(world.rules().len(), 2);
}
