//! What changed from one version of an object to the next, path by path.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{FieldSet, field_element, is_empty_value, item_element, value_element};
use crate::schema::{Parts, Type};

/// The paths that differ between two versions.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) added: FieldSet,
    pub(super) modified: FieldSet,
    pub(super) removed: FieldSet,
}

impl Changes {
    /// What a writer made of the object: added and modified paths.
    pub(super) fn taken(&self) -> FieldSet {
        self.added.union(&self.modified)
    }
}

pub(super) fn compare(ty: &Type, before: &Value, after: &Value) -> Changes {
    let mut changes = Changes::default();
    let mut path = Vec::new();
    Comparison { changes: &mut changes, path: &mut path }.value(ty, Some(before), Some(after));
    changes
}

struct Comparison<'a> {
    changes: &'a mut Changes,
    path: &'a mut Vec<String>,
}

impl Comparison<'_> {
    fn value(&mut self, ty: &Type, before: Option<&Value>, after: Option<&Value>) {
        let empty = |value: Option<&Value>| value.is_none_or(is_empty_value);
        let parts = ty.parts();
        if matches!(parts, Parts::Whole) || (empty(before) && empty(after)) {
            return self.leaf(before, after);
        }
        match parts {
            Parts::Whole => {}
            Parts::Struct(structure) => {
                let (before, after) = (entries(before), entries(after));
                for field in &structure.fields {
                    let (before, after) = (before.get(&field.name).copied(), after.get(&field.name).copied());
                    self.child(field_element(&field.name), &field.ty, before, after);
                }
            }
            Parts::Map(element) => {
                let (before, after) = (entries(before), entries(after));
                for name in union(&before, &after) {
                    let (before, after) = (before.get(name).copied(), after.get(name).copied());
                    self.child(field_element(name), element, before, after);
                }
                self.container(before.is_empty(), after.is_empty());
            }
            Parts::Set => {
                let (before, after) = (items(before, value_element), items(after, value_element));
                for element in union(&before, &after) {
                    self.path.push(element.clone());
                    self.leaf(before.get(element).copied(), after.get(element).copied());
                    self.path.pop();
                }
                self.container(before.is_empty(), after.is_empty());
            }
            Parts::Keyed(element, keys) => {
                let identify = |item: &Value| item_element(item, keys);
                let (before, after) = (items(before, identify), items(after, identify));
                for name in union(&before, &after) {
                    let (before, after) = (before.get(name).copied(), after.get(name).copied());
                    self.child(name.clone(), element, before, after);
                    self.path.push(name.clone());
                    self.container(before.is_none(), after.is_none());
                    self.path.pop();
                }
                self.container(before.is_empty(), after.is_empty());
            }
        }
    }

    fn child(&mut self, element: String, ty: &Type, before: Option<&Value>, after: Option<&Value>) {
        self.path.push(element);
        self.value(ty, before, after);
        self.path.pop();
    }

    fn leaf(&mut self, before: Option<&Value>, after: Option<&Value>) {
        match (before, after) {
            (None, Some(_)) => self.changes.added.insert(self.path),
            (Some(_), None) => self.changes.removed.insert(self.path),
            (Some(before), Some(after)) if before != after => self.changes.modified.insert(self.path),
            _ => {}
        }
    }

    /// A map, list or item that came into being or went is a path of its own.
    fn container(&mut self, was_absent: bool, is_absent: bool) {
        match (was_absent, is_absent) {
            (true, false) => self.changes.added.insert(self.path),
            (false, true) => self.changes.removed.insert(self.path),
            _ => {}
        }
    }
}

fn entries(value: Option<&Value>) -> BTreeMap<String, &Value> {
    let entries = value.and_then(Value::as_object).into_iter().flat_map(Map::iter);
    entries.map(|(name, value)| (name.clone(), value)).collect()
}

fn items(value: Option<&Value>, identify: impl Fn(&Value) -> String) -> BTreeMap<String, &Value> {
    value.and_then(Value::as_array).into_iter().flatten().map(|item| (identify(item), item)).collect()
}

fn union<'a>(before: &'a BTreeMap<String, &Value>, after: &'a BTreeMap<String, &Value>) -> Vec<&'a String> {
    before.keys().chain(after.keys().filter(|name| !before.contains_key(*name))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::object_type;

    #[test]
    fn every_change_is_told_apart() {
        let before = json!({
            "metadata": {"labels": {"a": "1", "b": "1"}},
            "spec": {"type": "ClusterIP", "ports": [{"port": 80}, {"port": 81}]}
        });
        let after = json!({
            "metadata": {"labels": {"a": "2", "c": "1"}},
            "spec": {"type": "ClusterIP", "selector": {"x": "y"}, "ports": [{"port": 80, "name": "http"}]}
        });
        let changes = compare(&object_type("Service"), &before, &after);
        assert_eq!(changes.modified.paths(), [".metadata.labels.a"]);
        assert_eq!(
            changes.added.paths(),
            [".metadata.labels.c", r#".spec.ports[port=80,protocol="TCP"].name"#, ".spec.selector"]
        );
        assert_eq!(
            changes.removed.paths(),
            [
                ".metadata.labels.b",
                r#".spec.ports[port=81,protocol="TCP"]"#,
                r#".spec.ports[port=81,protocol="TCP"].port"#
            ]
        );
    }

    #[test]
    fn nothing_changed_is_nothing() {
        let object = json!({"metadata": {"finalizers": ["a"]}, "data": {"k": "v"}});
        let changes = compare(&object_type("ConfigMap"), &object, &object);
        assert!(changes.taken().is_empty() && changes.removed.is_empty());
    }
}
