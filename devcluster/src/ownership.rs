//! Who owns which field: the sets of `metadata.managedFields`, and what server-side apply does with them.
//!
//! The rules are those of the `structured-merge-diff` library that a real server uses. An `Update` owns what it changed;
//! an `Apply` owns what its configuration names. Applying a field that somebody else owns, with another value, is a
//! conflict; a field that an applier no longer names, and nobody else owns, is removed.

mod apply;
mod compare;
mod managers;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::schema::{ListKey, Parts, Type};

pub(crate) use apply::merge_in_order;
pub(crate) use managers::{Managers, Writer};

/// A set of paths into an object, kept as the tree that `fieldsV1` writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    /// Whether the path that ends here is in the set.
    member: bool,
    /// By path element as `fieldsV1` writes it: `f:name`, `k:{"port":80}`, `v:"value"`.
    children: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    fn leaf() -> Self {
        Self { member: true, children: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// Reads `fieldsV1`.
    pub(crate) fn from_json(json: &Value) -> Self {
        let Some(entries) = json.as_object() else { return Self::default() };
        if entries.is_empty() {
            return Self::leaf();
        }
        let mut set = Self::default();
        for (element, inner) in entries {
            if element == "." {
                set.member = true;
            } else {
                set.children.insert(element.clone(), Self::from_json(inner));
            }
        }
        set
    }

    /// Writes `fieldsV1`.
    pub(crate) fn to_json(&self) -> Value {
        let mut entries = Map::new();
        if self.member && !self.children.is_empty() {
            entries.insert(".".to_owned(), Value::Object(Map::new()));
        }
        entries.extend(self.children.iter().map(|(element, inner)| (element.clone(), inner.to_json())));
        Value::Object(entries)
    }

    fn child_mut(&mut self, element: &str) -> &mut Self {
        self.children.entry(element.to_owned()).or_default()
    }

    fn insert(&mut self, path: &[String]) {
        let mut set = self;
        for element in path {
            set = set.child_mut(element);
        }
        set.member = true;
    }

    fn combine(&self, other: &Self, member: fn(bool, bool) -> bool) -> Self {
        let empty = Self::default();
        let elements: BTreeSet<&String> = self.children.keys().chain(other.children.keys()).collect();
        let children = elements.into_iter().filter_map(|element| {
            let left = self.children.get(element).unwrap_or(&empty);
            let right = other.children.get(element).unwrap_or(&empty);
            let combined = left.combine(right, member);
            (!combined.is_empty()).then(|| (element.clone(), combined))
        });
        Self { children: children.collect(), member: member(self.member, other.member) }
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        self.combine(other, |left, right| left || right)
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        self.combine(other, |left, right| left && right)
    }

    pub(crate) fn difference(&self, other: &Self) -> Self {
        self.combine(other, |left, right| left && !right)
    }

    /// Removes a path and everything below it.
    fn remove_tree(&mut self, path: &[&str]) {
        if let [element, rest @ ..] = path {
            let Some(child) = self.children.get_mut(*element) else { return };
            if !rest.is_empty() {
                child.remove_tree(rest);
            }
            if rest.is_empty() || child.is_empty() {
                self.children.remove(*element);
            }
        }
    }

    /// The paths in the set, as error messages write them: `.spec.ports[port=80,protocol="TCP"].name`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths("", &mut paths);
        paths
    }

    fn collect_paths(&self, prefix: &str, paths: &mut Vec<String>) {
        if self.member {
            paths.push(prefix.to_owned());
        }
        for (element, inner) in &self.children {
            inner.collect_paths(&format!("{prefix}{}", shown(element)), paths);
        }
    }
}

