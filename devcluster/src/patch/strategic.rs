//! Strategic merge patch: a merge patch that knows which lists merge by which key, and that takes directives.

use serde_json::{Map, Value};

use crate::ownership::merge_in_order;
use crate::schema::{ListKey, Type, structure};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";

/// `original` with the patch applied.
///
/// # Errors
///
/// What is wrong with the patch.
pub(super) fn merge(ty: &Type, original: &Value, patch: &Value) -> Result<Value, String> {
    match patch {
        Value::Object(patch) => {
            let empty = Map::new();
            merge_objects(ty, original.as_object().unwrap_or(&empty), patch)
        }
        _ => Ok(patch.clone()),
    }
}

fn merge_objects(ty: &Type, original: &Map<String, Value>, patch: &Map<String, Value>) -> Result<Value, String> {
    let mut merged = original.clone();
    match patch.get(DIRECTIVE).map(|directive| directive.as_str().unwrap_or_default()) {
        None | Some("merge") => {}
        Some("replace") => {
            let mut replacement = patch.clone();
            replacement.remove(DIRECTIVE);
            return Ok(Value::Object(replacement));
        }
        Some("delete") => return Ok(Value::Object(Map::new())),
        Some(other) => return Err(format!("Unknown patch type {other:?} in map")),
    }
    if let Some(retained) = patch.get(RETAIN_KEYS) {
        let retained = retained.as_array().ok_or_else(|| format!("{RETAIN_KEYS} must be a list"))?;
        merged.retain(|name, _| retained.iter().any(|retained| retained == name.as_str()));
    }
    for (name, values) in patch {
        if let Some(field) = name.strip_prefix(DELETE_FROM)
            && let (Some(Value::Array(items)), Value::Array(values)) = (merged.get_mut(field), values)
        {
            items.retain(|item| !values.contains(item));
        }
    }
    for (name, value) in patch.iter().filter(|(name, _)| !name.starts_with('$')) {
        if value.is_null() {
            merged.remove(name);
            continue;
        }
        let ty = field_type(ty, name);
        let original = merged.get(name);
        let order = patch.get(&format!("{ORDER}{name}")).and_then(Value::as_array).map(Vec::as_slice);
        let value = match (ty.as_ref(), value) {
            (Some(Type::Set(_)), Value::Array(items)) => merge_set(original, items, order),
            (Some(Type::Keyed { element, keys }), Value::Array(items)) => {
                merge_list(element, keys, original, items, order)?
            }
            (Some(ty), Value::Object(_)) => merge(ty, original.unwrap_or(&Value::Null), value)?,
            (None, Value::Object(_)) => merge(&ANY, original.unwrap_or(&Value::Null), value)?,
            _ => value.clone(),
        };
        merged.insert(name.clone(), value);
    }
    // An order may come without changes of the list that it orders.
    for (name, order) in patch {
        if let Some(field) = name.strip_prefix(ORDER)
            && !patch.contains_key(field)
            && let (Some(Value::Array(items)), Value::Array(order)) = (merged.get(field), order)
        {
            let identify = identity(field_type(ty, field).as_ref());
            let ordered = reorder(items, items, order, identify);
            merged.insert(field.to_owned(), Value::Array(ordered));
        }
    }
    Ok(Value::Object(merged))
}

const ANY: Type = Type::Scalar(crate::schema::Scalar::Any);

fn field_type(ty: &Type, name: &str) -> Option<Type> {
    match ty {
        Type::Struct { name: owner, .. } => structure(owner).field(name).map(|field| field.ty.clone()),
        Type::Map { element, .. } => Some((**element).clone()),
        _ => None,
    }
}

/// How the items of a list are told apart: by the first key, or as a whole.
fn identity(ty: Option<&Type>) -> impl Fn(&Value) -> String + use<> {
    let key = match ty {
        Some(Type::Keyed { keys, .. }) => keys.first().map(|key| key.name.clone()),
        _ => None,
    };
    move |item| match &key {
        Some(key) => item[key].to_string(),
        None => item.to_string(),
    }
}

fn merge_set(original: Option<&Value>, items: &[Value], order: Option<&[Value]>) -> Value {
    let original = original.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut merged = original.to_vec();
    for item in items {
        if !merged.contains(item) {
            merged.push(item.clone());
        }
    }
    match order {
        Some(order) => Value::Array(reorder(original, &merged, order, Value::to_string)),
        None => Value::Array(merged),
    }
}

fn merge_list(
    element: &Type,
    keys: &[ListKey],
    original: Option<&Value>,
    items: &[Value],
    order: Option<&[Value]>,
) -> Result<Value, String> {
    let key = keys.first().map(|key| key.name.as_str()).unwrap_or_default();
    let original = original.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let replace = items.iter().any(|item| item[DIRECTIVE] == "replace");
    let mut merged = if replace { Vec::new() } else { original.to_vec() };
    for item in items {
        let directive = item[DIRECTIVE].as_str();
        if directive == Some("replace") {
            continue;
        }
        let value = &item[key];
        if value.is_null() {
            return Err(format!("map: {item} does not contain declared merge key: {key}"));
        }
        let found = merged.iter().position(|candidate| candidate[key] == *value);
        match (directive, found) {
            (Some("delete"), _) => merged.retain(|candidate| candidate[key] != *value),
            (None | Some("merge"), Some(index)) => merged[index] = merge(element, &merged[index], item)?,
            (None | Some("merge"), None) => merged.push(merge(element, &Value::Null, item)?),
            (Some(other), _) => return Err(format!("Unknown patch type {other:?} in list")),
        }
    }
    let key = key.to_owned();
    let identify = move |item: &Value| item[&key].to_string();
    Ok(Value::Array(match order {
        Some(order) => reorder(original, &merged, order, identify),
        None => merged,
    }))
}

