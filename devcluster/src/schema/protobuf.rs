//! Objects in protobuf, which clients written in Go send where they have a choice. Answers are always JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Field, Scalar, Struct, Type, structure};

/// What a body starts with.
const MAGIC: &[u8] = b"k8s\0";
/// Deeper than any object; a hostile body must not exhaust the stack.
const DEPTH: usize = 64;

/// Decodes a body that carries an object of the kind `name`.
///
/// # Errors
///
/// What is wrong with the bytes.
pub(crate) fn decode(name: &str, body: &[u8]) -> Result<Value, String> {
    let envelope = body.strip_prefix(MAGIC).ok_or("the body does not start as a protobuf object does")?;
    let mut type_meta: &[u8] = &[];
    let mut raw: &[u8] = &[];
    for field in Message(envelope) {
        match field? {
            (1, Wire::Bytes(bytes)) => type_meta = bytes,
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let mut object = Map::new();
    decode_struct(structure(name), raw, &mut Vec::new(), &mut object, DEPTH)?;
    for field in Message(type_meta) {
        match field? {
            (1, Wire::Bytes(bytes)) => object.insert("apiVersion".to_owned(), text(bytes)?.into()),
            (2, Wire::Bytes(bytes)) => object.insert("kind".to_owned(), text(bytes)?.into()),
            _ => None,
        };
    }
    Ok(Value::Object(object))
}

/// The value of a field on the wire.
#[derive(Debug, Clone, Copy)]
enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

/// The fields of a message, in order.
struct Message<'a>(&'a [u8]);

impl<'a> Message<'a> {
    fn varint(&mut self) -> Result<u64, String> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or("a protobuf number is cut off")?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a protobuf number is too long".to_owned())
    }

    fn bytes(&mut self, length: u64) -> Result<&'a [u8], String> {
        let length = usize::try_from(length).map_err(|error| error.to_string())?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or("a protobuf field is cut off")?;
        self.0 = rest;
        Ok(bytes)
    }

    fn field(&mut self) -> Result<(u32, Wire<'a>), String> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| "a protobuf field has no valid number")?;
        let value = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => {
                let bytes = self.bytes(8)?.try_into().expect("eight bytes were asked for");
                Wire::Fixed64(u64::from_le_bytes(bytes))
            }
            2 => {
                let length = self.varint()?;
                Wire::Bytes(self.bytes(length)?)
            }
            5 => {
                self.bytes(4)?;
                Wire::Fixed32
            }
            other => return Err(format!("a protobuf field has the unknown wire type {other}")),
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Message<'a> {
    type Item = Result<(u32, Wire<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// Adds to `object` the fields of a message, and those of messages that are embedded in it. `prefix` is the number of the
/// embedded message.
fn decode_struct(
    structure: &Struct,
    message: &[u8],
    prefix: &mut Vec<u32>,
    object: &mut Map<String, Value>,
    depth: usize,
) -> Result<(), String> {
    let depth = depth.checked_sub(1).ok_or("the protobuf object is nested too deeply")?;
    for wire in Message(message) {
        let (number, wire) = wire?;
        prefix.push(number);
        if let Some(field) = structure.fields.iter().find(|field| field.number == *prefix) {
            decode_field(field, wire, object, depth)?;
        } else if let Wire::Bytes(bytes) = wire
            && structure.fields.iter().any(|field| field.number.starts_with(prefix))
        {
            decode_struct(structure, bytes, prefix, object, depth)?;
        }
        prefix.pop();
    }
    Ok(())
}

fn decode_field(field: &Field, wire: Wire<'_>, object: &mut Map<String, Value>, depth: usize) -> Result<(), String> {
    let wrong = || format!("the protobuf field {:?} has the wrong type", field.name);
    match &field.ty {
        Type::List(element) | Type::Set(element) | Type::Keyed { element, .. } => {
            let item = decode_value(element, wire, depth)?.ok_or_else(wrong)?;
            let list = object.entry(&field.name).or_insert_with(|| Value::Array(Vec::new()));
            list.as_array_mut().expect("only lists are inserted for this field").push(item);
        }
        Type::Map { element, .. } => {
            let Wire::Bytes(entry) = wire else { return Err(wrong()) };
            let mut key = String::new();
            let mut value = None;
            for wire in Message(entry) {
                match wire? {
                    (1, Wire::Bytes(bytes)) => key = text(bytes)?,
                    (2, wire) => value = decode_value(element, wire, depth)?,
                    _ => {}
                }
            }
            let value = value.unwrap_or_else(|| Value::String(String::new()));
            let map = object.entry(&field.name).or_insert_with(|| Value::Object(Map::new()));
            map.as_object_mut().expect("only maps are inserted for this field").insert(key, value);
        }
        ty => {
            let Some(value) = decode_value(ty, wire, depth)? else { return Err(wrong()) };
            if field.pointer || field.required || !is_zero(&value) {
                object.insert(field.name.clone(), value);
            }
        }
    }
    Ok(())
}

/// What Go leaves out of JSON where the type is no pointer.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn decode_value(ty: &Type, wire: Wire<'_>, depth: usize) -> Result<Option<Value>, String> {
    Ok(Some(match (ty, wire) {
        (Type::Scalar(scalar), wire) => return decode_scalar(*scalar, wire),
        (Type::Struct { name, .. }, Wire::Bytes(bytes)) => {
            let mut object = Map::new();
            decode_struct(structure(name), bytes, &mut Vec::new(), &mut object, depth)?;
            Value::Object(object)
        }
        _ => return Ok(None),
    }))
}

fn decode_scalar(scalar: Scalar, wire: Wire<'_>) -> Result<Option<Value>, String> {
    Ok(Some(match (scalar, wire) {
        (Scalar::String, Wire::Bytes(bytes)) => text(bytes)?.into(),
        (Scalar::Bool, Wire::Varint(number)) => (number != 0).into(),
        (Scalar::Int32 | Scalar::Int64, Wire::Varint(number)) => number.cast_signed().into(),
        (Scalar::Number, Wire::Fixed64(bits)) => f64::from_bits(bits).into(),
        (Scalar::Bytes, Wire::Bytes(bytes)) => STANDARD.encode(bytes).into(),
        (Scalar::Time | Scalar::MicroTime, Wire::Bytes(message)) => {
            let seconds = varint_field(message, 1)?.cast_signed();
            let nanoseconds = i32::try_from(varint_field(message, 2)?.cast_signed()).unwrap_or_default();
            match (scalar, Timestamp::new(seconds, nanoseconds)) {
                _ if seconds == 0 && nanoseconds == 0 => Value::Null,
                (_, Err(error)) => return Err(error.to_string()),
                (Scalar::Time, Ok(time)) => time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into(),
                (_, Ok(time)) => time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string().into(),
            }
        }
        (Scalar::Quantity, Wire::Bytes(message)) => text(bytes_field(message, 1)?)?.into(),
        (Scalar::IntOrString, Wire::Bytes(message)) => match varint_field(message, 1)? {
            0 => varint_field(message, 2)?.cast_signed().into(),
            _ => text(bytes_field(message, 3)?)?.into(),
        },
        (Scalar::Any, Wire::Bytes(message)) => {
            serde_json::from_slice(bytes_field(message, 1)?).map_err(|error| error.to_string())?
        }
        _ => return Ok(None),
    }))
}

fn varint_field(message: &[u8], wanted: u32) -> Result<u64, String> {
    let mut found = 0;
    for field in Message(message) {
        if let (number, Wire::Varint(value)) = field?
            && number == wanted
        {
            found = value;
        }
    }
    Ok(found)
}

fn bytes_field(message: &[u8], wanted: u32) -> Result<&[u8], String> {
    let mut found: &[u8] = &[];
    for field in Message(message) {
        if let (number, Wire::Bytes(value)) = field?
            && number == wanted
        {
            found = value;
        }
    }
    Ok(found)
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "a protobuf string is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        [&[number << 3 | 2, length], content].concat()
    }

    fn varint(number: u8, value: u8) -> Vec<u8> {
        vec![number << 3, value]
    }

    fn body(kind: &str, api_version: &str, raw: &[u8]) -> Vec<u8> {
        let type_meta = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
        [MAGIC, &bytes(1, &type_meta), &bytes(2, raw)].concat()
    }

    #[test]
    fn an_ingress_with_its_embedded_rule_value() {
        let port = bytes(2, &varint(2, 80));
        let backend = bytes(4, &[bytes(1, b"web"), port].concat());
        let path = [bytes(1, b"/"), bytes(2, &backend), bytes(3, b"Prefix")].concat();
        let rule = [bytes(1, b"a.example"), bytes(2, &bytes(1, &bytes(1, &path)))].concat();
        let spec = bytes(3, &rule);
        // A zero time and an empty name are what Go writes for nothing.
        let metadata = [bytes(1, b"web"), bytes(2, b""), bytes(8, &[varint(1, 0), varint(2, 0)].concat())].concat();
        let raw = [bytes(1, &metadata), bytes(2, &spec), bytes(3, &bytes(1, b""))].concat();
        assert_eq!(
            decode("Ingress", &body("Ingress", "networking.k8s.io/v1", &raw)).unwrap(),
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"},
                "spec": {"rules": [{"host": "a.example", "http": {"paths": [
                    {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}
                ]}}]},
                "status": {"loadBalancer": {}}
            })
        );
    }

    #[test]
    fn maps_bytes_times_ports_and_pointers() {
        let entry = bytes(2, &[bytes(1, b"key"), bytes(2, b"value")].concat());
        assert_eq!(
            decode("Secret", &body("", "", &entry)).unwrap(),
            json!({"apiVersion": "", "kind": "", "data": {"key": "dmFsdWU="}})
        );
        let target = |number: Vec<u8>| bytes(1, &[varint(3, 80), bytes(4, &number)].concat());
        let ports = [target([varint(1, 1), bytes(3, b"http")].concat()), target(varint(2, 81))].concat();
        let service = decode("Service", &body("", "", &bytes(2, &ports))).unwrap();
        assert_eq!(
            service["spec"]["ports"],
            json!([{"port": 80, "targetPort": "http"}, {"port": 80, "targetPort": 81}])
        );
        let lease = bytes(2, &[bytes(1, b""), bytes(3, &[varint(1, 1), varint(2, 0)].concat())].concat());
        assert_eq!(
            decode("Lease", &body("", "", &lease)).unwrap()["spec"],
            json!({"holderIdentity": "", "acquireTime": "1970-01-01T00:00:01.000000Z"})
        );
    }

    #[test]
    fn hostile_bytes_are_refused() {
        assert!(decode("Secret", b"{}").is_err());
        assert_eq!(decode("Secret", b"k8s\0\x12\x05a").unwrap_err(), "a protobuf field is cut off");
        assert_eq!(decode("Secret", b"k8s\0\xff").unwrap_err(), "a protobuf number is cut off");
        assert!(decode("Secret", &[MAGIC, &[0xff; 20]].concat()).is_err());
        assert!(decode("Secret", &body("", "", &varint(1, 1))).unwrap_err().contains("wrong type"));
        assert!(decode("Secret", &body("", "", &bytes(1, &bytes(1, b"\xff")))).unwrap_err().contains("UTF-8"));
    }
}
