use std::fs;

use lb_registry::Resolution;
use serde_json::Value;

use crate::{
    server::Server,
    world::{Client, Raw, component, file, key, push, told, trust},
};

fn signature_tag(digest: lb_registry::Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}

#[tokio::test]
async fn a_signed_provider_is_pulled_and_stays_trusted_without_the_registry() {
    let (mut server, client) = (Server::start(), Client::new());
    let reference = server.reference("nginx:1");
    let pushed = push(&reference, "nginx", Some(&key("p256"))).await;
    let pulled = client.registry.pull(&reference, Some(&trust(&["stranger", "p256"]))).await.unwrap();
    let verified = pulled.signed_by().unwrap();
    assert_eq!((verified.key.clone(), verified.digest), (file("p256.pub"), pushed.digest));
    server.stop();
    let pulled = client.registry.pull(&reference, Some(&trust(&["p256"]))).await.unwrap();
    assert_eq!(pulled.resolution(), Resolution::Remembered);
    // What the cache has is good only for the keys that are trusted now.
    let error = told(client.registry.pull(&reference, Some(&trust(&["stranger"]))).await);
    assert!(error.contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn ed25519_signs_too() {
    let (server, client) = (Server::start(), Client::new());
    let reference = server.reference("nginx:1");
    push(&reference, "nginx", Some(&key("ed25519"))).await;
    client.registry.pull(&reference, Some(&trust(&["ed25519"]))).await.unwrap();
}

#[tokio::test]
async fn an_unsigned_provider_is_refused_before_it_is_downloaded() {
    let (server, client) = (Server::start(), Client::new());
    let reference = server.reference("nginx:1");
    let pushed = push(&reference, "nginx", None).await;
    let error = told(client.registry.pull(&reference, Some(&trust(&["p256"]))).await);
    assert!(error.contains("is not signed") && error.contains(&signature_tag(pushed.digest)), "{error}");
    assert_eq!(server.downloads(pushed.component_digest), 0);
    client.registry.pull(&reference, None).await.unwrap();
    let error = told(client.registry.pull(&reference, Some(&trust(&["p256"]))).await);
    assert!(error.contains("is not signed"), "a cached provider is not trusted for that: {error}");
}

#[tokio::test]
async fn a_signature_by_a_stranger_is_refused() {
    let (server, client) = (Server::start(), Client::new());
    let reference = server.reference("nginx:1");
    let pushed = push(&reference, "nginx", Some(&key("stranger"))).await;
    let error = told(client.registry.pull(&reference, Some(&trust(&["p256", "ed25519"]))).await);
    assert!(error.contains("made by another key") && error.contains("--provider-trust"), "{error}");
    assert!(told(client.registry.pull(&reference, Some(&trust(&[]))).await).contains("made by another key"));
    assert_eq!(server.downloads(pushed.component_digest), 0);
}

#[tokio::test]
async fn signatures_stay_beside_each_other() {
    let (server, client) = (Server::start(), Client::new());
    let reference = server.reference("nginx:1");
    let pushed = push(&reference, "nginx", Some(&key("stranger"))).await;
    client.registry.sign(&reference, pushed.digest, &key("p256")).await.unwrap();
    for name in ["stranger", "p256"] {
        Client::new().registry.pull(&reference, Some(&trust(&[name]))).await.unwrap();
    }
    let tag = signature_tag(pushed.digest);
    let before = server.tag("nginx", &tag).unwrap();
    client.registry.sign(&reference, pushed.digest, &key("p256")).await.unwrap();
    assert_eq!(server.tag("nginx", &tag), Some(before), "signed by this key already");
}

#[tokio::test]
async fn a_key_that_is_trusted_later_is_enough() {
    let (server, client) = (Server::start(), Client::new());
    let reference = server.reference("nginx:1");
    let pushed = push(&reference, "nginx", Some(&key("stranger"))).await;
    told(client.registry.pull(&reference, Some(&trust(&["p256"]))).await);
    Client::new().registry.sign(&reference, pushed.digest, &key("p256")).await.unwrap();
    client.registry.pull(&reference, Some(&trust(&["p256"]))).await.unwrap();
}

#[tokio::test]
async fn the_signature_of_another_provider_is_refused() {
    let (server, client) = (Server::start(), Client::new());
    let good = push(&server.reference("nginx:good"), "good", Some(&key("p256"))).await;
    let evil = push(&server.reference("nginx:evil"), "evil", None).await;
    let stolen = fs::read(server.file(server.tag("nginx", &signature_tag(good.digest)).unwrap())).unwrap();
    let stolen: Value = serde_json::from_slice(&stolen).unwrap();
    Raw::new(&server, "nginx").manifest(&signature_tag(evil.digest), &stolen).await;
    let error = told(client.registry.pull(&server.reference("nginx:evil"), Some(&trust(&["p256"]))).await);
    assert!(error.contains("is for another artifact") && error.contains(&good.digest.to_string()), "{error}");
    assert_eq!(server.downloads(evil.component_digest), 0);
}

#[tokio::test]
async fn a_changed_payload_is_refused() {
    let (server, client) = (Server::start(), Client::new());
    let reference = server.reference("nginx:1");
    let pushed = push(&reference, "nginx", Some(&key("p256"))).await;
    let manifest = fs::read(server.file(server.tag("nginx", &signature_tag(pushed.digest)).unwrap())).unwrap();
    let mut manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let payload = server.file(manifest["layers"][0]["digest"].as_str().unwrap().parse().unwrap());

    // On the disk of the registry only: the digest of the payload does not fit any more.
    let text = fs::read_to_string(&payload).unwrap();
    let evil = text.replace("127.0.0.1", "127.0.0.2");
    fs::write(&payload, &evil).unwrap();
    let error = told(client.registry.pull(&reference, Some(&trust(&["p256"]))).await);
    assert!(error.contains("the digest should be"), "{error}");

    // With a digest that fits: the signature does not.
    let raw = Raw::new(&server, "nginx");
    manifest["layers"][0]["digest"] = raw.blob(evil.as_bytes()).await.to_string().into();
    raw.manifest(&signature_tag(pushed.digest), &manifest).await;
    let error = told(client.registry.pull(&reference, Some(&trust(&["p256"]))).await);
    assert!(error.contains("was changed since"), "{error}");

    // Without any signature.
    manifest["layers"][0]["annotations"] = Value::Null;
    manifest["layers"][0].as_object_mut().unwrap().remove("annotations");
    raw.manifest(&signature_tag(pushed.digest), &manifest).await;
    let error = told(client.registry.pull(&reference, Some(&trust(&["p256"]))).await);
    assert!(error.contains("no signature beside its payload"), "{error}");
    assert_eq!(server.downloads(pushed.component_digest), 0);
}

#[tokio::test]
async fn a_damaged_signature_does_not_hide_a_good_one() {
    let (server, client) = (Server::start(), Client::new());
    let reference = server.reference("nginx:1");
    let pushed = push(&reference, "nginx", Some(&key("p256"))).await;
    let tag = signature_tag(pushed.digest);
    let manifest = fs::read(server.file(server.tag("nginx", &tag).unwrap())).unwrap();
    let mut manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let layers = manifest["layers"].as_array_mut().unwrap();
    let mut broken = layers[0].clone();
    broken["annotations"]["dev.cosignproject.cosign/signature"] = "!".into();
    layers.insert(0, broken);
    Raw::new(&server, "nginx").manifest(&tag, &manifest).await;
    client.registry.pull(&reference, Some(&trust(&["p256"]))).await.unwrap();
}

#[tokio::test]
async fn an_artifact_is_checked_by_itself() {
    let (server, client) = (Server::start(), Client::new());
    let reference = server.reference("nginx:1");
    let pushed = push(&reference, "nginx", Some(&key("p256"))).await;
    let verified = trust(&["p256"]).verify_artifact(&client.registry, &reference, pushed.digest).await.unwrap();
    assert_eq!(verified.digest, pushed.digest);
    told(trust(&["stranger"]).verify_artifact(&client.registry, &reference, pushed.digest).await);
}

#[tokio::test]
async fn a_moved_tag_needs_a_signature_of_its_own() {
    let (server, client) = (Server::start(), Client::new());
    let reference = server.reference("nginx:stable");
    let good = push(&reference, "good", Some(&key("p256"))).await;
    client.registry.pull(&reference, Some(&trust(&["p256"]))).await.unwrap();
    push(&reference, "evil", None).await;
    assert!(told(client.registry.pull(&reference, Some(&trust(&["p256"]))).await).contains("is not signed"));
    let pinned = client.registry.pull(&reference.at(good.digest), Some(&trust(&["p256"]))).await.unwrap();
    assert_eq!(fs::read(pinned.path()).unwrap(), component("good"));
}
