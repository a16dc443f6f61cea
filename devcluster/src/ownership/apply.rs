//! Merging a configuration into an object, and removing what nobody names any longer.

use serde_json::{Map, Value};

use super::{FieldSet, field_element, is_empty_value, item_element, value_element};
use crate::schema::{Parts, Type};

/// `live` with everything that `configuration` names.
pub(crate) fn merge(ty: &Type, live: &Value, configuration: &Value) -> Value {
    match (ty.parts(), live, configuration) {
        (Parts::Struct(structure), Value::Object(live), Value::Object(configuration)) => {
            merge_entries(live, configuration, |name| structure.field(name).map(|field| &field.ty))
        }
        (Parts::Map(element), Value::Object(live), Value::Object(configuration)) => {
            merge_entries(live, configuration, |_| Some(element))
        }
        (Parts::Set, Value::Array(live), Value::Array(configuration)) => {
            Value::Array(merge_in_order(live, configuration.clone(), value_element))
        }
        (Parts::Keyed(element, keys), Value::Array(live), Value::Array(configuration)) => {
            let identify = |item: &Value| item_element(item, keys);
            let merged = configuration.iter().map(|item| {
                let name = identify(item);
                match live.iter().find(|candidate| identify(candidate) == name) {
                    Some(live) => merge(element, live, item),
                    None => item.clone(),
                }
            });
            Value::Array(merge_in_order(live, merged.collect(), identify))
        }
        _ => configuration.clone(),
    }
}

fn merge_entries<'a>(
    live: &Map<String, Value>,
    configuration: &Map<String, Value>,
    type_of: impl Fn(&str) -> Option<&'a Type>,
) -> Value {
    let mut merged = live.clone();
    for (name, value) in configuration {
        let value = match (merged.get(name), type_of(name)) {
            (Some(live), Some(ty)) => merge(ty, live, value),
            _ => value.clone(),
        };
        merged.insert(name.clone(), value);
    }
    Value::Object(merged)
}

/// `merged` in its own order, and between them the items that only `live` has, in theirs: an item that is in both lists
/// stays behind the items of `live` that it was behind.
pub(crate) fn merge_in_order(live: &[Value], merged: Vec<Value>, identify: impl Fn(&Value) -> String) -> Vec<Value> {
    let order: Vec<String> = live.iter().map(&identify).collect();
    let names: Vec<String> = merged.iter().map(&identify).collect();
    let mut only_live = live.iter().zip(&order).enumerate().filter(|(_, (_, name))| !names.contains(name)).peekable();
    let mut out = Vec::with_capacity(live.len() + merged.len());
    for (item, name) in merged.into_iter().zip(&names) {
        if let Some(position) = order.iter().position(|live| live == name) {
            while let Some((_, (before, _))) = only_live.next_if(|(index, _)| *index < position) {
                out.push(before.clone());
            }
        }
        out.push(item);
    }
    out.extend(only_live.map(|(_, (item, _))| item.clone()));
    out
}

/// Removes from `value` what is in `last` and that nobody in `kept` owns, neither itself nor below it.
pub(super) fn prune(ty: &Type, value: &mut Value, last: &FieldSet, kept: &FieldSet) {
    let nobody = FieldSet::default();
    for (element, inner) in &last.children {
        let owners = kept.children.get(element).unwrap_or(&nobody);
        if owners.is_empty() && inner.member {
            remove(ty, value, element);
            continue;
        }
        let emptied = child(ty, value, element).is_some_and(|(ty, value)| {
            let was_empty = is_empty_value(value);
            prune(ty, value, inner, owners);
            !was_empty && is_empty_value(value)
        });
        if emptied && !owners.member {
            remove(ty, value, element);
        }
    }
}

fn child<'a>(ty: &'a Type, value: &'a mut Value, element: &str) -> Option<(&'a Type, &'a mut Value)> {
    match ty.parts() {
        Parts::Struct(structure) => {
            let name = element.strip_prefix("f:")?;
            Some((&structure.field(name)?.ty, value.get_mut(name)?))
        }
        Parts::Map(inner) => Some((inner, value.get_mut(element.strip_prefix("f:")?)?)),
        Parts::Keyed(inner, keys) => {
            let item = value.as_array_mut()?.iter_mut().find(|item| item_element(item, keys) == element)?;
            Some((inner, item))
        }
        Parts::Whole | Parts::Set => None,
    }
}

fn remove(ty: &Type, value: &mut Value, element: &str) {
    match (ty.parts(), value) {
        (Parts::Struct(_) | Parts::Map(_), Value::Object(entries)) => {
            entries.retain(|name, _| field_element(name) != element);
        }
        (Parts::Set, Value::Array(items)) => items.retain(|item| value_element(item) != element),
        (Parts::Keyed(_, keys), Value::Array(items)) => items.retain(|item| item_element(item, keys) != element),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ownership::named_fields;
    use crate::schema::object_type;

    #[test]
    fn a_configuration_is_merged_by_the_kind_of_each_field() {
        let live = json!({
            "metadata": {"labels": {"a": "1", "b": "1"}},
            "spec": {"selector": {"a": "1"}, "ports": [{"port": 80, "name": "http"}, {"port": 443, "name": "https"}]}
        });
        let configuration = json!({
            "metadata": {"labels": {"b": "2"}},
            "spec": {"selector": {"b": "2"}, "ports": [{"port": 443, "targetPort": 8443}, {"port": 8080}]}
        });
        assert_eq!(
            merge(&object_type("Service"), &live, &configuration),
            json!({
                "metadata": {"labels": {"a": "1", "b": "2"}},
                "spec": {"selector": {"b": "2"}, "ports": [
                    {"port": 80, "name": "http"}, {"port": 443, "name": "https", "targetPort": 8443}, {"port": 8080}]}
            })
        );
    }

    #[test]
    fn what_is_no_longer_named_goes_with_what_becomes_empty() {
        let ty = object_type("Service");
        let mut object = json!({
            "metadata": {"labels": {"a": "1", "b": "1"}, "finalizers": ["x", "y"]},
            "spec": {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 1}},
                "ports": [{"port": 80, "targetPort": 80}, {"port": 443, "targetPort": 443}]}
        });
        let last = named_fields(
            &ty,
            &json!({
                "metadata": {"labels": {"a": "1"}, "finalizers": ["x"]},
                "spec": {"sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 1}}, "ports": [{"port": 443}]}
            }),
        );
        prune(&ty, &mut object, &last, &FieldSet::default());
        assert_eq!(
            object,
            json!({"metadata": {"labels": {"b": "1"}, "finalizers": ["y"]},
                "spec": {"ports": [{"port": 80, "targetPort": 80}]}})
        );
    }

    #[test]
    fn what_somebody_else_owns_stays() {
        let ty = object_type("ConfigMap");
        let mut object = json!({"data": {"a": "1", "b": "1"}});
        let last = named_fields(&ty, &object);
        let kept = named_fields(&ty, &json!({"data": {"b": "1"}}));
        prune(&ty, &mut object, &last, &kept);
        assert_eq!(object, json!({"data": {"b": "1"}}));
    }
}
