//! Creating, patching, editing, replacing.

use serde_json::json;

use crate::{Kubectl, MANIFEST, table};

#[tokio::test]
async fn the_create_commands() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let rule = "--rule=foo.bar.com/foo*=web:80,tls=web-tls";
    assert_eq!(
        kubectl.ok(&["create", "ingress", "web", "--class=lb", rule, "--annotation=a/b=c"]).await,
        "ingress.networking.k8s.io/web created\n"
    );
    let spec = kubectl.ok(&["get", "ing", "web", "-o", "jsonpath={.spec}"]).await;
    let spec: serde_json::Value = serde_json::from_str(&spec).unwrap();
    assert_eq!(
        spec,
        json!({"ingressClassName": "lb", "tls": [{"hosts": ["foo.bar.com"], "secretName": "web-tls"}],
            "rules": [{"host": "foo.bar.com", "http": {"paths": [{"path": "/foo", "pathType": "Prefix",
                "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]})
    );
    assert_eq!(kubectl.ok(&["create", "service", "clusterip", "web", "--tcp=80:8080"]).await, "service/web created\n");
    let port = "jsonpath={.spec.ports[0].targetPort} {.spec.clusterIP}";
    let port = kubectl.ok(&["get", "svc", "web", "-o", port]).await;
    assert!(port.starts_with("8080 10.96."), "{port}");
    kubectl.ok(&["create", "namespace", "shop"]).await;
    assert_eq!(table(&kubectl.ok(&["get", "ns", "shop"]).await)[1][..2], ["shop", "Active"]);
    kubectl.ok(&["-n", "shop", "create", "configmap", "c", "--from-literal=a=b"]).await;
    assert_eq!(kubectl.ok(&["-n", "shop", "get", "cm", "c", "-o", "jsonpath={.data.a}"]).await, "b");
    kubectl.ok(&["create", "secret", "generic", "s", "--from-literal=a=b"]).await;
    assert_eq!(kubectl.ok(&["get", "secret", "s", "-o", "jsonpath={.data.a} {.type}"]).await, "Yg== Opaque");
    kubectl.ok(&["create", "serviceaccount", "robot"]).await;
    kubectl.ok(&["create", "deployment", "web", "--image=nginx", "--replicas=0"]).await;
    assert_eq!(table(&kubectl.ok(&["get", "deploy", "web"]).await)[1][..2], ["web", "0/0"]);

    let again = kubectl.fails(&["create", "namespace", "shop"]).await;
    assert_eq!(again, "Error from server (AlreadyExists): namespaces \"shop\" already exists\n");
    let nowhere = kubectl.fails(&["-n", "nowhere", "create", "configmap", "c"]).await;
    assert!(nowhere.contains("namespaces \"nowhere\" not found"), "{nowhere}");
    let dry = kubectl.ok(&["create", "configmap", "dry", "--dry-run=server", "-o", "name"]).await;
    assert_eq!(dry, "configmap/dry\n");
    kubectl.fails(&["get", "configmap", "dry"]).await;
}

#[tokio::test]
async fn a_tls_secret() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let pair = rcgen::generate_simple_self_signed(["foo.bar.com".to_owned()]).unwrap();
    let certificate = kubectl.file("tls.crt", &pair.cert.pem());
    let key = kubectl.file("tls.key", &pair.signing_key.serialize_pem());
    let (certificate, key) = (format!("--cert={certificate}"), format!("--key={key}"));
    kubectl.ok(&["create", "secret", "tls", "web-tls", &certificate, &key]).await;
    assert_eq!(table(&kubectl.ok(&["get", "secrets"]).await)[1][..3], ["web-tls", "kubernetes.io/tls", "2"]);
    let by_type = kubectl.ok(&["get", "secrets", "--field-selector=type=kubernetes.io/tls", "-o", "name"]).await;
    assert_eq!(by_type, "secret/web-tls\n");
    let half = "apiVersion: v1\nkind: Secret\nmetadata: {name: half}\ntype: kubernetes.io/tls\ndata: {tls.crt: ''}\n";
    let refused = kubectl.fails(&["create", "-f", &kubectl.file("half.yaml", half)]).await;
    assert_eq!(refused, "The Secret \"half\" is invalid: data[tls.key]: Required value\n");
}

#[tokio::test]
async fn patches_of_all_types() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.ok(&["create", "-f", &kubectl.file("web.yaml", MANIFEST)]).await;
    let class = async || kubectl.ok(&["get", "ing", "web", "-o", "jsonpath={.spec.ingressClassName}"]).await;
    kubectl.ok(&["patch", "ing", "web", "-p", r#"{"spec":{"ingressClassName":"one"}}"#]).await;
    assert_eq!(class().await, "one");
    kubectl.ok(&["patch", "ing", "web", "--type=merge", "-p", r#"{"spec":{"ingressClassName":"two"}}"#]).await;
    assert_eq!(class().await, "two");
    let operations = r#"[{"op":"test","path":"/spec/ingressClassName","value":"two"},
        {"op":"replace","path":"/spec/ingressClassName","value":"three"}]"#;
    kubectl.ok(&["patch", "ing", "web", "--type=json", "-p", operations]).await;
    assert_eq!(class().await, "three");
    let refused = kubectl.fails(&["patch", "ing", "web", "--type=json", "-p", operations]).await;
    assert!(refused.contains("the server rejected our request due to an error in our request"), "{refused}");
    let unchanged = r#"{"spec":{"ingressClassName":"three"}}"#;
    let unchanged = kubectl.ok(&["patch", "ing", "web", "--type=merge", "-p", unchanged]).await;
    assert_eq!(unchanged, "ingress.networking.k8s.io/web patched (no change)\n");
    let wrong = kubectl.fails(&["patch", "ing", "web", "--type=merge", "-p", r#"{"spec":{"rules":3}}"#]).await;
    assert!(wrong.contains("json: cannot unmarshal number into Go struct field IngressSpec.spec.rules"), "{wrong}");
    kubectl.ok(&["annotate", "ing", "web", "a/b=c"]).await;
    kubectl.ok(&["label", "ing", "web", "tier=front", "app-"]).await;
    let metadata = "jsonpath={.metadata.annotations.a/b} {.metadata.labels} {.metadata.generation}";
    assert_eq!(kubectl.ok(&["get", "ing", "web", "-o", metadata]).await, r#"c {"tier":"front"} 4"#);
}

#[tokio::test]
async fn editing_and_replacing() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let path = kubectl.file("web.yaml", MANIFEST);
    kubectl.ok(&["create", "-f", &path]).await;
    let editor = ("KUBE_EDITOR", "sed -i s/foo.bar.com/edited.example/");
    let edited = kubectl.run_with(editor, &["edit", "ingress", "web"]).await;
    assert_eq!(edited.out, "ingress.networking.k8s.io/web edited\n", "{edited:?}");
    let host = async || kubectl.ok(&["get", "ing", "web", "-o", "jsonpath={.spec.rules[0].host}"]).await;
    assert_eq!(host().await, "edited.example");
    kubectl.ok(&["replace", "-f", &path]).await;
    assert_eq!(host().await, "foo.bar.com");
    let stale = kubectl.ok(&["get", "ing", "web", "-o", "yaml"]).await;
    kubectl.ok(&["label", "ing", "web", "a=b"]).await;
    let refused = kubectl.fails(&["replace", "-f", &kubectl.file("stale.yaml", &stale)]).await;
    assert!(refused.contains("Error from server (Conflict)"), "{refused}");
    assert!(
        refused.contains("the object has been modified; please apply your changes to the latest version"),
        "{refused}"
    );
    let forced = kubectl.ok(&["replace", "--force", "-f", &path]).await;
    assert!(forced.contains("ingress.networking.k8s.io/web replaced"), "{forced}");
}

#[tokio::test]
async fn bad_manifests_are_told_as_by_a_real_server() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let refused =
        async |name: &str, manifest: &str| kubectl.fails(&["create", "-f", &kubectl.file(name, manifest)]).await;
    let invalid =
        refused("path.yaml", &MANIFEST.replace("/foo\n", "foo\n").replace("foo.bar.com", "Foo.bar.com")).await;
    assert!(
        invalid.starts_with(
            "The Ingress \"web\" is invalid: \n* spec.rules[0].host: Invalid value: \"Foo.bar.com\": a lowercase RFC \
             1123 subdomain must consist of"
        ),
        "{invalid}"
    );
    assert!(
        invalid.ends_with("* spec.rules[0].http.paths[0].path: Invalid value: \"foo\": must be an absolute path\n"),
        "{invalid}"
    );
    let unknown = refused("unknown.yaml", &MANIFEST.replace("pathType", "pathtype")).await;
    assert!(
        unknown.contains("strict decoding error: unknown field \"spec.rules[0].http.paths[0].pathtype\""),
        "{unknown}"
    );
    assert!(unknown.contains("Error from server (BadRequest)"), "{unknown}");
    let wrong = refused("wrong.yaml", &MANIFEST.replace("number: 80", "number: eighty")).await;
    assert!(
        wrong.contains(
            "Ingress in version \"v1\" cannot be handled as a Ingress: json: cannot unmarshal string into Go struct \
             field ServiceBackendPort.spec.rules.http.paths.backend.service.port.number of type int32"
        ),
        "{wrong}"
    );
    let lenient = kubectl.file("lenient.yaml", &format!("{MANIFEST}  extra: true\n"));
    let warned = kubectl.run(&["create", "--validate=warn", "-f", &lenient]).await;
    assert!(warned.success && warned.err.contains("Warning: unknown field \"spec.extra\""), "{warned:?}");
}
