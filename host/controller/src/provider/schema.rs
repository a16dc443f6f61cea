//! A JSON Schema of settings as a table for people.

use serde_json::{Map, Value};

/// How deep objects in objects are shown.
const DEPTH: usize = 6;

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// The key, those of inner objects after a point.
    pub(super) key: String,
    pub(super) kind: String,
    /// As JSON; empty if there is none.
    pub(super) default: String,
    pub(super) description: String,
}

/// The schema of a descriptor; the error says what it is instead.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(schema @ Value::Object(_)) => Ok(schema),
        Ok(_) => Err("the settings schema is JSON, but no object; return a JSON Schema of an object".to_owned()),
        Err(error) => Err(format!("the settings schema is not JSON: {error}; return a JSON Schema of an object")),
    }
}

/// The settings that a schema tells of.
pub(super) fn settings(schema: &Value) -> Vec<Setting> {
    let mut settings = Vec::new();
    collect(schema, schema, "", DEPTH, &mut settings);
    settings
}

fn collect(root: &Value, object: &Value, prefix: &str, depth: usize, settings: &mut Vec<Setting>) {
    let required: Vec<_> = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties: Option<&Map<String, Value>> = object["properties"].as_object();
    for (name, property) in properties.into_iter().flatten() {
        let (key, schema) = (format!("{prefix}{name}"), resolved(root, property));
        if depth > 1 && schema["properties"].is_object() {
            collect(root, schema, &format!("{key}."), depth - 1, settings);
            continue;
        }
        let text = |field: &str| property[field].as_str().or_else(|| schema[field].as_str()).unwrap_or_default();
        let default = property.get("default").or_else(|| schema.get("default"));
        let default = match default {
            Some(default) => default.to_string(),
            None if required.contains(&name.as_str()) => "required".to_owned(),
            None => String::new(),
        };
        settings.push(Setting {
            kind: kind(root, schema, depth),
            // Made of a comment, it has that comment's line ends.
            description: text("description").split_whitespace().collect::<Vec<_>>().join(" "),
            key,
            default,
        });
    }
}

/// What a `$ref` into the same schema means.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let pointer = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

fn kind(root: &Value, schema: &Value, depth: usize) -> String {
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ");
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    let alternatives = ["anyOf", "oneOf"].into_iter().find_map(|key| schema[key].as_array());
    if let Some(alternatives) = alternatives.filter(|_| depth > 0) {
        let kinds: Vec<_> = alternatives.iter().map(|schema| kind(root, resolved(root, schema), depth - 1)).collect();
        return kinds.join(" or ");
    }
    let name = match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    };
    match (name.as_str(), &schema["minimum"], &schema["maximum"]) {
        ("array", ..) if depth > 0 && schema["items"].is_object() => {
            format!("list of {}", kind(root, resolved(root, &schema["items"]), depth - 1))
        }
        ("integer" | "number", Value::Number(least), Value::Number(most)) => format!("{name}, {least} to {most}"),
        ("integer" | "number", Value::Number(least), _) => format!("{name}, at least {least}"),
        ("integer" | "number", _, Value::Number(most)) => format!("{name}, at most {most}"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{parse, settings};

    #[test]
    fn a_schema_becomes_a_table() {
        let schema = json!({
            "type": "object",
            "required": ["url"],
            "$defs": { "size": { "type": "integer", "minimum": 1, "maximum": 9, "description": "How\nmany." } },
            "properties": {
                "url": { "type": "string" },
                "mode": { "enum": ["fast", "safe"], "default": "safe" },
                "names": { "type": "array", "items": { "type": ["string", "null"] } },
                "pool": { "type": "object", "properties": { "size": { "$ref": "#/$defs/size", "default": 3 } } },
                "wait": { "anyOf": [{ "type": "integer", "minimum": 0 }, { "const": "off" }] },
            },
        });
        let rows: Vec<_> =
            settings(&schema).into_iter().map(|row| [row.key, row.kind, row.default, row.description]).collect();
        let expected = [
            ["mode", "\"fast\" | \"safe\"", "\"safe\"", ""],
            ["names", "list of string or null", "", ""],
            ["pool.size", "integer, 1 to 9", "3", "How many."],
            ["url", "string", "required", ""],
            ["wait", "integer, at least 0 or \"off\"", "", ""],
        ];
        assert_eq!(rows.iter().map(|row| row.each_ref().map(String::as_str)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({ "properties": { "a": { "$ref": "#" } } });
        assert_eq!(settings(&schema).len(), 1);
        let schema = json!({ "$defs": { "a": { "anyOf": [{ "$ref": "#/$defs/a" }] } }, "properties": { "a": { "$ref": "#/$defs/a" } } });
        assert_eq!(settings(&schema)[0].kind, "any");
    }

    #[test]
    fn what_is_no_schema_is_told() {
        assert!(parse("{}").is_ok());
        assert!(parse("[]").unwrap_err().contains("no object"));
        assert!(parse("{").unwrap_err().contains("not JSON"));
    }
}
