//! From JSON as it was sent to an object as a real server would keep it: unknown fields and nulls are gone, and what
//! has the wrong type is refused in the words of Go's decoder.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::{Scalar, Struct, Type, structure};

/// An object with only what its kind knows.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) object: Value,
    /// Paths of fields that the kind does not have, such as `spec.rules[0].hots`.
    pub(crate) unknown: Vec<String>,
}

/// Decodes the object of a kind; `apiVersion` and `kind` are dropped.
pub(crate) fn decode(kind: &str, object: Value) -> Result<Decoded, String> {
    let Value::Object(mut fields) = object else {
        return Err(format!("json: cannot unmarshal {} into Go value of type v1.{kind}", json_type(&object)));
    };
    fields.remove("apiVersion");
    fields.remove("kind");
    let mut decoder = Decoder { unknown: Vec::new() };
    let place = Place { owner: kind, field: String::new(), path: String::new() };
    let object = Value::Object(decoder.structure(structure(kind), fields, &place)?);
    Ok(Decoded { object, unknown: decoder.unknown })
}

/// Where the decoder is, both as Go tells it (struct, and path without indexes) and as people want it.
struct Place<'a> {
    owner: &'a str,
    field: String,
    path: String,
}

impl Place<'_> {
    fn child<'a>(&self, owner: &'a str, name: &str) -> Place<'a> {
        let join = |prefix: &str| if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        Place { owner, field: join(&self.field), path: join(&self.path) }
    }

    fn item(&self, index: usize) -> Place<'_> {
        Place { owner: self.owner, field: self.field.clone(), path: format!("{}[{index}]", self.path) }
    }

    fn wrong(&self, value: &Value, ty: &Type) -> String {
        // Go shows a number only where some other number would have fitted.
        let value = match (value, ty) {
            (Value::Number(number), Type::Scalar(Scalar::Int32 | Scalar::Int64)) => format!("number {number}"),
            (value, _) => json_type(value).to_owned(),
        };
        let (owner, field, ty) = (self.owner, &self.field, go_type(ty));
        format!("json: cannot unmarshal {value} into Go struct field {owner}.{field} of type {ty}")
    }
}

struct Decoder {
    unknown: Vec<String>,
}

impl Decoder {
    fn structure(
        &mut self,
        structure: &'static Struct,
        fields: Map<String, Value>,
        place: &Place<'_>,
    ) -> Result<Map<String, Value>, String> {
        let mut decoded = Map::new();
        for (name, value) in fields {
            let place = place.child(&structure.name, &name);
            let Some(field) = structure.field(&name) else {
                self.unknown.push(place.path);
                continue;
            };
            if value.is_null() {
                continue;
            }
            let value = self.value(&field.ty, value, &place)?;
            let empty_collection = match &value {
                Value::Array(items) => items.is_empty(),
                Value::Object(entries) => entries.is_empty() && matches!(field.ty, Type::Map { .. }),
                _ => false,
            };
            if !empty_collection || field.required {
                decoded.insert(name, value);
            }
        }
        Ok(decoded)
    }

    fn value(&mut self, ty: &Type, value: Value, place: &Place<'_>) -> Result<Value, String> {
        match (ty, value) {
            (Type::Scalar(scalar), value) => {
                self::scalar(*scalar, &value, place, ty)?;
                Ok(value)
            }
            (Type::Struct { name, .. }, Value::Object(fields)) => {
                Ok(Value::Object(self.structure(structure(name), fields, place)?))
            }
            (Type::Map { element, .. }, Value::Object(entries)) => {
                let mut decoded = Map::new();
                for (key, value) in entries {
                    let place = place.child(place.owner, &key);
                    // As in Go, a null is the zero value of the element.
                    let value = if value.is_null() { Value::String(String::new()) } else { value };
                    decoded.insert(key, self.value(element, value, &place)?);
                }
                Ok(Value::Object(decoded))
            }
            (Type::List(element) | Type::Set(element) | Type::Keyed { element, .. }, Value::Array(items)) => {
                let items = items.into_iter().enumerate().map(|(index, item)| {
                    let item = match (item, &**element) {
                        (Value::Null, Type::Struct { .. }) => Value::Object(Map::new()),
                        (item, _) => item,
                    };
                    self.value(element, item, &place.item(index))
                });
                Ok(Value::Array(items.collect::<Result<_, _>>()?))
            }
            (ty, value) => Err(place.wrong(&value, ty)),
        }
    }
}

