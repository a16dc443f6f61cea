//! Broken connections, forgotten history, a server that goes away, a watcher that does not read.

use std::pin::pin;

use futures::TryStreamExt as _;
use kube::ResourceExt as _;
use kube::api::{PostParams, WatchEvent, WatchParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt as _, reflector};
use lb_devcluster::Options;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{config_map, config_maps, soon, start, start_with};

#[tokio::test]
async fn a_reflector_gets_over_everything() {
    let (cluster, client) = start().await;
    let api = config_maps(&client);
    let (store, writer) = reflector::store();
    let events = watcher(api.clone(), watcher::Config::default()).default_backoff();
    let reflecting = tokio::spawn(async move {
        let mut events = pin!(reflector::reflector(writer, events));
        // Errors are told and gotten over; only the end of the stream would end this.
        loop {
            if let Ok(None) = events.try_next().await {
                return;
            }
        }
    });
    let holds = async |names: &[&str]| {
        soon("the reflection", async {
            loop {
                let mut held: Vec<String> = store.state().iter().map(|object| object.name_any()).collect();
                held.sort();
                if held == names {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    };
    let create = async |name: &str| {
        let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        cluster.apply_manifest("test", manifest).await.unwrap();
    };
    create("a").await;
    holds(&["a"]).await;
    cluster.drop_connections();
    create("b").await;
    holds(&["a", "b"]).await;
    cluster.stop().await;
    create("c").await;
    cluster.delete("v1", "ConfigMap", None, "a").await.unwrap();
    cluster.compact();
    assert!(TcpStream::connect(cluster.address()).await.is_err(), "nobody listens");
    cluster.resume().await.unwrap();
    cluster.resume().await.unwrap();
    holds(&["b", "c"]).await;
    cluster.compact();
    create("d").await;
    holds(&["b", "c", "d"]).await;
    reflecting.abort();
}

#[tokio::test]
async fn forgotten_history_is_an_error_event_and_a_new_list() {
    let (cluster, client) = start().await;
    let api = config_maps(&client);
    let first = api.create(&PostParams::default(), &config_map("a")).await.unwrap();
    let mut events = pin!(watcher(api.clone(), watcher::Config::default()));
    while !matches!(soon("the list", events.try_next()).await.unwrap(), Some(Event::InitDone)) {}

    cluster.compact();
    let raw = api.watch(&WatchParams::default(), &first.resource_version().unwrap()).await.unwrap();
    let raw: Vec<_> = soon("the end", raw.try_collect()).await.unwrap();
    let [WatchEvent::Error(status)] = raw.as_slice() else { panic!("{raw:?}") };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    assert!(status.message.starts_with("too old resource version: "), "{status:?}");

    let mut relisted = false;
    while !relisted {
        relisted = matches!(soon("another list", events.try_next()).await, Ok(Some(Event::InitDone)));
    }
}

#[tokio::test]
async fn a_watcher_that_does_not_read_holds_up_nobody() {
    let (cluster, _client) = start_with(Options { watch_history: 50, ..Options::default() }).await;
    let mut watch = TcpStream::connect(cluster.address()).await.unwrap();
    watch.write_all(b"GET /api/v1/configmaps?watch=1 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    watch.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    // More than the buffers of both sockets take.
    for number in 0..1_000 {
        let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("c{number}")},
            "data": {"filling": "x".repeat(32 * 1024)}});
        soon("a write", cluster.apply_manifest("test", manifest)).await.unwrap();
    }
    let mut rest = Vec::new();
    let mut chunk = vec![0; 1 << 20];
    let expired = br#""reason":"Expired""#;
    soon("the refusal", async {
        loop {
            let count = watch.read(&mut chunk).await.unwrap();
            assert!(count > 0, "the stream ended without a refusal");
            rest.drain(..rest.len().saturating_sub(4_096));
            rest.extend_from_slice(&chunk[..count]);
            if rest.windows(expired.len()).any(|window| window == expired) {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let (cluster, _client) = start().await;
    let options = Options { address: cluster.address(), ..Options::default() };
    let error = lb_devcluster::DevCluster::start(options).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {}", cluster.address()));
}
