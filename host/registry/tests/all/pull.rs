use std::fs;

use lb_registry::{Digest, Package, Resolution};
use serde_json::{Value, json};

use crate::{
    server::Server,
    world::{Client, PROPOSAL, Raw, component, package, push, told},
};

const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";

#[tokio::test]
async fn what_is_pushed_is_pulled_by_tag_and_by_digest() {
    let server = Server::start();
    let reference = server.reference("team/lb/nginx:1.2.0");
    let pushed = push(&reference, "nginx", None).await;
    assert_eq!(server.tag("team/lb/nginx", "1.2.0"), Some(pushed.digest));

    let by_tag = Client::new().registry.pull(&reference, None).await.unwrap();
    assert_eq!((by_tag.digest(), by_tag.resolution()), (pushed.digest, Resolution::Current));

    let client = Client::new();
    let by_digest = client.registry.pull(&server.reference(&format!("team/lb/nginx@{}", pushed.digest)), None).await;
    let by_digest = by_digest.unwrap();
    assert_eq!((by_digest.digest(), by_digest.resolution()), (pushed.digest, Resolution::Pinned));
    let content = fs::read(by_digest.path()).unwrap();
    assert_eq!(content, component("nginx"));
    assert_eq!(by_digest.component_digest(), Digest::of(&content));
    assert_eq!(by_digest.component_digest(), pushed.component_digest);
    assert_eq!(by_digest.signed_by(), None);
}

#[tokio::test]
async fn the_artifact_is_one_of_the_common_layout() {
    let server = Server::start();
    let pushed = push(&server.reference("nginx:1"), "nginx", None).await;
    let read = |digest| serde_json::from_slice::<Value>(&fs::read(server.file(digest)).unwrap()).unwrap();
    let manifest = read(pushed.digest);
    assert_eq!(manifest["config"]["mediaType"], WASM_CONFIG);
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(manifest["layers"][0]["digest"], json!(pushed.component_digest));
    assert_eq!(manifest["annotations"]["org.opencontainers.image.title"], "nginx.wasm");
    assert_eq!(manifest["annotations"]["org.opencontainers.image.version"], "1.2.0");
    assert_eq!(manifest["annotations"]["org.opencontainers.image.source"], "https://example.com/nginx");
    let config = read(manifest["config"]["digest"].as_str().unwrap().parse().unwrap());
    assert_eq!(config["architecture"], "wasm");
    assert_eq!(config["layerDigests"], json!([pushed.component_digest]));
    assert_eq!(config["component"], json!({"exports": [], "imports": [], "target": null}));
}

#[tokio::test]
async fn a_configuration_comes_along_as_a_proposal_only() {
    let server = Server::start();
    push(&server.reference("nginx:1"), "nginx", None).await;
    let pulled = Client::new().registry.pull(&server.reference("nginx:1"), None).await.unwrap();
    let proposal = pulled.proposal().unwrap();
    assert_eq!(proposal.text(), PROPOSAL);
    assert_eq!(proposal.settings(), &json!({"workers": 2}));
    assert!(!pulled.path().with_extension("yaml").exists());
    assert_eq!(pulled.annotations()["org.opencontainers.image.version"], "1.2.0");
}

#[tokio::test]
async fn the_same_component_has_the_same_digest_and_is_sent_once() {
    let server = Server::start();
    let first = push(&server.reference("nginx:1"), "nginx", None).await;
    let second = push(&server.reference("nginx:2"), "nginx", None).await;
    assert_eq!(first, second);
    assert_eq!(server.log().matches("\"PUT /v2/nginx/blobs/uploads/").count(), 2, "component and config");
}

#[tokio::test]
async fn a_tag_is_followed() {
    let (server, client) = (Server::start(), Client::new());
    let reference = server.reference("nginx:stable");
    for name in ["first", "second"] {
        let pushed = push(&reference, name, None).await;
        assert_eq!(client.registry.resolve(&reference).await.unwrap(), (pushed.digest, Resolution::Current));
        let pulled = client.registry.pull(&reference, None).await.unwrap();
        assert_eq!(fs::read(pulled.path()).unwrap(), component(name));
    }
}

