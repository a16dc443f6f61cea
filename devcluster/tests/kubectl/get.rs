//! Reading: tables, selectors, formats, watches, discovery.

use serde_json::json;

use crate::{Kubectl, MANIFEST, columns, table};

async fn with_ingresses() -> Option<Kubectl> {
    let kubectl = Kubectl::start().await?;
    let many = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: many, labels: {tier: front}}
spec:
  rules: [{host: a.example}, {host: b.example}, {host: c.example}, {host: d.example}, {host: e.example}]
  tls: [{hosts: [a.example]}]
  defaultBackend: {service: {name: web, port: {name: http}}}
";
    let path = kubectl.file("ingresses.yaml", &format!("{MANIFEST}---{many}"));
    kubectl.ok(&["create", "-f", &path]).await;
    Some(kubectl)
}

#[tokio::test]
async fn ingresses_are_printed_as_by_a_real_server() {
    let Some(kubectl) = with_ingresses().await else { return };
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example"}]}}});
    let patch = status.to_string();
    kubectl.ok(&["patch", "ingress", "web", "--subresource=status", "--type=merge", "-p", &patch]).await;
    let printed = kubectl.ok(&["get", "ingress"]).await;
    let rows = table(&printed);
    assert_eq!(rows[0], ["NAME", "CLASS", "HOSTS", "ADDRESS", "PORTS", "AGE"]);
    assert!(printed.contains("many   <none>   a.example,b.example,c.example + 2 more..."), "{printed}");
    assert_eq!(rows[1][rows[1].len() - 3..rows[1].len() - 1], ["80,", "443"]);
    assert_eq!(rows[2][..5], ["web", "lb", "foo.bar.com", "192.0.2.1,lb.example", "80"]);
}

#[tokio::test]
async fn formats_and_selectors() {
    let Some(kubectl) = with_ingresses().await else { return };
    assert_eq!(
        kubectl.ok(&["get", "ing", "-o", "name"]).await,
        "ingress.networking.k8s.io/many\ningress.networking.k8s.io/web\n"
    );
    assert_eq!(
        kubectl.ok(&["get", "ing", "-l", "app in (web),!tier", "-o", "name"]).await,
        "ingress.networking.k8s.io/web\n"
    );
    assert_eq!(
        kubectl.ok(&["get", "ing", "--field-selector", "metadata.name!=web", "-o", "name"]).await,
        "ingress.networking.k8s.io/many\n"
    );
    assert_eq!(kubectl.ok(&["get", "ing", "web", "-o", "jsonpath={.spec.rules[0].host}"]).await, "foo.bar.com");
    let custom = "custom-columns=NAME:.metadata.name,CLASS:.spec.ingressClassName";
    assert_eq!(
        table(&kubectl.ok(&["get", "ing", "-A", "-o", custom, "--sort-by=.metadata.creationTimestamp"]).await)[0],
        ["NAME", "CLASS"]
    );
    let sorted = table(&kubectl.ok(&["get", "ing", "--sort-by=.spec.rules[0].host"]).await);
    assert_eq!((sorted[1][0].as_str(), sorted[2][0].as_str()), ("many", "web"));
    let everywhere = table(&kubectl.ok(&["get", "ing", "-A", "--show-labels"]).await);
    assert_eq!(everywhere[0][..2], ["NAMESPACE", "NAME"]);
    assert_eq!(everywhere[2].last().unwrap(), "app=web");
    let object: serde_json::Value =
        serde_json::from_str(&kubectl.ok(&["get", "ing", "web", "-o", "json"]).await).unwrap();
    assert_eq!((&object["kind"], &object["apiVersion"]), (&json!("Ingress"), &json!("networking.k8s.io/v1")));
    let list: serde_json::Value = serde_json::from_str(&kubectl.ok(&["get", "ing", "-o", "json"]).await).unwrap();
    assert_eq!(list["items"][1]["kind"], "Ingress");
    assert!(kubectl.ok(&["get", "ing", "web", "-o", "yaml"]).await.contains("\nkind: Ingress\n"));
    let refused = kubectl.fails(&["get", "ing", "--field-selector", "spec.x=y"]).await;
    assert!(refused.contains("\"spec.x\" is not a known field selector"), "{refused}");
    let refused = kubectl.fails(&["get", "ing", "none"]).await;
    assert_eq!(refused, "Error from server (NotFound): ingresses.networking.k8s.io \"none\" not found\n");
    let refused = kubectl.fails(&["get", "jobs"]).await;
    assert_eq!(refused, "error: the server doesn't have a resource type \"jobs\"\n");
}

#[tokio::test]
async fn pages_are_put_together() {
    let Some(kubectl) = Kubectl::start().await else { return };
    for number in 0..7 {
        let name = format!("c{number}");
        let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        kubectl.cluster.apply_manifest("test", manifest).await.unwrap();
    }
    let rows = table(&kubectl.ok(&["get", "configmaps", "--chunk-size=3"]).await);
    assert_eq!(
        rows.iter().skip(1).map(|row| row[0].as_str()).collect::<Vec<_>>(),
        ["c0", "c1", "c2", "c3", "c4", "c5", "c6"]
    );
    let lists = kubectl.cluster.requests().into_iter().filter(|request| request.path.contains("limit=3"));
    assert_eq!(lists.count(), 3);
}

