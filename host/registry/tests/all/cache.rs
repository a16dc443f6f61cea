use std::{fs, fs::File, fs::FileTimes, time::Duration, time::SystemTime};

use lb_registry::Resolution;

use crate::{
    server::Server,
    world::{Client, component, push, told},
};

#[tokio::test]
async fn a_cached_digest_needs_no_registry() {
    let (mut server, client) = (Server::start(), Client::new());
    let pushed = push(&server.reference("nginx:1"), "nginx", None).await;
    let pinned = server.reference("nginx:1").at(pushed.digest);
    client.registry.pull(&pinned, None).await.unwrap();
    let requests = server.log().matches("\"GET ").count();
    client.registry.pull(&pinned, None).await.unwrap();
    assert_eq!(server.log().matches("\"GET ").count(), requests);
    server.stop();
    let pulled = client.registry.pull(&pinned, None).await.unwrap();
    assert_eq!(fs::read(pulled.path()).unwrap(), component("nginx"));
}

#[tokio::test]
async fn a_tag_is_what_it_was_while_the_registry_is_away() {
    let (mut server, client) = (Server::start(), Client::new());
    let reference = server.reference("nginx:stable");
    push(&reference, "first", None).await;
    client.registry.pull(&reference, None).await.unwrap();
    let second = push(&reference, "second", None).await;
    client.registry.pull(&reference, None).await.unwrap();
    server.stop();
    let pulled = client.registry.pull(&reference, None).await.unwrap();
    assert_eq!((pulled.digest(), pulled.resolution()), (second.digest, Resolution::Remembered));
    assert_eq!(fs::read(pulled.path()).unwrap(), component("second"));

    let unknown = client.registry.pull(&server.reference("nginx:other"), None).await;
    assert!(unknown.as_ref().unwrap_err().is_transient());
    let error = told(unknown);
    assert!(error.contains(&server.address().to_string()) && error.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_tag_that_was_removed_is_not_what_it_was() {
    let (server, client) = (Server::start(), Client::new());
    let reference = server.reference("nginx:stable");
    push(&reference, "nginx", None).await;
    client.registry.pull(&reference, None).await.unwrap();
    let repository = server.directory().join("storage/docker/registry/v2/repositories/nginx");
    fs::remove_dir_all(repository.join("_manifests/tags/stable")).unwrap();
    assert!(told(client.registry.pull(&reference, None).await).contains("Check the spelling"));
}

#[tokio::test]
async fn many_pulls_of_one_digest_download_it_once() {
    let (server, client) = (Server::start(), Client::new());
    let pushed = push(&server.reference("nginx:1"), "nginx", None).await;
    let pulls: Vec<_> = (0..20)
        .map(|_| {
            let (registry, reference) = (client.registry.clone(), server.reference("nginx:1").at(pushed.digest));
            tokio::spawn(async move { registry.pull(&reference, None).await })
        })
        .collect();
    for pull in pulls {
        assert_eq!(fs::read(pull.await.unwrap().unwrap().path()).unwrap(), component("nginx"));
    }
    assert_eq!(server.downloads(pushed.component_digest), 1);
    assert_eq!(client.partial(), 0);
}

#[tokio::test]
async fn a_damaged_cache_is_filled_anew() {
    let (server, client) = (Server::start(), Client::new());
    let pushed = push(&server.reference("nginx:1"), "nginx", None).await;
    let pinned = server.reference("nginx:1").at(pushed.digest);
    let path = client.registry.pull(&pinned, None).await.unwrap().path().to_owned();
    fs::write(&path, component("other")).unwrap();
    fs::write(client.cached(pushed.digest), b"{}").unwrap();
    let pulled = client.registry.pull(&pinned, None).await.unwrap();
    assert_eq!(fs::read(pulled.path()).unwrap(), component("nginx"));
    assert_eq!(server.downloads(pushed.component_digest), 2);
}

#[tokio::test]
async fn the_cache_stays_small_and_keeps_what_is_in_use() {
    let (server, client) = (Server::start(), Client::with(|options| options.max_cache_bytes = 1));
    let first = push(&server.reference("nginx:1"), "first", None).await;
    let second = push(&server.reference("nginx:2"), "second", None).await;
    let held = client.registry.pull(&server.reference("nginx:1"), None).await.unwrap();
    let hour_ago = SystemTime::now() - Duration::from_hours(1);
    File::open(held.path()).unwrap().set_times(FileTimes::new().set_modified(hour_ago)).unwrap();
    client.registry.pull(&server.reference("nginx:2"), None).await.unwrap();
    assert_eq!(fs::read(held.path()).unwrap(), component("first"));
    assert!(client.cached(second.component_digest).exists());
    drop(held);
    client.registry.pull(&server.reference("nginx:2"), None).await.unwrap();
    assert!(!client.cached(first.component_digest).exists());
    assert!(client.cached(second.component_digest).exists());
}
