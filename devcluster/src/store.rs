//! Objects, the history of their changes, and one counter of revisions over all of them.
//!
//! A write holds the lock for as long as it takes to swap one pointer. Watchers are not called: they are woken, and read
//! the history at their own pace. One that is slower than the history is long gets 410 and lists again, as with etcd.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use crate::kind::{KINDS, Kind};
use crate::object::{self, Key, Object};

/// One change of one object.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) revision: u64,
    pub(crate) key: Key,
    /// The version before; `None` when it was created.
    pub(crate) before: Option<Arc<Object>>,
    /// The version after, or, when it was deleted, the last version with the revision of the deletion.
    pub(crate) object: Arc<Object>,
    pub(crate) deleted: bool,
}

/// Why a write did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The object is not, or no longer, the one that was expected; read it again.
    Changed,
    /// The namespace does not exist.
    NamespaceMissing,
    /// The namespace is being deleted and takes nothing new.
    NamespaceTerminating,
}

/// History that a reader asks for is forgotten; `oldest` is the first revision that is still served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forgotten {
    pub(crate) oldest: u64,
}

/// What a list or a watch starts from.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) revision: u64,
    pub(crate) objects: Vec<Arc<Object>>,
}

#[derive(Debug)]
struct Collection {
    objects: BTreeMap<Key, Arc<Object>>,
    history: VecDeque<Event>,
    /// Every change after this revision is in the history.
    known_since: u64,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    revision: u64,
    collections: HashMap<&'static str, Collection>,
    /// By the UID of an owner: plural and key of the objects that name it in their owner references.
    dependents: HashMap<String, BTreeSet<(&'static str, Key)>>,
}

#[derive(Debug)]
pub(crate) struct Store {
    state: Mutex<State>,
    /// Events kept for each resource.
    history: usize,
}

impl Store {
    /// Revisions begin with the time, in microseconds: a client that outlives one store and meets the next at the same
    /// address holds a revision that is too old, and lists again.
    pub(crate) fn new(history: usize) -> Self {
        let revision = u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default() + 1;
        let collections = KINDS.iter().map(|kind| (kind.plural, Collection::new(revision))).collect();
        let state = State { revision, collections, dependents: HashMap::new() };
        Self { state: Mutex::new(state), history: history.max(1) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds the store")
    }

    pub(crate) fn revision(&self) -> u64 {
        self.lock().revision
    }

    pub(crate) fn get(&self, kind: &Kind, key: &Key) -> Option<Arc<Object>> {
        self.lock().of(kind).objects.get(key).cloned()
    }

    /// Everything of a kind, or of one namespace, as it is now.
    pub(crate) fn snapshot(&self, kind: &Kind, namespace: Option<&str>) -> Snapshot {
        let state = self.lock();
        let objects = match namespace {
            None => state.of(kind).objects.values().cloned().collect(),
            Some(namespace) => {
                let first = Bound::Included(Key::new(namespace, ""));
                let range = state.of(kind).objects.range((first, Bound::Unbounded));
                range.take_while(|(key, _)| key.namespace == namespace).map(|(_, object)| object.clone()).collect()
            }
        };
        Snapshot { revision: state.revision, objects }
    }

    /// Everything of a kind as it was at `revision`, rebuilt by undoing the history.
    pub(crate) fn snapshot_at(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        revision: u64,
    ) -> Result<Snapshot, Forgotten> {
        let mut objects = {
            let state = self.lock();
            let collection = state.of(kind);
            collection.check(revision)?;
            let mut objects = collection.objects.clone();
            for event in collection.history.iter().rev().take_while(|event| event.revision > revision) {
                match &event.before {
                    Some(before) => objects.insert(event.key.clone(), before.clone()),
                    None => objects.remove(&event.key),
                };
            }
            objects
        };
        objects.retain(|key, _| namespace.is_none_or(|namespace| key.namespace == namespace));
        Ok(Snapshot { revision, objects: objects.into_values().collect() })
    }

    /// The changes after `revision`, at most `limit`, and the revision up to which they are complete.
    pub(crate) fn changes(&self, kind: &Kind, revision: u64, limit: usize) -> Result<(Vec<Event>, u64), Forgotten> {
        let state = self.lock();
        let collection = state.of(kind);
        collection.check(revision)?;
        let first = collection.history.partition_point(|event| event.revision <= revision);
        let events: Vec<Event> = collection.history.range(first..).take(limit).cloned().collect();
        let all = first + events.len() == collection.history.len();
        let complete = match events.last() {
            Some(last) if !all => last.revision,
            _ => state.revision.max(revision),
        };
        Ok((events, complete))
    }

    /// Wakes whenever the kind changed, or its history was forgotten.
    pub(crate) fn subscribe(&self, kind: &Kind) -> watch::Receiver<u64> {
        self.lock().of(kind).changed.subscribe()
    }

    /// Writes `value` if the object is still at revision `expected` (`None`: does not exist), stamping the new revision.
    pub(crate) fn put(
        &self,
        kind: &'static Kind,
        key: Key,
        expected: Option<u64>,
        mut value: Value,
    ) -> Result<Arc<Object>, Lost> {
        let mut state = self.lock();
        if expected.is_none() && kind.namespaced {
            state.check_namespace(&key.namespace)?;
        }
        let before = state.of(kind).objects.get(&key).cloned();
        if before.as_ref().map(|object| object.revision) != expected {
            return Err(Lost::Changed);
        }
        let revision = state.next();
        object::set_metadata(&mut value, "resourceVersion", Some(revision.to_string().into()));
        let after = Arc::new(Object::new(value, revision));
        state.index_owners(kind, &key, before.as_deref(), Some(&after));
        let collection = state.of_mut(kind);
        collection.objects.insert(key.clone(), after.clone());
        let event = Event { revision, key, before, object: after.clone(), deleted: false };
        collection.record(event, self.history);
        Ok(after)
    }

    /// Removes the object if it is still at revision `expected`.
    pub(crate) fn remove(&self, kind: &Kind, key: &Key, expected: u64) -> Result<Arc<Object>, Lost> {
        let mut state = self.lock();
        let before = state.of(kind).objects.get(key).cloned();
        let Some(before) = before.filter(|object| object.revision == expected) else { return Err(Lost::Changed) };
        let revision = state.next();
        let mut value = before.value.clone();
        object::set_metadata(&mut value, "resourceVersion", Some(revision.to_string().into()));
        let tombstone = Arc::new(Object::new(value, revision));
        state.index_owners(kind, key, Some(&before), None);
        let collection = state.of_mut(kind);
        collection.objects.remove(key);
        let event =
            Event { revision, key: key.clone(), before: Some(before), object: tombstone.clone(), deleted: true };
        collection.record(event, self.history);
        Ok(tombstone)
    }

    /// The objects that name this UID as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<(&'static Kind, Key)> {
        let state = self.lock();
        let of_plural = |plural: &str| KINDS.iter().find(|kind| kind.plural == plural);
        let dependents = state.dependents.get(uid).into_iter().flatten();
        dependents.filter_map(|(plural, key)| Some((of_plural(plural)?, key.clone()))).collect()
    }

