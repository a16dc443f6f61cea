use serde_json::json;

use super::*;
use crate::kind;

fn store(history: usize) -> (Store, &'static Kind) {
    let store = Store::new(history);
    let namespaces = kind::find("", "v1", "namespaces").unwrap();
    store.put(namespaces, Key::new("", "default"), None, json!({"metadata": {"name": "default"}})).unwrap();
    (store, kind::find("", "v1", "configmaps").unwrap())
}

fn put(store: &Store, kind: &'static Kind, name: &str, expected: Option<u64>, data: &str) -> Arc<Object> {
    let value = json!({"metadata": {"namespace": "default", "name": name}, "data": {"a": data}});
    store.put(kind, Key::new("default", name), expected, value).unwrap()
}

#[test]
fn a_write_needs_the_revision_it_read() {
    let (store, kind) = store(10);
    let first = put(&store, kind, "one", None, "1");
    assert_eq!(first.value["metadata"]["resourceVersion"], first.revision.to_string());
    let key = Key::new("default", "one");
    assert_eq!(store.put(kind, key.clone(), None, json!({})).unwrap_err(), Lost::Changed);
    let second = put(&store, kind, "one", Some(first.revision), "2");
    assert_eq!(store.remove(kind, &key, first.revision).unwrap_err(), Lost::Changed);
    assert!(store.remove(kind, &key, second.revision).unwrap().revision > second.revision);
    assert!(store.get(kind, &key).is_none());
}

#[test]
fn nothing_is_created_outside_a_living_namespace() {
    let (store, kind) = store(10);
    let refused = store.put(kind, Key::new("nowhere", "one"), None, json!({"metadata": {}})).unwrap_err();
    assert_eq!(refused, Lost::NamespaceMissing);
    let namespaces = kind::find("", "v1", "namespaces").unwrap();
    let key = Key::new("", "default");
    let current = store.get(namespaces, &key).unwrap();
    let ending = json!({"metadata": {"name": "default", "deletionTimestamp": "2026-01-01T00:00:00Z"}});
    store.put(namespaces, key, Some(current.revision), ending).unwrap();
    let refused = store.put(kind, Key::new("default", "one"), None, json!({"metadata": {}})).unwrap_err();
    assert_eq!(refused, Lost::NamespaceTerminating);
}

#[test]
fn the_past_is_rebuilt_from_history_until_it_is_forgotten() {
    let (store, kind) = store(3);
    let first = put(&store, kind, "one", None, "1");
    let second = put(&store, kind, "two", None, "1");
    put(&store, kind, "one", Some(first.revision), "2");
    store.remove(kind, &Key::new("default", "two"), second.revision).unwrap();
    let then = store.snapshot_at(kind, Some("default"), second.revision).unwrap();
    let names: Vec<_> = then.objects.iter().map(|object| object::name(&object.value)).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(then.objects[0].value["data"]["a"], "1");
    let forgotten = store.snapshot_at(kind, None, first.revision - 1).unwrap_err();
    assert_eq!(forgotten.oldest, first.revision);
    assert!(store.changes(kind, first.revision - 1, 10).is_err());
    assert_eq!(store.changes(kind, first.revision, 10).unwrap().0.len(), 3);
}

#[test]
fn changes_are_complete_up_to_the_revision_told() {
    let (store, kind) = store(10);
    let start = store.revision();
    let first = put(&store, kind, "one", None, "1");
    put(&store, kind, "two", None, "1");
    let (events, complete) = store.changes(kind, start, 1).unwrap();
    assert_eq!((events.len(), complete), (1, first.revision));
    let (events, complete) = store.changes(kind, complete, 5).unwrap();
    assert_eq!((events.len(), complete), (1, store.revision()));
    // Other kinds move the counter on; a watcher of this kind is complete up to there.
    let secrets = kind::find("", "v1", "secrets").unwrap();
    store.put(secrets, Key::new("default", "s"), None, json!({"metadata": {}})).unwrap();
    assert_eq!(store.changes(kind, complete, 5).unwrap().1, store.revision());
}

#[test]
fn what_an_earlier_store_handed_out_is_too_old() {
    let (earlier, kind) = store(10);
    put(&earlier, kind, "one", None, "1");
    while u64::try_from(Timestamp::now().as_microsecond()).unwrap() < earlier.revision() {
        std::hint::spin_loop();
    }
    let (later, kind) = store(10);
    assert!(later.changes(kind, earlier.revision(), 10).is_err());
}

#[test]
fn compaction_expires_whoever_has_not_read_since() {
    let (store, kind) = store(10);
    put(&store, kind, "one", None, "1");
    let before = store.revision();
    store.compact();
    assert!(store.changes(kind, before, 10).is_err());
    assert!(store.changes(kind, store.revision(), 10).unwrap().0.is_empty());
    assert_eq!(store.snapshot(kind, None).objects.len(), 1);
}

#[test]
fn dependents_are_found_by_the_uid_of_their_owner() {
    let (store, kind) = store(10);
    let owned = json!({"metadata": {"name": "one", "ownerReferences": [{"uid": "u"}]}});
    let object = store.put(kind, Key::new("default", "one"), None, owned).unwrap();
    assert_eq!(store.dependents("u").len(), 1);
    store.put(kind, Key::new("default", "one"), Some(object.revision), json!({"metadata": {}})).unwrap();
    assert!(store.dependents("u").is_empty());
}

#[test]
fn watchers_are_woken_for_their_kind_only() {
    let (store, kind) = store(10);
    let mut configmaps = store.subscribe(kind);
    let secrets = store.subscribe(kind::find("", "v1", "secrets").unwrap());
    configmaps.mark_unchanged();
    put(&store, kind, "one", None, "1");
    assert!(configmaps.has_changed().unwrap());
    assert!(!secrets.has_changed().unwrap());
}
