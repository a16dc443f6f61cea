//! Creating, changing, applying, deleting; and who wins a race.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Secret, Service};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::response::StatusSummary;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::{config_map, config_maps, ingress, ingresses, refusal, soon, start};

#[tokio::test]
async fn the_life_of_an_ingress() {
    let (cluster, client) = start().await;
    let api = ingresses(&client);
    let created = api.create(&PostParams::default(), &ingress("web")).await.unwrap();
    assert_eq!((created.metadata.generation, created.namespace().as_deref()), (Some(1), Some("default")));
    assert_eq!(refusal(api.create(&PostParams::default(), &ingress("web")).await), (409, "AlreadyExists".into()));

    let mut changed = created.clone();
    changed.spec.as_mut().unwrap().ingress_class_name = Some("other".into());
    let replaced = api.replace("web", &PostParams::default(), &changed).await.unwrap();
    assert_eq!(replaced.metadata.generation, Some(2));
    assert_eq!(refusal(api.replace("web", &PostParams::default(), &changed).await), (409, "Conflict".into()));

    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
    let parameters = PatchParams::default();
    let patched = api.patch_status("web", &parameters, &Patch::Merge(&status)).await.unwrap();
    assert_eq!(patched.metadata.generation, Some(2));
    let again = api.patch_status("web", &parameters, &Patch::Merge(&status)).await.unwrap();
    assert_eq!(again.resource_version(), patched.resource_version(), "the same again writes nothing");
    let writes = cluster.requests().into_iter().filter(|request| request.path.contains("/web/status"));
    assert!(writes.clone().all(|request| request.verb == "patch" && request.status == 200));
    assert_eq!(writes.count(), 2);

    let deleted = api.delete("web", &DeleteParams::default()).await.unwrap().right().unwrap();
    assert_eq!(deleted.status, Some(StatusSummary::Success));
    assert_eq!(refusal(api.get("web").await), (404, "NotFound".into()));
}

#[tokio::test]
async fn services_get_their_defaults() {
    let (_cluster, client) = start().await;
    let api: Api<Service> = Api::default_namespaced(client);
    let service = json!({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}});
    let created = api.create(&PostParams::default(), &serde_json::from_value(service).unwrap()).await.unwrap();
    let spec = created.spec.unwrap();
    assert_eq!((spec.type_.as_deref(), spec.session_affinity.as_deref()), (Some("ClusterIP"), Some("None")));
    assert!(spec.cluster_ip.unwrap().starts_with("10.96."));
    assert_eq!(spec.ports.unwrap()[0].protocol.as_deref(), Some("TCP"));
    // Services answer a deletion with the object, as pods do.
    assert!(api.delete("web", &DeleteParams::default()).await.unwrap().is_left());
}

#[tokio::test]
async fn names_are_generated_and_checked() {
    let (_cluster, client) = start().await;
    let api = config_maps(&client);
    let mut unnamed = config_map("");
    unnamed.metadata.name = None;
    unnamed.metadata.generate_name = Some("made-".into());
    let made = api.create(&PostParams::default(), &unnamed).await.unwrap();
    assert!(made.name_any().starts_with("made-") && made.name_any().len() == 10);
    assert_eq!(refusal(api.create(&PostParams::default(), &config_map("Bad_Name")).await), (422, "Invalid".into()));
    let elsewhere: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::namespaced(client, "nowhere");
    assert_eq!(refusal(elsewhere.create(&PostParams::default(), &config_map("a")).await), (404, "NotFound".into()));
}

#[tokio::test]
async fn appliers_share_an_object_field_by_field() {
    let (_cluster, client) = start().await;
    let api = config_maps(&client);
    let apply = async |manager: &str, force: bool, data: serde_json::Value| {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}, "data": data});
        let parameters = PatchParams { force, ..PatchParams::apply(manager) };
        api.patch("shared", &parameters, &Patch::Apply(&object)).await
    };
    apply("one", false, json!({"a": "1", "b": "1"})).await.unwrap();
    let both = apply("two", false, json!({"c": "1"})).await.unwrap();
    assert_eq!(both.data.unwrap().len(), 3);
    assert_eq!(refusal(apply("two", false, json!({"a": "2"})).await), (409, "Conflict".into()));
    apply("two", true, json!({"a": "2"})).await.unwrap();
    let last = apply("one", false, json!({"b": "1"})).await.unwrap();
    assert_eq!(serde_json::to_value(last.data).unwrap(), json!({"a": "2", "b": "1"}));
    let unnamed = PatchParams::default();
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared"}});
    assert_eq!(refusal(api.patch("shared", &unnamed, &Patch::Apply(&object)).await).0, 422);
}

