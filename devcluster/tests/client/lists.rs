//! Lists in pages, at versions, and what discovery says.

use kube::api::{DeleteParams, ListParams, PostParams, VersionMatch};
use kube::discovery::Discovery;
use kube::{Api, ResourceExt as _};
use serde_json::json;

use crate::{config_map, config_maps, ingress, ingresses, refusal, start};

#[tokio::test]
async fn pages_show_one_state() {
    let (cluster, client) = start().await;
    let api = config_maps(&client);
    for name in ["a", "b", "c", "d", "e"] {
        api.create(&PostParams::default(), &config_map(name)).await.unwrap();
    }
    let first = api.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(3));
    api.delete("c", &DeleteParams::default()).await.unwrap();
    api.create(&PostParams::default(), &config_map("d2")).await.unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    let rest = api.list(&ListParams::default().limit(10).continue_token(&token)).await.unwrap();
    let names: Vec<String> = rest.iter().map(kube::ResourceExt::name_any).collect();
    assert_eq!(names, ["c", "d", "e"], "as it was when the list began");
    assert_eq!(rest.metadata.resource_version, first.metadata.resource_version);
    assert_eq!(rest.metadata.continue_.unwrap_or_default(), "");

    cluster.compact();
    let expired = api.list(&ListParams::default().limit(10).continue_token(&token)).await;
    assert_eq!(refusal(expired), (410, "Expired".into()));
    let invalid = api.list(&ListParams::default().continue_token("none")).await;
    assert_eq!(refusal(invalid).0, 400);
}

#[tokio::test]
async fn lists_at_a_version() {
    let (_cluster, client) = start().await;
    let api = config_maps(&client);
    let a = api.create(&PostParams::default(), &config_map("a")).await.unwrap().resource_version().unwrap();
    api.create(&PostParams::default(), &config_map("b")).await.unwrap();
    let at = |matching, version: &str| ListParams::default().matching(matching).at(version);
    assert_eq!(api.list(&at(VersionMatch::Exact, &a)).await.unwrap().items.len(), 1);
    assert_eq!(api.list(&at(VersionMatch::NotOlderThan, &a)).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn selectors_and_namespaces() {
    let (cluster, client) = start().await;
    for namespace in ["default", "shop"] {
        if namespace == "shop" {
            let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            cluster.apply_manifest("test", manifest).await.unwrap();
        }
        let mut object = ingress("web");
        object.labels_mut().insert("in".into(), namespace.into());
        let api: Api<k8s_openapi::api::networking::v1::Ingress> = Api::namespaced(client.clone(), namespace);
        api.create(&PostParams::default(), &object).await.unwrap();
    }
    let all: Api<k8s_openapi::api::networking::v1::Ingress> = Api::all(client.clone());
    assert_eq!(all.list(&ListParams::default()).await.unwrap().items.len(), 2);
    assert_eq!(all.list(&ListParams::default().labels("in in (shop)")).await.unwrap().items.len(), 1);
    let fields = ListParams::default().fields("metadata.namespace=default,metadata.name=web");
    assert_eq!(all.list(&fields).await.unwrap().items.len(), 1);
    assert_eq!(ingresses(&client).list(&ListParams::default()).await.unwrap().items.len(), 1);
    assert_eq!(refusal(all.list(&ListParams::default().fields("spec.a=b")).await), (400, "BadRequest".into()));
    assert_eq!(refusal(all.list(&ListParams::default().labels("a in b")).await), (400, "BadRequest".into()));
    let items = all.list_metadata(&ListParams::default()).await.unwrap().items;
    assert_eq!(items.iter().map(kube::ResourceExt::name_any).collect::<Vec<_>>(), ["web", "web"]);
}

#[tokio::test]
async fn both_forms_of_discovery() {
    let (_cluster, client) = start().await;
    for discovery in [Discovery::new(client.clone()).run().await, Discovery::new(client.clone()).run_aggregated().await]
    {
        let discovery = discovery.unwrap();
        let group = discovery.get("networking.k8s.io").unwrap();
        let (ingress, capabilities) = group.recommended_kind("Ingress").unwrap();
        assert_eq!(ingress.plural, "ingresses");
        assert!(capabilities.supports_operation("patch"));
        assert!(capabilities.subresources.iter().any(|(subresource, _)| subresource.plural.ends_with("status")));
        assert!(discovery.get("").unwrap().recommended_kind("Namespace").is_some());
    }
    let version = client.apiserver_version().await.unwrap();
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "33"));
}
