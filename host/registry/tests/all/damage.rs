//! A registry whose disk somebody tampered with.

use std::fs::{self, OpenOptions};

use crate::{
    server::Server,
    world::{Client, Raw, component, push, told},
};

#[tokio::test]
async fn a_changed_component_is_refused() {
    let (server, client) = (Server::start(), Client::new());
    let pushed = push(&server.reference("nginx:1"), "nginx", None).await;
    fs::write(server.file(pushed.component_digest), component("n9inx")).unwrap();
    let error = told(client.registry.pull(&server.reference("nginx:1"), None).await);
    assert!(error.contains(&format!("should be {}", pushed.component_digest)), "{error}");
    assert!(!client.cached(pushed.component_digest).exists());
    assert_eq!(client.partial(), 0);
    // Once it is whole again, so is everything.
    fs::write(server.file(pushed.component_digest), component("nginx")).unwrap();
    client.registry.pull(&server.reference("nginx:1"), None).await.unwrap();
}

#[tokio::test]
async fn a_changed_manifest_is_refused() {
    let server = Server::start();
    let pushed = push(&server.reference("nginx:1"), "nginx", None).await;
    let manifest = fs::read_to_string(server.file(pushed.digest)).unwrap();
    fs::write(server.file(pushed.digest), manifest.replace("1.2.0", "1.2.1")).unwrap();
    for reference in [server.reference("nginx:1"), server.reference("nginx:1").at(pushed.digest)] {
        let error = told(Client::new().registry.pull(&reference, None).await);
        assert!(error.contains(&format!("should be {}", pushed.digest)), "{error}");
    }
}

#[tokio::test]
async fn a_truncated_component_is_refused() {
    let (server, client) = (Server::start(), Client::new());
    let pushed = push(&server.reference("nginx:1"), "nginx", None).await;
    let whole = component("nginx").len();
    OpenOptions::new().write(true).open(server.file(pushed.component_digest)).unwrap().set_len(10).unwrap();
    let result = client.registry.pull(&server.reference("nginx:1"), None).await;
    assert!(result.as_ref().unwrap_err().is_transient());
    let error = told(result);
    assert!(error.contains(&format!("10 bytes of {whole} came")) && error.contains("push it anew"), "{error}");
    assert_eq!(client.partial(), 0);
}

#[tokio::test]
async fn a_component_that_says_it_is_a_gigabyte_is_not_downloaded() {
    let (server, client) = (Server::start(), Client::new());
    let raw = Raw::new(&server, "nginx");
    let manifest = raw.artifact("application/vnd.wasm.config.v0+json", &component("nginx"), 1 << 30).await;
    raw.manifest("1", &manifest).await;
    let error = told(client.registry.pull(&server.reference("nginx:1"), None).await);
    assert!(error.contains("1073741824 bytes") && error.contains("nothing was downloaded"), "{error}");
    assert!(!server.log().contains("\"GET /v2/nginx/blobs/"));
}

#[tokio::test]
async fn a_component_that_is_larger_than_it_says_is_refused() {
    let (server, client) = (Server::start(), Client::new());
    let pushed = push(&server.reference("nginx:1"), "nginx", None).await;
    let file = OpenOptions::new().write(true).open(server.file(pushed.component_digest)).unwrap();
    file.set_len(1 << 30).unwrap();
    let error = told(client.registry.pull(&server.reference("nginx:1"), None).await);
    let size = component("nginx").len();
    assert!(error.contains(&format!("more than the {size} bytes came")), "{error}");
    assert_eq!(client.partial(), 0);
}
