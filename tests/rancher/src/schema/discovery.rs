//! `/schemas`: the table as a client discovers it, with the methods that its key has.

use serde_json::{Map, Value, json};

use super::nested::NESTED;
use super::{Field, Kind, Rights, TYPES, Type};
use crate::filter;
use crate::link::Links;
use crate::scope::Scope;

/// One schema per type that the scope may see.
pub(crate) fn schemas(scope: &Scope, links: &Links) -> Vec<Value> {
    TYPES.iter().chain(NESTED).filter(|each| scope.sees(each)).map(|each| schema(each, scope, links)).collect()
}

/// The schema with this id, in camelCase or lower-case.
pub(crate) fn schema_of(id: &str, scope: &Scope, links: &Links) -> Option<Value> {
    TYPES
        .iter()
        .chain(NESTED)
        .filter(|each| scope.sees(each))
        .find(|each| each.name.eq_ignore_ascii_case(id))
        .map(|each| schema(each, scope, links))
}

fn schema(each: &Type, scope: &Scope, links: &Links) -> Value {
    let writable = scope.writes(each);
    let listed = each.rights != Rights::Nested;
    let mut own_links = Map::new();
    own_links.insert("self".to_owned(), json!(links.to(&format!("schemas/{}", each.name.to_ascii_lowercase()))));
    if listed {
        own_links.insert("collection".to_owned(), json!(links.to(&each.plural.to_ascii_lowercase())));
    }
    let collection_methods: &[&str] = match (listed, writable) {
        (false, _) => &[],
        (true, true) => &["GET", "POST"],
        (true, false) => &["GET"],
    };
    let resource_methods: &[&str] = match (listed, writable) {
        (false, _) => &[],
        (true, true) => &["GET", "PUT", "DELETE"],
        (true, false) => &["GET"],
    };
    let actions: Map<String, Value> = each
        .actions
        .iter()
        .chain(each.constant_actions)
        .filter(|_| writable)
        .map(|action| ((*action).to_owned(), json!({ "input": null, "output": each.name })))
        .collect();
    let filters: Map<String, Value> = if listed {
        filter::columns(each)
            .map(|column| (column.to_owned(), json!({ "modifiers": filter::modifiers(each, column) })))
            .collect()
    } else {
        Map::new()
    };
    json!({
        "id": each.name, "type": "schema", "baseType": "schema", "pluralName": each.plural,
        "links": own_links, "actions": {},
        "collectionMethods": collection_methods, "resourceMethods": resource_methods,
        "resourceFields": each.fields().map(|field| (field.name.to_owned(), describe(field, writable || !listed)))
            .collect::<Map<_, _>>(),
        "resourceActions": actions, "collectionFilters": filters, "collectionActions": {}, "collectionFields": {},
        "includeableLinks": each.links,
    })
}

fn describe(field: &Field, writable: bool) -> Value {
    json!({
        "type": kind_name(&field.kind), "create": field.create && writable, "update": field.update && writable,
        "nullable": field.nullable, "required": field.required, "unique": field.unique,
        "default": field.default.and_then(|text| serde_json::from_str::<Value>(text).ok()),
        "min": field.min, "max": field.max, "minLength": field.min_length, "maxLength": field.max_length,
        "validChars": field.valid_chars, "invalidChars": null,
        "options": if field.options.is_empty() { Value::Null } else { json!(field.options) },
    })
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::String => "string".to_owned(),
        Kind::Int => "int".to_owned(),
        Kind::Bool => "boolean".to_owned(),
        Kind::Date => "date".to_owned(),
        Kind::Json => "json".to_owned(),
        Kind::MapOfString => "map[string]".to_owned(),
        Kind::MapOfJson => "map[json]".to_owned(),
        Kind::Object(each) => each.name.to_owned(),
        Kind::Array(item) => format!("array[{}]", kind_name(item)),
        Kind::Reference(to) => format!("reference[{to}]"),
    }
}
