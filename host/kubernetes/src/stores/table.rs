//! Objects by name, and what a new list does to them.

use std::collections::{HashMap, HashSet};

use lb_model::cluster::NamespacedName;

/// The objects of one resource, from one watch or from one for each namespace.
#[derive(Debug)]
pub(crate) struct Table<T> {
    objects: HashMap<NamespacedName, T>,
    /// What the lists under way have brought so far, by the namespace that they are for; empty: all.
    lists: HashMap<Box<str>, HashSet<NamespacedName>>,
}

/// What an insertion did.
#[derive(Debug, PartialEq)]
pub(crate) enum Inserted<T> {
    New,
    /// It replaced this.
    Changed(T),
    Unchanged,
}

impl<T: PartialEq> Table<T> {
    /// A list begins. One that was under way is forgotten.
    pub(crate) fn begin(&mut self, namespace: &str) {
        self.lists.insert(namespace.into(), HashSet::new());
    }

    /// An object is in the list under way.
    pub(crate) fn listed(&mut self, namespace: &str, key: &NamespacedName) {
        if let Some(list) = self.lists.get_mut(namespace) {
            list.insert(key.clone());
        }
    }

    /// The list is complete: the keys that it covers and did not bring.
    pub(crate) fn complete(&mut self, namespace: &str) -> Vec<NamespacedName> {
        let Some(list) = self.lists.remove(namespace) else { return Vec::new() };
        let covered = |key: &&NamespacedName| namespace.is_empty() || key.namespace == namespace;
        self.objects.keys().filter(covered).filter(|key| !list.contains(key)).cloned().collect()
    }

    /// Puts an object in, unless it is there already.
    pub(crate) fn insert(&mut self, key: NamespacedName, object: T) -> Inserted<T> {
        match self.objects.get_mut(&key) {
            Some(known) if *known == object => Inserted::Unchanged,
            Some(known) => Inserted::Changed(std::mem::replace(known, object)),
            None => {
                self.objects.insert(key, object);
                Inserted::New
            }
        }
    }

    /// Puts an object in.
    pub(crate) fn replace(&mut self, key: NamespacedName, object: T) {
        self.objects.insert(key, object);
    }

    pub(crate) fn remove(&mut self, key: &NamespacedName) -> Option<T> {
        self.objects.remove(key)
    }

    pub(crate) fn get(&self, key: &NamespacedName) -> Option<&T> {
        self.objects.get(key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.objects.values()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&NamespacedName, &T)> {
        self.objects.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { objects: HashMap::new(), lists: HashMap::new() }
    }
}