#[tokio::test]
async fn an_artifact_of_another_tool_is_pulled() {
    let server = Server::start();
    let raw = Raw::new(&server, "nginx");
    let layer = component("nginx");
    let manifest = raw.artifact(WASM_CONFIG, &layer, layer.len() as u64).await;
    raw.manifest("1", &manifest).await;
    let client = Client::new();
    let pulled = client.registry.pull(&server.reference("nginx:1"), None).await.unwrap();
    assert_eq!(fs::read(pulled.path()).unwrap(), layer);
    assert_eq!(pulled.proposal(), None);
}

#[tokio::test]
async fn what_is_not_there_is_told() {
    let (server, client) = (Server::start(), Client::new());
    push(&server.reference("nginx:1"), "nginx", None).await;
    let none = Digest::of(b"none");
    for rest in ["nginx:2".to_owned(), "apache:1".to_owned(), format!("nginx@{none}")] {
        let reference = server.reference(&rest);
        let error = told(client.registry.pull(&reference, None).await);
        assert!(error.contains(&reference.to_string()) && error.contains("Check the spelling"), "{error}");
    }
}

#[tokio::test]
async fn other_artifacts_are_refused() {
    let (server, client) = (Server::start(), Client::new());
    let raw = Raw::new(&server, "other");
    let image = raw.artifact("application/vnd.oci.image.config.v1+json", b"layer", 5).await;
    raw.manifest("image", &image).await;
    let error = told(client.registry.pull(&server.reference("other:image"), None).await);
    assert!(error.contains("a container image") && error.contains("provider push"), "{error}");

    let digest = raw.manifest("1", &raw.artifact(WASM_CONFIG, b"layer", 5).await).await;
    let manifest = fs::metadata(server.file(digest)).unwrap().len();
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": manifest,
            "platform": { "architecture": "wasm", "os": "wasip2" },
        }],
    });
    raw.manifest("index", &index).await;
    let error = told(client.registry.pull(&server.reference("other:index"), None).await);
    assert!(error.contains("an index of several artifacts"), "{error}");

    let mut broken = raw.artifact(WASM_CONFIG, b"layer", 5).await;
    broken["annotations"] = json!({"io.lb-controller.provider.configuration": "settings: 5"});
    raw.manifest("broken", &broken).await;
    let error = told(client.registry.pull(&server.reference("other:broken"), None).await);
    assert!(error.contains("`settings` must be a mapping"), "{error}");
}

#[tokio::test]
async fn what_is_no_provider_is_not_pushed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nginx.wasm");
    fs::write(&path, b"\0asm\x01\0\0\0").unwrap();
    assert!(told(Package::from_file(&path)).contains("core module"));
    fs::write(&path, component("nginx")).unwrap();
    fs::write(path.with_extension("yaml"), "setings: {}").unwrap();
    let error = told(Package::from_file(&path));
    assert!(error.contains("nginx.yaml") && error.contains("setings"), "{error}");
    assert!(told(Package::from_file(&directory.path().join("missing.wasm"))).contains("missing.wasm"));
}

#[tokio::test]
async fn a_push_needs_a_tag_and_a_pullable_size() {
    let server = Server::start();
    let pinned = server.reference("nginx:1").at(Digest::of(b""));
    let error = told(Client::new().registry.push(&pinned, &package("nginx"), None).await);
    assert!(error.contains("give a tag"), "{error}");
    let client = Client::with(|options| options.max_component_bytes = 8);
    let error = told(client.registry.push(&server.reference("nginx:1"), &package("nginx"), None).await);
    assert!(error.contains("8 at most"), "{error}");
    assert_eq!(server.tag("nginx", "1"), None);
}
