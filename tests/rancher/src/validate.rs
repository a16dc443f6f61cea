//! Checks a body against the table: unknown and unwritable fields drop out, defaults come in, the rest is converted
//! and checked, nested objects like a create.

use serde_json::{Map, Value, json};

use crate::error::{ApiError, Result};
use crate::schema::{Field, Kind, Type};

/// What the body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Create,
    Update,
}

/// Resolves references; by-id lookups see removed rows.
pub(crate) trait References {
    /// Whether the project of the request has a row of this type with this id.
    fn exists(&self, resource_type: &str, id: &str) -> bool;
}

/// The largest JSON text of a map, in bytes.
const MAP_LIMIT: usize = 1 << 20;

/// The fields of the body that may be written, checked.
pub(crate) fn object(
    each: &Type,
    input: &Map<String, Value>,
    mode: Mode,
    references: &dyn References,
) -> Result<Map<String, Value>> {
    let mut checked = Map::new();
    for field in each.fields() {
        let writable = match mode {
            Mode::Create => field.create,
            Mode::Update => field.update,
        };
        let sent = input.get(field.name).filter(|_| writable);
        let default = field.default.map(|text| serde_json::from_str::<Value>(text).expect("a default is JSON"));
        let value = match sent {
            Some(Value::Null) => match default {
                Some(default) => default,
                None if field.nullable => Value::Null,
                None if mode == Mode::Create && field.required => {
                    return Err(ApiError::invalid("MissingRequired", field.name));
                }
                None => return Err(ApiError::invalid("NotNullable", field.name)),
            },
            Some(sent) => value(field.name, &field.kind, field, sent, references)?,
            None if mode == Mode::Create && field.required => {
                return Err(ApiError::invalid("MissingRequired", field.name));
            }
            None => match default.filter(|_| mode == Mode::Create) {
                Some(default) => default,
                None => continue,
            },
        };
        checked.insert(field.name.to_owned(), value);
    }
    Ok(checked)
}

fn value(name: &str, kind: &Kind, field: &Field, sent: &Value, references: &dyn References) -> Result<Value> {
    let malformed = || ApiError::invalid("InvalidFormat", name);
    match kind {
        Kind::String => {
            let text = match sent {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                _ => return Err(malformed()),
            };
            limits_of_text(field, &text)?;
            Ok(Value::String(text))
        }
        Kind::Int => {
            let number = match sent {
                Value::Number(number) => number.as_i64(),
                Value::String(text) => text.trim().parse().ok(),
                _ => None,
            }
            .ok_or_else(malformed)?;
            if field.min.is_some_and(|min| number < min) {
                return Err(ApiError::invalid("MinLimitExceeded", name));
            }
            if field.max.is_some_and(|max| number > max) {
                return Err(ApiError::invalid("MaxLimitExceeded", name));
            }
            Ok(json!(number))
        }
        Kind::Bool => match sent {
            Value::Bool(_) => Ok(sent.clone()),
            Value::String(text) => Ok(Value::Bool(text.eq_ignore_ascii_case("true"))),
            _ => Err(malformed()),
        },
        Kind::Date => match sent {
            Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => Ok(sent.clone()),
            _ => Err(ApiError::invalid("InvalidDateFormat", name)),
        },
        Kind::Json => Ok(sent.clone()),
        Kind::MapOfString | Kind::MapOfJson => {
            let entries = sent.as_object().ok_or_else(malformed)?;
            if sent.to_string().len() > MAP_LIMIT {
                return Err(ApiError::invalid("MaxLengthExceeded", name));
            }
            if matches!(kind, Kind::MapOfJson) {
                return Ok(sent.clone());
            }
            let text = |value: &Value| match value {
                Value::Null | Value::String(_) => Ok(value.clone()),
                Value::Number(_) | Value::Bool(_) => Ok(Value::String(value.to_string())),
                Value::Array(_) | Value::Object(_) => Err(malformed()),
            };
            let entries = entries.iter().map(|(key, value)| Ok((key.clone(), text(value)?)));
            Ok(Value::Object(entries.collect::<Result<_>>()?))
        }
        Kind::Object(nested) => {
            let mut fields = object(nested, sent.as_object().ok_or_else(malformed)?, Mode::Create, references)?;
            for field in nested.fields().filter(|field| !field.create) {
                if let Some(default) = field.default {
                    let default = serde_json::from_str(default).expect("a default is JSON");
                    fields.insert(field.name.to_owned(), default);
                }
            }
            fields.insert("type".to_owned(), json!(nested.name));
            Ok(Value::Object(fields))
        }
        Kind::Array(item) => {
            let items = sent.as_array().ok_or_else(malformed)?;
            let checked = items.iter().map(|each| match each {
                Value::Null => Err(ApiError::invalid("MissingRequired", name)),
                each => value(name, item, field, each, references),
            });
            Ok(Value::Array(checked.collect::<Result<_>>()?))
        }
        Kind::Reference(to) => match sent.as_str() {
            Some(id) if references.exists(to, id) => Ok(sent.clone()),
            _ => Err(ApiError::invalid("InvalidReference", name)),
        },
    }
}

fn limits_of_text(field: &Field, text: &str) -> Result<()> {
    let length = text.chars().count();
    if field.min_length.is_some_and(|min| length < min) {
        return Err(ApiError::invalid("MinLengthExceeded", field.name));
    }
    if field.max_length.is_some_and(|max| length > max) {
        return Err(ApiError::invalid("MaxLengthExceeded", field.name));
    }
    if field.valid_chars.is_some() && !text.chars().all(|each| each.is_ascii_alphanumeric() || each == '-') {
        return Err(ApiError::invalid("InvalidCharacters", field.name));
    }
    if !field.options.is_empty() && !field.options.contains(&text) {
        return Err(ApiError::invalid("InvalidOption", field.name));
    }
    Ok(())
}