/// `merged` with the items that `order` names in its order, and the others where `original` had them.
fn reorder(original: &[Value], merged: &[Value], order: &[Value], identify: impl Fn(&Value) -> String) -> Vec<Value> {
    let order: Vec<String> = order.iter().map(&identify).collect();
    let position = |item: &Value| order.iter().position(|name| *name == identify(item));
    let mut ordered: Vec<Value> = merged.iter().filter(|item| position(item).is_some()).cloned().collect();
    ordered.sort_by_key(position);
    let unnamed: Vec<String> = merged.iter().filter(|item| position(item).is_none()).map(&identify).collect();
    // Only what is still there keeps its place; the rest was deleted.
    let kept: Vec<Value> = original
        .iter()
        .filter_map(|item| {
            let name = identify(item);
            merged.iter().find(|candidate| identify(candidate) == name).cloned()
        })
        .collect();
    let mut out = merge_in_order(&kept, ordered, &identify);
    // Added, but not named in the order: at the end.
    for item in merged {
        let name = identify(item);
        if unnamed.contains(&name) && !out.iter().any(|candidate| identify(candidate) == name) {
            out.push(item.clone());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::object_type;

    fn patched(kind: &str, original: &Value, patch: &Value) -> Value {
        merge(&object_type(kind), original, patch).unwrap()
    }

    #[test]
    fn lists_merge_by_key_or_are_replaced() {
        let service = json!({"spec": {"ports": [{"port": 80, "name": "http"}, {"port": 81}], "externalIPs": ["a"]}});
        let patch = json!({"spec": {"ports": [{"port": 80, "targetPort": 8080}, {"port": 82}], "externalIPs": ["b"]}});
        assert_eq!(
            patched("Service", &service, &patch),
            json!({"spec": {"ports": [{"port": 80, "name": "http", "targetPort": 8080}, {"port": 81}, {"port": 82}],
                "externalIPs": ["b"]}})
        );
    }

    #[test]
    fn directives_delete_replace_and_retain() {
        let service = json!({"spec": {"ports": [{"port": 80}, {"port": 81}], "selector": {"a": "1", "b": "1"}}});
        let delete = json!({"spec": {"ports": [{"$patch": "delete", "port": 80}], "selector": {"a": null}}});
        assert_eq!(
            patched("Service", &service, &delete),
            json!({"spec": {"ports": [{"port": 81}], "selector": {"b": "1"}}})
        );
        let replace = json!({"spec": {"ports": [{"port": 90}, {"$patch": "replace"}],
            "selector": {"$patch": "replace", "c": "1"}}});
        assert_eq!(
            patched("Service", &service, &replace),
            json!({"spec": {"ports": [{"port": 90}], "selector": {"c": "1"}}})
        );
        let retain = json!({"spec": {"$retainKeys": ["selector"], "selector": {"c": "1"}}});
        assert_eq!(
            patched("Service", &service, &retain),
            json!({"spec": {"selector": {"a": "1", "b": "1", "c": "1"}}})
        );
    }

    #[test]
    fn sets_add_delete_and_order() {
        let object = json!({"metadata": {"finalizers": ["a", "b"]}});
        let patch = json!({"metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"],
            "$setElementOrder/finalizers": ["c", "b"]}});
        assert_eq!(patched("ConfigMap", &object, &patch), json!({"metadata": {"finalizers": ["c", "b"]}}));
    }

    #[test]
    fn element_order_moves_items_and_leaves_strangers_in_place() {
        let service = json!({"spec": {"ports": [{"port": 1}, {"port": 2}, {"port": 3}]}});
        let patch = json!({"spec": {"$setElementOrder/ports": [{"port": 3}, {"port": 4}, {"port": 1}],
            "ports": [{"port": 4}]}});
        let ports = &patched("Service", &service, &patch)["spec"]["ports"];
        let order: Vec<i64> = ports.as_array().unwrap().iter().map(|port| port["port"].as_i64().unwrap()).collect();
        assert_eq!(order, [2, 3, 4, 1]);
    }

    #[test]
    fn conditions_merge_by_type_and_owners_by_uid() {
        let node = json!({"metadata": {"ownerReferences": [{"uid": "1", "name": "a"}]},
            "status": {"conditions": [{"type": "Ready", "status": "False"}]}});
        let patch = json!({"metadata": {"ownerReferences": [{"uid": "2", "name": "b"}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "True"}]}});
        let node = patched("Node", &node, &patch);
        assert_eq!(node["metadata"]["ownerReferences"].as_array().unwrap().len(), 2);
        assert_eq!(node["status"]["conditions"][0], json!({"type": "Ready", "status": "True"}));
        assert_eq!(node["status"]["conditions"][1]["type"], "Other");
    }

    #[test]
    fn a_patch_without_its_merge_key_is_refused() {
        let error = merge(&object_type("Service"), &json!({}), &json!({"spec": {"ports": [{"name": "x"}]}}));
        assert_eq!(error.unwrap_err(), r#"map: {"name":"x"} does not contain declared merge key: port"#);
        let error = merge(&object_type("Service"), &json!({}), &json!({"spec": {"$patch": "no"}}));
        assert!(error.unwrap_err().contains("Unknown patch type"));
    }
}
