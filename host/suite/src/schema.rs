//! Whether a text is a JSON Schema: that the keywords which it uses have the shape that they must have.

use serde_json::Value;

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// Reads a schema; the error says what is wrong and where.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let schema = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    check(&schema, "the schema")?;
    Ok(schema)
}

fn check(schema: &Value, place: &str) -> Result<(), String> {
    let keywords = match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(keywords) => keywords,
        other => return Err(format!("{place} is {}, not an object", kind(other))),
    };
    for (keyword, value) in keywords {
        let here = format!("{place}, `{keyword}`");
        keyword_is_valid(keyword, value, &here)?;
    }
    Ok(())
}

fn keyword_is_valid(keyword: &str, value: &Value, here: &str) -> Result<(), String> {
    let must =
        |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{here} must be {what}, not {value}")) };
    match keyword {
        "type" => {
            let known = |name: &Value| name.as_str().is_some_and(|name| TYPES.contains(&name));
            let named = value.as_array().map_or(known(value), |names| !names.is_empty() && names.iter().all(known));
            must(named, &format!("one of {}", TYPES.join(", ")))
        }
        "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
            let members = value.as_object().ok_or_else(|| format!("{here} must be an object, not {value}"))?;
            members.iter().try_for_each(|(name, schema)| check(schema, &format!("{here}, `{name}`")))
        }
        "items" | "additionalProperties" | "propertyNames" | "contains" | "not" | "if" | "then" | "else" => {
            check(value, here)
        }
        "oneOf" | "anyOf" | "allOf" | "prefixItems" => {
            let members = value.as_array().filter(|members| !members.is_empty());
            let members = members.ok_or_else(|| format!("{here} must be a list of schemas, not {value}"))?;
            members.iter().try_for_each(|schema| check(schema, here))
        }
        "required" => {
            must(value.as_array().is_some_and(|names| names.iter().all(Value::is_string)), "a list of property names")
        }
        "enum" => must(value.is_array(), "a list"),
        "pattern" => must(value.as_str().is_some_and(|text| regex::Regex::new(text).is_ok()), "a regular expression"),
        "title" | "description" | "format" | "$ref" | "$id" | "$schema" | "$comment" => {
            must(value.is_string(), "a string")
        }
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => {
            must(value.is_number(), "a number")
        }
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" => {
            must(value.is_u64(), "a whole number")
        }
        "uniqueItems" | "deprecated" | "readOnly" | "writeOnly" => must(value.is_boolean(), "true or false"),
        _ => Ok(()),
    }
}

/// A value of a type that a schema does not allow, if it names its types.
pub(crate) fn wrong_value(schema: &Value) -> Option<Value> {
    let types = schema.get("type")?;
    let allows = |name: &str| match types {
        Value::Array(types) => types.iter().any(|allowed| allowed == name),
        only => only == name,
    };
    let candidates = [
        ("boolean", Value::Bool(true)),
        ("object", serde_json::json!({ "a": 1 })),
        ("array", serde_json::json!([[]])),
        ("string", Value::String("text".to_owned())),
    ];
    candidates.into_iter().find(|(name, _)| !allows(name)).map(|(_, value)| value)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_schema_is_told_with_its_place() {
        for (text, part) in [
            ("", "no JSON"),
            ("[]", "the schema is a list"),
            (r#"{ "type": "objekt" }"#, "`type` must be one of array, boolean"),
            (r#"{ "type": [] }"#, "`type` must be one of"),
            (r#"{ "properties": { "a": { "type": "text" } } }"#, "`properties`, `a`, `type` must be"),
            (r#"{ "properties": [] }"#, "`properties` must be an object"),
            (r#"{ "required": "a" }"#, "`required` must be a list of property names"),
            (r#"{ "items": { "minLength": -1 } }"#, "`items`, `minLength` must be a whole number"),
            (r#"{ "oneOf": [] }"#, "`oneOf` must be a list of schemas"),
            (r#"{ "pattern": "(" }"#, "`pattern` must be a regular expression"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        parse("true").unwrap();
        parse(r#"{ "type": ["string", "null"], "x-mine": 1, "additionalProperties": false }"#).unwrap();
    }

    #[test]
    fn a_wrong_value_is_of_none_of_the_types() {
        let wrong = |text: &str| wrong_value(&serde_json::from_str(text).unwrap());
        assert_eq!(wrong(r#"{ "type": "boolean" }"#), Some(serde_json::json!({ "a": 1 })));
        assert_eq!(wrong(r#"{ "type": ["string", "null"] }"#), Some(Value::Bool(true)));
        assert_eq!(wrong(r#"{ "oneOf": [] }"#), None);
        assert_eq!(wrong(r#"{ "type": ["boolean", "object", "array", "string"] }"#), None);
    }
}