/// One path element as error messages write it.
fn shown(element: &str) -> String {
    match element.split_once(':') {
        Some(("f", name)) => format!(".{name}"),
        Some(("v", value)) => format!("[={value}]"),
        Some(("k", keys)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
        _ => format!("[{element}]"),
    }
}

fn field_element(name: &str) -> String {
    format!("f:{name}")
}

fn value_element(value: &Value) -> String {
    format!("v:{value}")
}

/// The element of a keyed list's item: its keys in order, with their defaults filled in.
fn item_element(item: &Value, keys: &[ListKey]) -> String {
    let mut named: BTreeMap<&str, Value> = BTreeMap::new();
    for key in keys {
        let value = item.get(&key.name).filter(|value| !value.is_null()).cloned();
        if let Some(value) = value.or_else(|| key.default.clone().map(Value::String)) {
            named.insert(&key.name, value);
        }
    }
    format!("k:{}", serde_json::to_string(&named).expect("a JSON value has only string keys"))
}

fn is_empty_value(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    }
}

/// The fields that an object, or a configuration, names.
pub(crate) fn named_fields(ty: &Type, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    match (ty.parts(), value) {
        (Parts::Struct(structure), Value::Object(entries)) => {
            for (name, value) in entries {
                let Some(field) = structure.field(name) else { continue };
                set.children.insert(field_element(name), named_or_leaf(&field.ty, value));
            }
        }
        (Parts::Map(element), Value::Object(entries)) => {
            for (name, value) in entries {
                let mut inner = named_or_leaf(element, value);
                inner.member = true;
                set.children.insert(field_element(name), inner);
            }
        }
        (Parts::Set, Value::Array(items)) => {
            set.children.extend(items.iter().map(|item| (value_element(item), FieldSet::leaf())));
        }
        (Parts::Keyed(element, keys), Value::Array(items)) => {
            for item in items {
                let mut inner = named_fields(element, item);
                inner.member = true;
                set.children.insert(item_element(item, keys), inner);
            }
        }
        // A whole, or a value that does not fit its type.
        _ => set.member = true,
    }
    set
}

fn named_or_leaf(ty: &Type, value: &Value) -> FieldSet {
    let empty_struct = value.is_null() || value.as_object().is_some_and(Map::is_empty);
    if empty_struct { FieldSet::leaf() } else { named_fields(ty, value) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::object_type;

    #[test]
    fn fields_are_written_and_read_as_a_real_server_does() {
        let service = json!({
            "metadata": {"labels": {"app": "web"}, "finalizers": ["x/y"]},
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "name": "http"}]}
        });
        let set = named_fields(&object_type("Service"), &service);
        let json = json!({
            "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {"v:\"x/y\"": {}}},
            "f:spec": {"f:selector": {}, "f:ports": {
                "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}}}}
        });
        assert_eq!(set.to_json(), json);
        assert_eq!(FieldSet::from_json(&json), set);
        assert_eq!(
            set.paths(),
            [
                r#".metadata.finalizers[="x/y"]"#,
                ".metadata.labels.app",
                r#".spec.ports[port=80,protocol="TCP"]"#,
                r#".spec.ports[port=80,protocol="TCP"].name"#,
                r#".spec.ports[port=80,protocol="TCP"].port"#,
                ".spec.selector",
            ]
        );
    }

    #[test]
    fn sets_combine_path_by_path() {
        let one = FieldSet::from_json(&json!({"f:a": {}, "f:b": {".": {}, "f:c": {}}}));
        let two = FieldSet::from_json(&json!({"f:b": {"f:c": {}}, "f:d": {}}));
        assert_eq!(one.union(&two).to_json(), json!({"f:a": {}, "f:b": {".": {}, "f:c": {}}, "f:d": {}}));
        assert_eq!(one.intersection(&two).to_json(), json!({"f:b": {"f:c": {}}}));
        assert_eq!(one.difference(&two).to_json(), json!({"f:a": {}, "f:b": {}}));
        let mut three = one;
        three.remove_tree(&["f:b", "f:c"]);
        three.remove_tree(&["f:a"]);
        assert_eq!(three.to_json(), json!({"f:b": {}}));
    }
}
