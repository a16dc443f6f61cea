//! Deleting, finalizers, namespaces, owners.

use serde_json::json;

use crate::{Kubectl, MANIFEST};

#[tokio::test]
async fn one_and_all() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let path = kubectl.file("web.yaml", MANIFEST);
    kubectl.ok(&["create", "-f", &path]).await;
    assert_eq!(kubectl.ok(&["delete", "ing", "web", "--wait"]).await, "ingress.networking.k8s.io \"web\" deleted\n");
    let missing = kubectl.fails(&["delete", "ing", "web"]).await;
    assert_eq!(missing, "Error from server (NotFound): ingresses.networking.k8s.io \"web\" not found\n");
    assert_eq!(kubectl.ok(&["delete", "ing", "web", "--ignore-not-found"]).await, "");
    for name in ["a", "b", "c"] {
        kubectl.ok(&["create", "configmap", name]).await;
    }
    kubectl.ok(&["label", "configmap", "a", "keep=yes"]).await;
    kubectl.ok(&["delete", "configmap", "-l", "!keep"]).await;
    assert_eq!(kubectl.ok(&["get", "configmap", "-o", "name"]).await, "configmap/a\n");
    kubectl.ok(&["delete", "configmap", "--all"]).await;
    assert_eq!(kubectl.ok(&["get", "configmap", "-o", "name"]).await, "");
    kubectl.ok(&["create", "configmap", "now"]).await;
    kubectl.ok(&["delete", "configmap", "now", "--now", "--cascade=orphan"]).await;
    kubectl.ok(&["create", "configmap", "later"]).await;
    kubectl.ok(&["delete", "configmap", "later", "--cascade=foreground"]).await;
}

#[tokio::test]
async fn finalizers_hold_back() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let held = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "held", "finalizers": ["example.com/hold"]}});
    kubectl.cluster.apply_manifest("test", held).await.unwrap();
    let mut deleting = kubectl.follow(&["delete", "configmap", "held"]);
    assert_eq!(deleting.line().await[0], "configmap");
    let timestamp = ["wait", "configmap/held", "--for=jsonpath={.metadata.deletionTimestamp}", "--timeout=100s"];
    kubectl.ok(&timestamp).await;
    kubectl.ok(&["patch", "configmap", "held", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]).await;
    kubectl.ok(&["wait", "configmap/held", "--for=delete", "--timeout=100s"]).await;
    kubectl.fails(&["get", "configmap", "held"]).await;
}

#[tokio::test]
async fn a_namespace_goes_with_its_content() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.ok(&["create", "namespace", "shop"]).await;
    kubectl.ok(&["-n", "shop", "create", "configmap", "free"]).await;
    let held = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "held", "namespace": "shop", "finalizers": ["example.com/hold"]}});
    kubectl.cluster.apply_manifest("test", held).await.unwrap();
    kubectl.ok(&["delete", "namespace", "shop", "--wait=false"]).await;
    kubectl.ok(&["wait", "-n", "shop", "configmap/free", "--for=delete", "--timeout=100s"]).await;
    assert!(kubectl.ok(&["get", "ns", "shop"]).await.contains("Terminating"));
    let refused = kubectl.fails(&["-n", "shop", "create", "configmap", "new"]).await;
    assert!(
        refused.contains("unable to create new content in namespace shop because it is being terminated"),
        "{refused}"
    );
    let release = r#"{"metadata":{"finalizers":null}}"#;
    kubectl.ok(&["-n", "shop", "patch", "configmap", "held", "--type=merge", "-p", release]).await;
    kubectl.ok(&["wait", "ns/shop", "--for=delete", "--timeout=100s"]).await;
    kubectl.fails(&["get", "ns", "shop"]).await;
    let refused = kubectl.fails(&["delete", "ns", "default"]).await;
    assert!(refused.contains("this namespace may not be deleted"), "{refused}");
}

#[tokio::test]
async fn what_is_owned_follows_its_owner() {
    let Some(kubectl) = Kubectl::start().await else { return };
    for cascade in ["background", "foreground", "orphan"] {
        kubectl.ok(&["create", "service", "clusterip", "owner", "--tcp=80"]).await;
        let uid = kubectl.ok(&["get", "svc", "owner", "-o", "jsonpath={.metadata.uid}"]).await;
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": [],
            "metadata": {"name": "owned", "ownerReferences": [
                {"apiVersion": "v1", "kind": "Service", "name": "owner", "uid": uid, "blockOwnerDeletion": true}]}
        });
        kubectl.cluster.apply_manifest("test", slice).await.unwrap();
        kubectl.ok(&["delete", "svc", "owner", &format!("--cascade={cascade}")]).await;
        if cascade == "orphan" {
            let owners = "jsonpath={.metadata.ownerReferences}";
            assert_eq!(kubectl.ok(&["get", "endpointslice", "owned", "-o", owners]).await, "");
        } else {
            kubectl.ok(&["wait", "endpointslice/owned", "--for=delete", "--timeout=100s"]).await;
            kubectl.fails(&["get", "endpointslice", "owned"]).await;
        }
    }
}