#[tokio::test]
async fn a_status_is_applied_apart_from_everything_else() {
    let (_cluster, client) = start().await;
    let api = ingresses(&client);
    api.create(&PostParams::default(), &ingress("web")).await.unwrap();
    let apply = async |status: serde_json::Value| {
        let object = json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
            "spec": {"ingressClassName": "ignored"}, "status": status});
        let applied = api.patch_status("web", &PatchParams::apply("one"), &Patch::Apply(&object)).await.unwrap();
        assert_eq!(applied.spec.as_ref().unwrap().ingress_class_name.as_deref(), Some("lb"));
        applied
    };
    let first = apply(json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}})).await;
    let again = apply(json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}})).await;
    assert_eq!(again.resource_version(), first.resource_version());
    let entry = first.managed_fields().iter().find(|entry| entry.manager.as_deref() == Some("one")).unwrap();
    assert_eq!(entry.subresource.as_deref(), Some("status"));
    assert_eq!(entry.fields_v1.as_ref().unwrap().0, json!({"f:status": {"f:loadBalancer": {"f:ingress": {}}}}));
    let nothing = apply(json!({})).await;
    assert!(nothing.status.unwrap().load_balancer.is_none_or(|balancer| balancer.ingress.is_none()));
}

#[tokio::test]
async fn of_two_that_saw_the_same_lease_one_gets_it() {
    let (_cluster, client) = start().await;
    let api: Api<Lease> = Api::default_namespaced(client);
    let lease = json!({"metadata": {"name": "leader"}, "spec": {"leaseTransitions": 0}});
    api.create(&PostParams::default(), &serde_json::from_value(lease).unwrap()).await.unwrap();
    let mut contenders = tokio::task::JoinSet::new();
    for contender in 0..8 {
        let api = api.clone();
        contenders.spawn(async move {
            let mut lost = 0;
            for _ in 0..10 {
                loop {
                    let mut lease = api.get("leader").await.unwrap();
                    let spec = lease.spec.as_mut().unwrap();
                    spec.holder_identity = Some(contender.to_string());
                    spec.lease_transitions = spec.lease_transitions.map(|count| count + 1);
                    match api.replace("leader", &PostParams::default(), &lease).await {
                        Ok(_) => break,
                        refused => assert_eq!(refusal(refused), (409, "Conflict".into())),
                    }
                    lost += 1;
                }
            }
            lost
        });
    }
    let lost: Vec<i32> = soon("the race", contenders.join_all()).await;
    let transitions = api.get("leader").await.unwrap().spec.unwrap().lease_transitions;
    assert_eq!(transitions, Some(80), "every write that was taken counts once; {lost:?} were refused");
}

#[tokio::test]
async fn deleting_by_selector_and_by_identity() {
    let (_cluster, client) = start().await;
    let api = config_maps(&client);
    for (name, label) in [("a", "x"), ("b", "x"), ("c", "y")] {
        let mut object = config_map(name);
        object.labels_mut().insert("l".into(), label.into());
        api.create(&PostParams::default(), &object).await.unwrap();
    }
    let selected = ListParams::default().labels("l=x");
    let deleted = api.delete_collection(&DeleteParams::default(), &selected).await.unwrap().left().unwrap();
    assert_eq!(deleted.items.len(), 2);
    let preconditions = Preconditions { uid: Some("other".into()), resource_version: None };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    assert_eq!(refusal(api.delete("c", &parameters).await), (409, "Conflict".into()));
    let dry = DeleteParams { dry_run: true, ..DeleteParams::default() };
    api.delete("c", &dry).await.unwrap();
    assert!(api.get_opt("c").await.unwrap().is_some());
}

#[tokio::test]
async fn cluster_wide_kinds_and_secrets() {
    let (_cluster, client) = start().await;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap();
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    let secrets: Api<Secret> = Api::namespaced(client, "shop");
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"key": "value"}});
    let secret = secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    assert_eq!(secret.data.unwrap()["key"].0, b"value");
    // Its content goes with it, and then the namespace itself.
    namespaces.delete("shop", &DeleteParams::default()).await.unwrap();
    soon("the end of the namespace", async {
        while namespaces.get_opt("shop").await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(secrets.get_opt("s").await.unwrap().is_none());
}
