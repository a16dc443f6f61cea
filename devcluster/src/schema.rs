//! The types of the kinds, for everything that has to know more of an object than that it is JSON: decoding, strategic
//! merge, field ownership of server-side apply, and OpenAPI.

mod decode;
mod parse;
mod protobuf;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(crate) use decode::{Decoded, decode};
pub(crate) use protobuf::decode as decode_protobuf;

const SOURCES: &[&str] = &[
    include_str!("schema/metadata.schema"),
    include_str!("schema/core.schema"),
    include_str!("schema/networking.schema"),
    include_str!("schema/pod.schema"),
    include_str!("schema/workload.schema"),
];

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let schema = parse::parse(SOURCES).unwrap_or_else(|error| panic!("the schema is part of this crate: {error}"));
    schema.check();
    schema
});

/// A value without inner fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    String,
    Bool,
    Int32,
    Int64,
    Number,
    Time,
    MicroTime,
    Bytes,
    Quantity,
    IntOrString,
    Any,
}

/// A field that identifies an item of a keyed list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListKey {
    pub(crate) name: String,
    pub(crate) default: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    Scalar(Scalar),
    /// A struct by its name.
    Struct {
        name: String,
        atomic: bool,
    },
    Map {
        element: Box<Type>,
        atomic: bool,
    },
    /// A list that is replaced as a whole.
    List(Box<Type>),
    Set(Box<Type>),
    Keyed {
        element: Box<Type>,
        keys: Vec<ListKey>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// Written by a real server even when it is empty.
    pub(crate) required: bool,
    /// Whether zero is not the same as absent.
    pub(crate) pointer: bool,
    /// The field's number in protobuf, below those of the messages that it is embedded in.
    pub(crate) number: Vec<u32>,
    pub(crate) ty: Type,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Struct {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

impl Struct {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// How the owners of fields see a value: its parts, or one whole.
pub(crate) enum Parts<'a> {
    Whole,
    Struct(&'static Struct),
    Map(&'a Type),
    Set,
    Keyed(&'a Type, &'a [ListKey]),
}

impl Type {
    pub(crate) fn parts(&self) -> Parts<'_> {
        match self {
            Self::Scalar(_) | Self::List(_) | Self::Struct { atomic: true, .. } | Self::Map { atomic: true, .. } => {
                Parts::Whole
            }
            Self::Struct { name, atomic: false } => Parts::Struct(structure(name)),
            Self::Map { element, atomic: false } => Parts::Map(element),
            Self::Set(_) => Parts::Set,
            Self::Keyed { element, keys } => Parts::Keyed(element, keys),
        }
    }
}

#[derive(Debug, Default)]
struct Schema {
    structs: HashMap<String, Struct>,
}

impl Schema {
    /// Every struct that is named is there.
    fn check(&self) {
        fn named(ty: &Type) -> Option<&str> {
            match ty {
                Type::Scalar(_) => None,
                Type::Struct { name, .. } => Some(name),
                Type::Map { element, .. } | Type::List(element) | Type::Set(element) | Type::Keyed { element, .. } => {
                    named(element)
                }
            }
        }
        for structure in self.structs.values() {
            for field in &structure.fields {
                if let Some(name) = named(&field.ty) {
                    assert!(self.structs.contains_key(name), "{}.{}: no struct {name}", structure.name, field.name);
                }
            }
        }
    }
}

/// The struct of this name, which the schema is known to have.
pub(crate) fn structure(name: &str) -> &'static Struct {
    SCHEMA.structs.get(name).expect("every struct that is named is in the schema")
}

/// The type of the objects of a kind.
pub(crate) fn object_type(kind: &str) -> Type {
    Type::Struct { name: kind.to_owned(), atomic: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::KINDS;

    #[test]
    fn every_kind_has_a_type_with_metadata() {
        for kind in KINDS {
            let metadata = structure(kind.kind).field("metadata").unwrap();
            assert_eq!(metadata.ty, Type::Struct { name: "ObjectMeta".into(), atomic: false }, "{}", kind.kind);
        }
    }

    #[test]
    fn service_ports_merge_by_port_and_protocol() {
        let ports = structure("ServiceSpec").field("ports").unwrap();
        let Parts::Keyed(_, keys) = ports.ty.parts() else { panic!("{ports:?}") };
        assert_eq!(keys[0], ListKey { name: "port".into(), default: None });
        assert_eq!(keys[1], ListKey { name: "protocol".into(), default: Some("TCP".into()) });
        assert!(matches!(structure("ServiceSpec").field("selector").unwrap().ty.parts(), Parts::Whole));
        assert!(matches!(structure("ObjectMeta").field("finalizers").unwrap().ty.parts(), Parts::Set));
    }
}
