//! Reads the notation of the `.schema` files, which `metadata.schema` describes.

use super::{Field, ListKey, Scalar, Schema, Struct, Type};

/// Builds the schema of several sources.
pub(super) fn parse(sources: &[&str]) -> Result<Schema, String> {
    let mut schema = Schema::default();
    for source in sources {
        let mut tokens = Tokens::new(source);
        while let Some(name) = tokens.next() {
            tokens.expect("{")?;
            let mut fields = Vec::new();
            while !tokens.take("}") {
                fields.push(field(&mut tokens)?);
                tokens.take(",");
            }
            let structure = Struct { name: name.to_owned(), fields };
            if schema.structs.insert(name.to_owned(), structure).is_some() {
                return Err(format!("{name} is defined twice"));
            }
        }
    }
    Ok(schema)
}

fn field(tokens: &mut Tokens<'_>) -> Result<Field, String> {
    let name = tokens.word()?.to_owned();
    tokens.expect("@")?;
    let mut number = vec![tokens.number()?];
    while tokens.take(".") {
        number.push(tokens.number()?);
    }
    let pointer = tokens.take("*");
    let required = tokens.take("!");
    Ok(Field { name, required, pointer, number, ty: ty(tokens)? })
}

fn ty(tokens: &mut Tokens<'_>) -> Result<Type, String> {
    let atomic = tokens.take("=");
    if tokens.take("[") {
        let element = Box::new(ty(tokens)?);
        let mut keys = Vec::new();
        if tokens.take(";") {
            while !tokens.take("]") {
                let name = tokens.word()?.to_owned();
                let default = if tokens.take("=") { Some(tokens.word()?.to_owned()) } else { None };
                keys.push(ListKey { name, default });
            }
            return Ok(Type::Keyed { element, keys });
        }
        tokens.expect("]")?;
        return Ok(Type::List(element));
    }
    if tokens.take("<") {
        let element = Box::new(ty(tokens)?);
        tokens.expect(">")?;
        return Ok(Type::Set(element));
    }
    if tokens.take("{") {
        let element = Box::new(ty(tokens)?);
        tokens.expect("}")?;
        return Ok(Type::Map { element, atomic });
    }
    let name = tokens.word()?;
    Ok(match scalar(name) {
        Some(scalar) => Type::Scalar(scalar),
        None => Type::Struct { name: name.to_owned(), atomic },
    })
}

fn scalar(name: &str) -> Option<Scalar> {
    Some(match name {
        "string" => Scalar::String,
        "bool" => Scalar::Bool,
        "int32" => Scalar::Int32,
        "int64" => Scalar::Int64,
        "number" => Scalar::Number,
        "time" => Scalar::Time,
        "microtime" => Scalar::MicroTime,
        "bytes" => Scalar::Bytes,
        "quantity" => Scalar::Quantity,
        "intOrString" => Scalar::IntOrString,
        "any" => Scalar::Any,
        _ => return None,
    })
}

/// Words and single punctuation characters, without comments.
struct Tokens<'a> {
    tokens: std::iter::Peekable<std::vec::IntoIter<&'a str>>,
}

impl<'a> Tokens<'a> {
    fn new(source: &'a str) -> Self {
        let mut tokens = Vec::new();
        for line in source.lines().filter(|line| !line.starts_with('#')) {
            for chunk in line.split_whitespace() {
                let mut rest = chunk;
                while let Some(first) = rest.chars().next() {
                    let end = if first.is_alphanumeric() {
                        rest.find(|character: char| !character.is_alphanumeric()).unwrap_or(rest.len())
                    } else {
                        first.len_utf8()
                    };
                    tokens.push(&rest[..end]);
                    rest = &rest[end..];
                }
            }
        }
        Self { tokens: tokens.into_iter().peekable() }
    }

    fn next(&mut self) -> Option<&'a str> {
        self.tokens.next()
    }

    fn take(&mut self, token: &str) -> bool {
        self.tokens.next_if(|next| *next == token).is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        match self.next() {
            Some(next) if next == token => Ok(()),
            next => Err(format!("{token:?} is missing before {next:?}")),
        }
    }

    fn number(&mut self) -> Result<u32, String> {
        let word = self.word()?;
        word.parse().map_err(|error| format!("{word:?} is no field number: {error}"))
    }

    fn word(&mut self) -> Result<&'a str, String> {
        match self.next() {
            Some(word) if word.starts_with(char::is_alphanumeric) => Ok(word),
            next => Err(format!("a name is missing before {next:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_notation() {
        let schema = parse(&[
            "# comment\nA { one@1! string, two@2.3* [B; x y=Z], three@3 =B,\n four@4 <int32>, five@5 ={bytes} }\nB {}",
        ]);
        let fields = &schema.unwrap().structs["A"].fields;
        assert!(fields[0].required && !fields[0].pointer && fields[1].pointer);
        assert_eq!(fields[1].number, [2, 3]);
        let Type::Keyed { keys, .. } = &fields[1].ty else { panic!("{:?}", fields[1]) };
        assert_eq!(keys[1], ListKey { name: "y".into(), default: Some("Z".into()) });
        assert_eq!(fields[2].ty, Type::Struct { name: "B".into(), atomic: true });
        assert_eq!(fields[3].ty, Type::Set(Box::new(Type::Scalar(Scalar::Int32))));
        assert_eq!(fields[4].ty, Type::Map { element: Box::new(Type::Scalar(Scalar::Bytes)), atomic: true });
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(parse(&["A { one@1 }"]).unwrap_err(), r#"a name is missing before Some("}")"#);
        assert_eq!(parse(&["A {} A {}"]).unwrap_err(), "A is defined twice");
    }
}