#[tokio::test]
async fn every_kind_has_its_table() {
    let Some(kubectl) = Kubectl::start().await else { return };
    for (resource, header) in [
        ("ns", "NAME STATUS AGE"),
        ("svc", "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE"),
        ("endpointslices", "NAME ADDRESSTYPE PORTS ENDPOINTS AGE"),
    ] {
        let rows = table(&kubectl.ok(&["get", resource]).await);
        assert_eq!(rows[0].join(" "), header);
    }
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "leader"},
        "spec": {"holderIdentity": "one"}});
    kubectl.cluster.apply_manifest("test", lease).await.unwrap();
    assert_eq!(table(&kubectl.ok(&["get", "lease"]).await)[1][..2], ["leader", "one"]);
    let class = json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "lb"},
        "spec": {"controller": "lb-controller.io/ingress"}});
    kubectl.cluster.apply_manifest("test", class).await.unwrap();
    assert_eq!(
        table(&kubectl.ok(&["get", "ingressclass"]).await)[1][..3],
        ["lb", "lb-controller.io/ingress", "<none>"]
    );
    let wide = kubectl.ok(&["get", "svc", "-o", "wide"]).await;
    assert_eq!(columns(wide.lines().next().unwrap()).last().unwrap(), "SELECTOR");
    let all = kubectl.ok(&["get", "all"]).await;
    assert!(all.contains("service/kubernetes"), "{all}");
}

#[tokio::test]
async fn a_watch_prints_each_change() {
    let Some(kubectl) = with_ingresses().await else { return };
    let mut watch = kubectl.follow(&["get", "ingress", "-l", "app=web", "-w"]);
    assert_eq!(watch.line().await[0], "NAME");
    assert_eq!(watch.line().await[..3], ["web", "lb", "foo.bar.com"]);
    let address = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}}).to_string();
    kubectl.ok(&["patch", "ing", "web", "--subresource=status", "--type=merge", "-p", &address]).await;
    assert_eq!(watch.line().await[..4], ["web", "lb", "foo.bar.com", "192.0.2.7"]);
    kubectl.ok(&["patch", "ing", "many", "--type=merge", "-p", r#"{"metadata":{"labels":{"app":"web"}}}"#]).await;
    assert_eq!(watch.line().await[0], "many");
    kubectl.ok(&["delete", "ing", "web"]).await;
    assert_eq!(watch.line().await[..4], ["web", "lb", "foo.bar.com", "192.0.2.7"]);
}

#[tokio::test]
async fn waiting_for_a_change() {
    let Some(kubectl) = with_ingresses().await else { return };
    let wait = ["wait", "ing/web", "--for=jsonpath={.status.loadBalancer.ingress[0].ip}=192.0.2.8", "--timeout=100s"];
    let mut waiting = kubectl.follow(&wait);
    let address = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.8"}]}}}).to_string();
    kubectl.ok(&["patch", "ing", "web", "--subresource=status", "--type=merge", "-p", &address]).await;
    assert_eq!(waiting.line().await.join(" "), "ingress.networking.k8s.io/web condition met");
}

#[tokio::test]
async fn describing_shows_events_and_backends() {
    let Some(kubectl) = with_ingresses().await else { return };
    let uid = kubectl.ok(&["get", "ing", "web", "-o", "jsonpath={.metadata.uid}"]).await;
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "web.1"}, "action": "Sync",
        "regarding": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "web", "namespace": "default",
            "uid": uid},
        "reason": "PortNotFound", "note": "service web has no port 80", "type": "Warning",
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "lb-controller.io/ingress",
        "reportingInstance": "one"
    });
    kubectl.cluster.apply_manifest("test", event).await.unwrap();
    let described = kubectl.ok(&["describe", "ingress", "web"]).await;
    assert!(described.contains("Ingress Class:    lb\n"), "{described}");
    assert!(described.contains("/foo   web:80 (<error: services \"web\" not found>)"), "{described}");
    let event_line = described.lines().last().unwrap();
    assert!(event_line.contains("Warning") && event_line.contains("PortNotFound"), "{described}");
    assert!(event_line.ends_with("lb-controller.io/ingress  service web has no port 80"), "{described}");
    let events = table(&kubectl.ok(&["get", "events"]).await);
    assert_eq!(events[0].join(" "), "LAST SEEN TYPE REASON OBJECT MESSAGE");
    assert_eq!(events[1][1..4], ["Warning", "PortNotFound", "ingress/web"]);
    let view = kubectl.ok(&["get", "events.events.k8s.io", "web.1", "-o", "jsonpath={.note}{.regarding.name}"]).await;
    assert_eq!(view, "service web has no port 80web");
    assert!(kubectl.ok(&["describe", "svc", "kubernetes"]).await.contains("TargetPort:"));
    assert!(kubectl.ok(&["describe", "endpointslice", "kubernetes"]).await.contains("AddressType:  IPv4"));
    assert!(kubectl.ok(&["events", "--for", "ingress/web"]).await.contains("PortNotFound"));
}

#[tokio::test]
async fn discovery_and_access() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let resources = kubectl.ok(&["api-resources"]).await;
    let ingresses = table(&resources).into_iter().find(|row| row[0] == "ingresses").unwrap();
    assert_eq!(ingresses, ["ingresses", "ing", "networking.k8s.io/v1", "true", "Ingress"]);
    assert!(kubectl.ok(&["api-versions"]).await.contains("discovery.k8s.io/v1\n"));
    assert!(kubectl.ok(&["cluster-info"]).await.contains(&kubectl.cluster.url()));
    let version = kubectl.run(&["version"]).await;
    assert!(version.out.contains("Server Version: v1.") && !version.err.contains("WARNING"), "{version:?}");
    assert_eq!(kubectl.ok(&["auth", "can-i", "create", "ingresses"]).await, "yes\n");
    assert!(kubectl.ok(&["auth", "whoami"]).await.contains("kubernetes-admin"));
    let explained = kubectl.ok(&["explain", "ingress.spec.rules.http.paths"]).await;
    assert!(explained.contains("pathType\t<string>"), "{explained}");
    assert_eq!(kubectl.ok(&["get", "--raw", "/readyz"]).await, "ok");
}
