use super::*;
use crate::kind::{self, KINDS};

fn now() -> Timestamp {
    "2026-01-01T01:00:00Z".parse().unwrap()
}

/// The cells by column name.
fn printed(group: &str, plural: &str, object: &Value) -> Value {
    let kind = kind::find(group, "v1", plural).unwrap();
    let columns = column_definitions(kind).into_iter().map(|column| column["name"].as_str().unwrap().to_owned());
    columns.zip(cells(kind, object, now())).collect()
}

#[test]
fn every_kind_has_a_cell_for_each_column() {
    for kind in KINDS {
        let object = json!({"metadata": {"name": "x"}});
        assert_eq!(cells(kind, &object, now()).len(), column_definitions(kind).len(), "{}", kind.kind);
    }
}

#[test]
fn an_ingress() {
    let ingress = json!({
        "metadata": {"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"ingressClassName": "lb", "tls": [{}], "rules": [
            {"host": "a"}, {"host": "b"}, {}, {"host": "c"}, {"host": "d"}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}, {"hostname": "x.example"}, {"ip": "192.0.2.1"}]}}
    });
    assert_eq!(
        printed("networking.k8s.io", "ingresses", &ingress),
        json!({"Name": "web", "Class": "lb", "Hosts": "a,b,c + 2 more...", "Address": "192.0.2.1,192.0.2.2,x.example",
            "Ports": "80, 443", "Age": "60m"})
    );
    assert_eq!(
        printed("networking.k8s.io", "ingresses", &json!({"metadata": {"name": "web"}, "spec": {"rules": [{}]}})),
        json!({"Name": "web", "Class": "<none>", "Hosts": "*", "Address": "", "Ports": "80", "Age": "<unknown>"})
    );
}

#[test]
fn services_by_type() {
    let service = |spec: Value, status: Value| {
        printed("", "services", &json!({"metadata": {"name": "s"}, "spec": spec, "status": status}))
    };
    let ports = json!([{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP", "nodePort": 30053}]);
    let printed = service(
        json!({"type": "LoadBalancer", "clusterIP": "10.96.0.9", "ports": ports, "selector": {"a": "b", "c": "d"}}),
        json!({}),
    );
    assert_eq!(printed["External-IP"], "<pending>");
    assert_eq!(printed["Port(s)"], "80/TCP,53:30053/UDP");
    assert_eq!(printed["Selector"], "a=b,c=d");
    let external = service(json!({"type": "ExternalName", "externalName": "x.example"}), json!({}));
    assert_eq!((&external["Cluster-IP"], &external["External-IP"]), (&json!("<none>"), &json!("x.example")));
    assert_eq!(external["Port(s)"], "<none>");
}

#[test]
fn endpoints_and_slices_are_abridged() {
    let endpoints = json!({"metadata": {"name": "e"}, "subsets": [
        {"addresses": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "ports": [{"port": 80}, {"port": 81}]}]});
    assert_eq!(printed("", "endpoints", &endpoints)["Endpoints"], "10.0.0.1:80,10.0.0.1:81,[fd00::1]:80 + 1 more...");
    let slice = json!({"metadata": {"name": "s"}, "addressType": "IPv4", "ports": [{"port": 80}, {"name": ""}],
        "endpoints": [{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"]}]});
    let slice = printed("discovery.k8s.io", "endpointslices", &slice);
    assert_eq!((&slice["Ports"], &slice["Endpoints"]), (&json!("80,*"), &json!("10.0.0.1,10.0.0.2")));
    let empty = printed("discovery.k8s.io", "endpointslices", &json!({"metadata": {}, "addressType": "IPv4"}));
    assert_eq!((&empty["Ports"], &empty["Endpoints"]), (&json!("<unset>"), &json!("<unset>")));
}

#[test]
fn events_of_both_generations() {
    let old = json!({"metadata": {"name": "e"}, "involvedObject": {"kind": "Ingress", "name": "web"}, "count": 3,
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:59:00Z", "type": "Normal",
        "source": {"component": "c", "host": "h"}, "message": " said \n"});
    let old = printed("", "events", &old);
    assert_eq!((&old["Last Seen"], &old["First Seen"], &old["Count"]), (&json!("60s"), &json!("60m"), &json!(3)));
    assert_eq!(
        (&old["Object"], &old["Source"], &old["Message"]),
        (&json!("ingress/web"), &json!("c, h"), &json!("said"))
    );
    let new = json!({"metadata": {"name": "e"}, "eventTime": "2026-01-01T00:00:00.000000Z", "reportingComponent": "c",
        "series": {"count": 2, "lastObservedTime": "2026-01-01T00:59:30.000000Z"}});
    let new = printed("events.k8s.io", "events", &new);
    assert_eq!((&new["Last Seen"], &new["First Seen"], &new["Count"]), (&json!("30s"), &json!("60m"), &json!(2)));
}

#[test]
fn the_others() {
    let secret = json!({"metadata": {"name": "s"}, "type": "Opaque", "data": {"a": "", "b": ""}});
    assert_eq!(printed("", "secrets", &secret)["Data"], 2);
    let class = json!({"metadata": {"name": "lb"}, "spec": {"controller": "a.io/b",
        "parameters": {"apiGroup": "x.io", "kind": "P", "name": "n"}}});
    assert_eq!(printed("networking.k8s.io", "ingressclasses", &class)["Parameters"], "P.x.io/n");
    let deployment = json!({"metadata": {"name": "d"}, "spec": {"replicas": 2,
        "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}});
    let deployment = printed("apps", "deployments", &deployment);
    assert_eq!((&deployment["Ready"], &deployment["Images"]), (&json!("0/2"), &json!("i")));
    let node = json!({"metadata": {"name": "n", "labels": {"node-role.kubernetes.io/worker": ""}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.5"}]}});
    let node = printed("", "nodes", &node);
    assert_eq!(
        (&node["Status"], &node["Roles"], &node["Internal-IP"]),
        (&json!("Ready"), &json!("worker"), &json!("10.0.0.5"))
    );
}