fn scalar(scalar: Scalar, value: &Value, place: &Place<'_>, ty: &Type) -> Result<(), String> {
    let fits = match scalar {
        Scalar::Any => true,
        Scalar::String => value.is_string(),
        Scalar::Bool => value.is_boolean(),
        Scalar::Int32 => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        Scalar::Int64 => value.as_i64().is_some(),
        Scalar::Number => value.is_number(),
        Scalar::Quantity => value.is_string() || value.is_number(),
        Scalar::IntOrString => value.is_string() || value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        Scalar::Time | Scalar::MicroTime => match value {
            Value::String(text) => {
                let parsed: Result<jiff::Timestamp, _> = text.parse();
                return parsed.map(|_| ()).map_err(|_| {
                    format!(r#"parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}""#)
                });
            }
            _ => false,
        },
        Scalar::Bytes => match value {
            Value::String(text) => {
                return STANDARD.decode(text).map(|_| ()).map_err(|error| match error {
                    base64::DecodeError::InvalidByte(offset, _) | base64::DecodeError::InvalidLastSymbol(offset, _) => {
                        format!("illegal base64 data at input byte {offset}")
                    }
                    base64::DecodeError::InvalidLength(length) => {
                        format!("illegal base64 data at input byte {length}")
                    }
                    base64::DecodeError::InvalidPadding => format!("illegal base64 data at input byte {}", text.len()),
                });
            }
            _ => false,
        },
    };
    if fits { Ok(()) } else { Err(place.wrong(value, ty)) }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn go_type(ty: &Type) -> String {
    match ty {
        Type::Scalar(Scalar::String) => "string".to_owned(),
        Type::Scalar(Scalar::Bool) => "bool".to_owned(),
        Type::Scalar(Scalar::Int32) => "int32".to_owned(),
        Type::Scalar(Scalar::Int64) => "int64".to_owned(),
        Type::Scalar(Scalar::Number) => "float64".to_owned(),
        Type::Scalar(Scalar::Time) => "v1.Time".to_owned(),
        Type::Scalar(Scalar::MicroTime) => "v1.MicroTime".to_owned(),
        Type::Scalar(Scalar::Bytes) => "[]uint8".to_owned(),
        Type::Scalar(Scalar::Quantity) => "resource.Quantity".to_owned(),
        Type::Scalar(Scalar::IntOrString) => "intstr.IntOrString".to_owned(),
        Type::Scalar(Scalar::Any) => "interface {}".to_owned(),
        Type::Struct { name, .. } => format!("v1.{name}"),
        Type::Map { element, .. } => format!("map[string]{}", go_type(element)),
        Type::List(element) | Type::Set(element) | Type::Keyed { element, .. } => format!("[]{}", go_type(element)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_nulls_and_empty_lists_are_dropped() {
        let decoded = decode(
            "Ingress",
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
                "metadata": {"name": "web", "labels": {}, "finalizers": []},
                "spec": {"ingressClassName": null, "tls": [{"hots": ["a"]}], "rules": [{"http": {"paths": []}}]},
                "extra": 1
            }),
        )
        .unwrap();
        assert_eq!(
            decoded.object,
            json!({"metadata": {"name": "web"}, "spec": {"tls": [{}], "rules": [{"http": {"paths": []}}]}})
        );
        assert_eq!(decoded.unknown, ["extra", "spec.tls[0].hots"]);
    }

    #[test]
    fn wrong_types_are_told_as_go_tells_them() {
        let error = decode("Service", json!({"spec": {"ports": [{"port": "80"}]}})).unwrap_err();
        assert_eq!(
            error,
            "json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32"
        );
        let error = decode("Service", json!({"spec": {"ports": {}}})).unwrap_err();
        assert_eq!(
            error,
            "json: cannot unmarshal object into Go struct field ServiceSpec.spec.ports of type []v1.ServicePort"
        );
        let error = decode("Service", json!({"spec": {"ports": [{"port": 4_294_967_376_i64}]}})).unwrap_err();
        assert!(error.starts_with("json: cannot unmarshal number 4294967376 into Go struct field"), "{error}");
        let error = decode("Secret", json!({"data": {"tls.key": "not base64"}})).unwrap_err();
        assert_eq!(error, "illegal base64 data at input byte 3");
        assert!(decode("Secret", json!([])).unwrap_err().contains("cannot unmarshal array"));
    }

    #[test]
    fn integers_and_strings_are_both_ports() {
        for port in [json!(80), json!("http")] {
            assert!(decode("Service", json!({"spec": {"ports": [{"port": 1, "targetPort": port}]}})).is_ok());
        }
        assert!(decode("Service", json!({"spec": {"ports": [{"port": 1, "targetPort": true}]}})).is_err());
    }
}
