//! OpenAPI v3, generated from the schema: enough for `kubectl` to see that fields are validated by the server, to compute
//! strategic merge patches, and to `explain` the structure of a kind.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::discovery;
use crate::kind::{KINDS, Kind};
use crate::schema::{self, Scalar, Struct, Type};

/// `/openapi/v3`: where the document of each group and version is.
pub(crate) fn index() -> Value {
    let groups = discovery::groups().into_iter().filter(|group| KINDS.iter().any(|kind| kind.group == *group));
    let paths = std::iter::once("api/v1".to_owned()).chain(groups.map(|group| format!("apis/{group}/v1")));
    let entry = |path: String| {
        let url = format!("/openapi/v3/{path}?hash={}", env!("CARGO_PKG_VERSION"));
        (path, json!({ "serverRelativeURL": url }))
    };
    json!({ "paths": paths.map(entry).collect::<Map<_, _>>() })
}

/// `/openapi/v3/...`: the document of one group; the core group has an empty name.
pub(crate) fn document(group: &str) -> Option<Value> {
    let kinds: Vec<&Kind> = KINDS.iter().filter(|kind| kind.group == group).collect();
    if kinds.is_empty() {
        return None;
    }
    let mut schemas = BTreeMap::new();
    let mut paths = Map::new();
    for kind in kinds {
        add_struct(kind.kind, &mut schemas);
        let schema = schemas.get_mut(&schema_name(kind.kind)).expect("added above");
        schema["x-kubernetes-group-version-kind"] = json!([type_of(kind)]);
        for field in ["apiVersion", "kind"] {
            schema["properties"][field] = json!({"type": "string"});
        }
        add_paths(kind, &mut paths);
    }
    Some(json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.33.0"}, "paths": paths,
        "components": {"schemas": schemas}
    }))
}

fn type_of(kind: &Kind) -> Value {
    json!({"group": kind.group, "version": kind.version, "kind": kind.kind})
}

/// Struct names are unique over all groups here, so one prefix does for all.
fn schema_name(structure: &str) -> String {
    format!("io.k8s.api.v1.{structure}")
}

fn add_paths(kind: &Kind, paths: &mut Map<String, Value>) {
    let root = if kind.group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}/v1", kind.group) };
    let namespace = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
    let collection = format!("{root}{namespace}/{}", kind.plural);
    let parameter =
        |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let parameters = json!([parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")]);
    let reference = json!({"$ref": format!("#/components/schemas/{}", schema_name(kind.kind))});
    let body = |media_types: &[&str]| {
        let content = media_types.iter().map(|media_type| ((*media_type).to_owned(), json!({ "schema": reference })));
        json!({"content": content.collect::<Map<_, _>>(), "required": true})
    };
    let operation = |action: &str, media_types: &[&str]| {
        let mut operation = json!({
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": type_of(kind),
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": reference}}}}
        });
        if !media_types.is_empty() {
            operation["parameters"] = parameters.clone();
            operation["requestBody"] = body(media_types);
        }
        operation
    };
    let json = &["application/json", "application/yaml"][..];
    let patches = &[
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    ][..];
    paths.insert(collection.clone(), json!({"get": operation("list", &[]), "post": operation("post", json)}));
    paths.insert(
        format!("{collection}/{{name}}"),
        json!({
            "get": operation("get", &[]), "put": operation("put", json), "patch": operation("patch", patches),
            "delete": operation("delete", &[])
        }),
    );
}

fn add_struct(name: &str, schemas: &mut BTreeMap<String, Value>) {
    let schema_name = schema_name(name);
    if schemas.contains_key(&schema_name) {
        return;
    }
    let structure: &Struct = schema::structure(name);
    // Inserted first: a struct may hold itself.
    schemas.insert(schema_name.clone(), Value::Null);
    let mut properties = Map::new();
    for field in &structure.fields {
        properties.insert(field.name.clone(), property(&field.ty, schemas));
    }
    schemas.insert(schema_name, json!({"type": "object", "properties": properties}));
}

fn property(ty: &Type, schemas: &mut BTreeMap<String, Value>) -> Value {
    let array = |element: &Type, schemas: &mut BTreeMap<String, Value>| json!({"type": "array", "items": property(element, schemas)});
    match ty {
        Type::Scalar(scalar) => scalar_schema(*scalar),
        Type::Struct { name, .. } => {
            add_struct(name, schemas);
            json!({"allOf": [{"$ref": format!("#/components/schemas/{}", schema_name(name))}], "default": {}})
        }
        Type::Map { element, .. } => json!({"type": "object", "additionalProperties": property(element, schemas)}),
        Type::List(element) => {
            let mut schema = array(element, schemas);
            schema["x-kubernetes-list-type"] = "atomic".into();
            schema
        }
        Type::Set(element) => {
            let mut schema = array(element, schemas);
            schema["x-kubernetes-list-type"] = "set".into();
            schema["x-kubernetes-patch-strategy"] = "merge".into();
            schema
        }
        Type::Keyed { element, keys } => {
            let mut schema = array(element, schemas);
            let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
            schema["x-kubernetes-list-type"] = "map".into();
            schema["x-kubernetes-patch-strategy"] = "merge".into();
            schema["x-kubernetes-patch-merge-key"] = names.first().copied().unwrap_or_default().into();
            schema["x-kubernetes-list-map-keys"] = json!(names);
            schema
        }
    }
}

fn scalar_schema(scalar: Scalar) -> Value {
    match scalar {
        Scalar::String => json!({"type": "string"}),
        Scalar::Bool => json!({"type": "boolean"}),
        Scalar::Int32 => json!({"type": "integer", "format": "int32"}),
        Scalar::Int64 => json!({"type": "integer", "format": "int64"}),
        Scalar::Number => json!({"type": "number", "format": "double"}),
        Scalar::Time | Scalar::MicroTime => json!({"type": "string", "format": "date-time"}),
        Scalar::Bytes => json!({"type": "string", "format": "byte"}),
        Scalar::Quantity => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        Scalar::IntOrString => json!({"type": "string", "format": "int-or-string"}),
        Scalar::Any => json!({"type": "object"}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_in_the_index_has_a_document_whose_references_resolve() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(reference)) = fields.get("$ref") {
                        found.push(reference.clone());
                    }
                    fields.values().for_each(|value| references(value, found));
                }
                Value::Array(items) => items.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let index = index();
        for path in index["paths"].as_object().unwrap().keys() {
            let group = path.strip_prefix("apis/").map_or("", |rest| rest.split('/').next().unwrap());
            let document = document(group).unwrap();
            let mut found = Vec::new();
            references(&document, &mut found);
            for reference in found {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some_and(Value::is_object), "{reference}");
            }
        }
    }

    #[test]
    fn patches_can_be_computed_from_it() {
        let document = document("").unwrap();
        let ports = &document["components"]["schemas"]["io.k8s.api.v1.ServiceSpec"]["properties"]["ports"];
        assert_eq!(ports["x-kubernetes-patch-merge-key"], "port");
        let patch = &document["paths"]["/api/v1/namespaces/{namespace}/services/{name}"]["patch"];
        assert_eq!(patch["parameters"][2]["name"], "fieldValidation");
    }
}
