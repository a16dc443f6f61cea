//! Watching: the raw protocol, and kube-rs' watcher on top of it.

use std::pin::pin;
use std::time::Duration;

use futures::{Stream, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, core::PartialObjectMeta};
use lb_devcluster::Options;
use serde_json::json;

use crate::{config_map, config_maps, ingress, ingresses, soon, start, start_with};

/// The next event, as a word and a name.
async fn next<K: kube::Resource + std::fmt::Debug>(
    events: &mut (impl Stream<Item = Result<Event<K>, watcher::Error>> + Unpin),
) -> String {
    match soon("an event", events.try_next()).await.unwrap().unwrap() {
        Event::Init => "init".to_owned(),
        Event::InitApply(object) => format!("there {}", object.name_any()),
        Event::InitDone => "done".to_owned(),
        Event::Apply(object) => format!("applied {}", object.name_any()),
        Event::Delete(object) => format!("deleted {}", object.name_any()),
    }
}

#[tokio::test]
async fn listing_first_and_streaming_the_list_come_to_the_same() {
    let (cluster, client) = start().await;
    let api = ingresses(&client);
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        api.create(&PostParams::default(), &ingress("one")).await.unwrap();
        let mut events = pin!(watcher(api.clone(), config));
        for expected in ["init", "there one", "done"] {
            assert_eq!(next(&mut events).await, expected);
        }
        api.create(&PostParams::default(), &ingress("two")).await.unwrap();
        assert_eq!(next(&mut events).await, "applied two");
        for name in ["one", "two"] {
            api.delete(name, &DeleteParams::default()).await.unwrap();
            assert_eq!(next(&mut events).await, format!("deleted {name}"));
        }
    }
    let streamed = cluster.requests().into_iter().filter(|request| request.path.contains("sendInitialEvents=true"));
    assert_eq!(streamed.count(), 1);
}

#[tokio::test]
async fn metadata_only() {
    let (_cluster, client) = start().await;
    let api = ingresses(&client);
    api.create(&PostParams::default(), &ingress("one")).await.unwrap();
    let metadata: Api<PartialObjectMeta<Ingress>> = Api::default_namespaced(client);
    let events = watcher(metadata, watcher::Config::default());
    let mut events = pin!(events.applied_objects());
    let one = soon("an event", events.try_next()).await.unwrap().unwrap();
    assert_eq!((one.name_any(), one.types.unwrap().kind), ("one".to_owned(), "PartialObjectMetadata".to_owned()));
    api.create(&PostParams::default(), &ingress("two")).await.unwrap();
    assert_eq!(soon("an event", events.try_next()).await.unwrap().unwrap().name_any(), "two");
}

#[tokio::test]
async fn an_object_that_leaves_the_selection_is_deleted_for_the_watcher() {
    let (_cluster, client) = start().await;
    let api = config_maps(&client);
    let mut events = pin!(watcher(api.clone(), watcher::Config::default().labels("app=web")));
    assert_eq!(next(&mut events).await, "init");
    assert_eq!(next(&mut events).await, "done");
    api.create(&PostParams::default(), &config_map("a")).await.unwrap();
    let label = async |value: serde_json::Value| {
        let patch = json!({"metadata": {"labels": {"app": value}}});
        api.patch("a", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    };
    label(json!("web")).await;
    assert_eq!(next(&mut events).await, "applied a");
    label(json!("api")).await;
    assert_eq!(next(&mut events).await, "deleted a");
}

#[tokio::test]
async fn a_watch_resumes_after_the_version_it_names() {
    let (_cluster, client) = start().await;
    let api = config_maps(&client);
    let first = api.create(&PostParams::default(), &config_map("a")).await.unwrap();
    api.create(&PostParams::default(), &config_map("b")).await.unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let version = first.resource_version().unwrap();
    let events = api.watch(&WatchParams::default(), &version).await.unwrap();
    let events: Vec<_> = soon("two events", events.take(2).try_collect()).await.unwrap();
    assert!(matches!(&events[0], WatchEvent::Added(object) if object.name_any() == "b"), "{events:?}");
    assert!(matches!(&events[1], WatchEvent::Deleted(object) if object.name_any() == "a"), "{events:?}");
    let WatchEvent::Deleted(deleted) = &events[1] else { unreachable!() };
    assert!(deleted.resource_version().unwrap().parse::<u64>().unwrap() > version.parse().unwrap());
}

#[tokio::test]
async fn bookmarks_carry_the_version_of_now_and_the_timeout_ends() {
    let options = Options { bookmark_interval: Duration::from_millis(10), ..Options::default() };
    let (_cluster, client) = start_with(options).await;
    let api = config_maps(&client);
    let start = api.create(&PostParams::default(), &config_map("a")).await.unwrap().resource_version().unwrap();
    // What other kinds do moves the version on, too.
    let other = ingresses(&client).create(&PostParams::default(), &ingress("web")).await.unwrap();
    let events = api.watch(&WatchParams::default().timeout(1), &start).await.unwrap();
    let events: Vec<_> = soon("the end of the watch", events.try_collect()).await.unwrap();
    let Some(WatchEvent::Bookmark(last)) = events.last() else { panic!("{events:?}") };
    assert_eq!(Some(&last.metadata.resource_version), other.resource_version().as_ref());
    assert!(events.iter().all(|event| matches!(event, WatchEvent::Bookmark(_))));
}

#[tokio::test]
async fn from_the_beginning_means_from_what_is_there() {
    let (_cluster, client) = start().await;
    let api = config_maps(&client);
    api.create(&PostParams::default(), &config_map("a")).await.unwrap();
    let events = api.watch(&WatchParams::default(), "0").await.unwrap();
    let first = soon("an event", pin!(events).try_next()).await.unwrap().unwrap();
    assert!(matches!(&first, WatchEvent::Added(object) if object.name_any() == "a"), "{first:?}");
}