    /// Forgets all history: whoever reads from an older revision than now gets 410.
    pub(crate) fn compact(&self) {
        let mut state = self.lock();
        // The counter moves on, so that even a watcher that has seen everything holds an older revision.
        let revision = state.next();
        for collection in state.collections.values_mut() {
            collection.history.clear();
            collection.known_since = revision;
            collection.changed.send_replace(revision);
        }
    }
}

impl State {
    fn next(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    fn of(&self, kind: &Kind) -> &Collection {
        self.collections.get(kind.plural).expect("every kind of the table has a collection")
    }

    fn of_mut(&mut self, kind: &Kind) -> &mut Collection {
        self.collections.get_mut(kind.plural).expect("every kind of the table has a collection")
    }

    fn index_owners(&mut self, kind: &Kind, key: &Key, before: Option<&Object>, after: Option<&Object>) {
        for uid in before.into_iter().flat_map(|object| object::owners(&object.value)) {
            if let Some(dependents) = self.dependents.get_mut(uid) {
                dependents.remove(&(kind.plural, key.clone()));
                if dependents.is_empty() {
                    self.dependents.remove(uid);
                }
            }
        }
        for uid in after.into_iter().flat_map(|object| object::owners(&object.value)) {
            self.dependents.entry(uid.to_owned()).or_default().insert((kind.plural, key.clone()));
        }
    }

    fn check_namespace(&self, name: &str) -> Result<(), Lost> {
        let namespaces = self.collections.get("namespaces").expect("every kind of the table has a collection");
        match namespaces.objects.get(&Key::new("", name)) {
            None => Err(Lost::NamespaceMissing),
            Some(namespace) if object::is_terminating(&namespace.value) => Err(Lost::NamespaceTerminating),
            Some(_) => Ok(()),
        }
    }
}

impl Collection {
    fn new(revision: u64) -> Self {
        Self {
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            known_since: revision,
            changed: watch::Sender::new(revision),
        }
    }

    fn check(&self, revision: u64) -> Result<(), Forgotten> {
        if revision < self.known_since { Err(Forgotten { oldest: self.known_since }) } else { Ok(()) }
    }

    fn record(&mut self, event: Event, limit: usize) {
        if self.history.len() >= limit
            && let Some(forgotten) = self.history.pop_front()
        {
            self.known_since = forgotten.revision;
        }
        let revision = event.revision;
        self.history.push_back(event);
        self.changed.send_replace(revision);
    }
}

#[cfg(test)]
mod tests;
