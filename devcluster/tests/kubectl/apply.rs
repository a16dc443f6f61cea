//! `kubectl apply`, from both sides.

use crate::{Kubectl, MANIFEST, table};

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, annotations: {keep: 'yes', drop: 'yes'}}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80}, {name: https, port: 443, targetPort: 8443}]
";

#[tokio::test]
async fn from_the_client_side() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let path = kubectl.file("service.yaml", SERVICE);
    assert_eq!(kubectl.ok(&["apply", "-f", &path]).await, "service/web created\n");
    assert_eq!(kubectl.ok(&["apply", "-f", &path]).await, "service/web unchanged\n");
    let writes = || kubectl.cluster.requests().into_iter().filter(|request| request.verb == "patch").count();
    assert_eq!(writes(), 0, "nothing to change is nothing to send");

    kubectl.ok(&["annotate", "svc", "web", "other=stays"]).await;
    let changed = SERVICE.replace(", drop: 'yes'", "").replace(", {name: https, port: 443, targetPort: 8443}", "");
    let path = kubectl.file("service.yaml", &changed);
    assert!(!kubectl.run(&["diff", "-f", &path]).await.success, "diff finds a difference");
    assert_eq!(kubectl.ok(&["apply", "-f", &path]).await, "service/web configured\n");
    let service = kubectl.ok(&["get", "svc", "web", "-o", "json"]).await;
    let service: serde_json::Value = serde_json::from_str(&service).unwrap();
    let annotations = &service["metadata"]["annotations"];
    assert_eq!((&annotations["keep"], &annotations["other"]), (&"yes".into(), &"stays".into()));
    assert!(annotations.get("drop").is_none());
    assert_eq!(service["spec"]["ports"].as_array().unwrap().len(), 1);
    assert_eq!(kubectl.ok(&["diff", "-f", &path]).await, "");
}

#[tokio::test]
async fn from_the_server_side() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let path = kubectl.file("web.yaml", MANIFEST);
    let apply =
        |manager: &'static str, path: &str| ["apply", "--server-side", manager, "-f", path].map(str::to_owned).to_vec();
    let run = async |arguments: Vec<String>| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        kubectl.run(&arguments).await
    };
    let applied = run(apply("--field-manager=one", &path)).await;
    assert_eq!(applied.out, "ingress.networking.k8s.io/web serverside-applied\n");
    let revision = async || kubectl.ok(&["get", "ing", "web", "-o", "jsonpath={.metadata.resourceVersion}"]).await;
    let first = revision().await;
    run(apply("--field-manager=one", &path)).await;
    assert_eq!(revision().await, first, "the same again writes nothing");

    let other = kubectl.file("other.yaml", &MANIFEST.replace("ingressClassName: lb", "ingressClassName: other"));
    let refused = run(apply("--field-manager=two", &other)).await;
    assert!(
        refused.err.starts_with(
            "error: Apply failed with 1 conflict: conflict with \"one\": .spec.ingressClassName\nPlease review the \
             fields above--they currently have other managers."
        ),
        "{refused:?}"
    );
    let forced = run([apply("--field-manager=two", &other), vec!["--force-conflicts".into()]].concat()).await;
    assert!(forced.success, "{forced:?}");
    let managers = "jsonpath={range .metadata.managedFields[*]}{.manager}:{.operation} {end}";
    assert_eq!(kubectl.ok(&["get", "ing", "web", "-o", managers]).await, "one:Apply two:Apply ");

    let without = kubectl.file("without.yaml", &MANIFEST.replace("  ingressClassName: lb\n", ""));
    assert!(run(apply("--field-manager=two", &without)).await.success);
    let class = kubectl.ok(&["get", "ing", "web", "-o", "jsonpath={.spec.ingressClassName}"]).await;
    assert_eq!(class, "", "what its only owner no longer names is removed");
    let unknown = kubectl.file("unknown.yaml", &MANIFEST.replace("rules:", "ruls:"));
    let refused = run(apply("--field-manager=two", &unknown)).await;
    assert!(refused.err.contains(".spec.ruls: field not declared in schema"), "{refused:?}");
}

#[tokio::test]
async fn from_the_client_side_first_and_then_from_the_server_side() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.ok(&["apply", "-f", &kubectl.file("web.yaml", MANIFEST)]).await;
    let changed = kubectl.file("web.yaml", &MANIFEST.replace("ingressClassName: lb", "ingressClassName: other"));
    kubectl.ok(&["apply", "--server-side", "-f", &changed]).await;
    assert_eq!(table(&kubectl.ok(&["get", "ing"]).await)[1][1], "other");
    let managers = "jsonpath={range .metadata.managedFields[*]}{.manager}:{.operation} {end}";
    let managers = kubectl.ok(&["get", "ing", "web", "-o", managers]).await;
    assert!(managers.contains("kubectl:Apply") && !managers.contains("kubectl-client-side-apply"), "{managers}");
}

#[tokio::test]
async fn pruning_what_a_manifest_no_longer_has() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let both = kubectl.file(
        "both.yaml",
        &format!("{MANIFEST}---{}", SERVICE.replace("metadata: {", "metadata: {labels: {app: web}, ")),
    );
    let prune = ["apply", "-f", &both, "-l", "app=web", "--prune", "--prune-allowlist=core/v1/Service"];
    kubectl.ok(&prune).await;
    kubectl.file("both.yaml", MANIFEST);
    let pruned = kubectl.ok(&prune).await;
    assert!(pruned.contains("service/web pruned"), "{pruned}");
}
