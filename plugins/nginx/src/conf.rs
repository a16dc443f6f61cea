//! The only writer of nginx configuration.
//!
//! Code is `&'static str` and written as it stands; whatever comes from elsewhere is text and quoted. nginx has no escape
//! for `$` where it replaces variables, so there a text's `$` becomes a variable that holds one.

use std::{borrow::Cow, fmt::Display};

/// The text cannot be written so that nginx reads it as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unwritable {
    #[error("`{0}` holds a control character")]
    ControlCharacter(String),
    #[error("`{0}...` is longer than {LONGEST} bytes")]
    TooLong(String),
    #[error("`{0}` cannot be the name of a variable")]
    NotAName(String),
}

/// nginx reads configuration through a buffer of 4096 bytes that a token has to fit in.
const LONGEST: usize = 4000;

/// One argument of a directive.
#[derive(Debug, Clone)]
pub(crate) struct Argument<'a> {
    parts: Vec<Part<'a>>,
    quoted: bool,
    replaces_variables: bool,
}

#[derive(Debug, Clone)]
enum Part<'a> {
    Code(Cow<'static, str>),
    Name(&'a str),
    Text(&'a [u8]),
}

/// A keyword, a variable, a number: anything that stands in this source.
pub(crate) fn code(code: &'static str) -> Argument<'static> {
    Argument { parts: vec![Part::Code(code.into())], quoted: false, replaces_variables: false }
}

/// A variable whose name is made up.
pub(crate) fn variable(name: &str) -> Argument<'_> {
    Argument { parts: vec![Part::Code("$".into()), Part::Name(name)], quoted: false, replaces_variables: false }
}

/// A number with its unit.
pub(crate) fn number(number: impl Into<u64>, unit: &'static str) -> Argument<'static> {
    let written = format!("{}{unit}", number.into());
    Argument { parts: vec![Part::Code(written.into())], quoted: false, replaces_variables: false }
}

/// Text for a directive that takes its argument literally, such as `location` and `server_name`.
pub(crate) fn literal<T: AsRef<[u8]> + ?Sized>(text: &T) -> Argument<'_> {
    Argument { parts: vec![Part::Text(text.as_ref())], quoted: true, replaces_variables: false }
}

/// Text for a directive that replaces variables, such as `set` and `return`.
pub(crate) fn template() -> Argument<'static> {
    Argument { parts: vec![], quoted: true, replaces_variables: true }
}

impl<'a> Argument<'a> {
    /// Adds code, in which variables are replaced.
    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.parts.push(Part::Code(code.into()));
        self
    }

    /// Adds text.
    pub(crate) fn text<'b, T: AsRef<[u8]> + ?Sized>(self, text: &'b T) -> Argument<'b>
    where
        'a: 'b,
    {
        let mut parts: Vec<Part<'b>> = self.parts;
        parts.push(Part::Text(text.as_ref()));
        Argument { parts, quoted: self.quoted, replaces_variables: self.replaces_variables }
    }

    fn write(&self, into: &mut Vec<u8>) -> Result<(), Unwritable> {
        let start = into.len();
        if self.quoted {
            into.push(b'"');
        }
        for part in &self.parts {
            match part {
                Part::Code(code) if self.quoted => code.bytes().for_each(|byte| escape(byte, into)),
                Part::Code(code) => into.extend_from_slice(code.as_bytes()),
                Part::Name(name) => write_name(name, into)?,
                Part::Text(text) => self.write_text(text, into)?,
            }
        }
        if self.quoted {
            into.push(b'"');
        }
        let written = &into[start..];
        if written.len() > LONGEST {
            return Err(Unwritable::TooLong(String::from_utf8_lossy(&written[..40]).into_owned()));
        }
        Ok(())
    }

    fn write_text(&self, text: &[u8], into: &mut Vec<u8>) -> Result<(), Unwritable> {
        if text.iter().any(u8::is_ascii_control) {
            let shown: String = String::from_utf8_lossy(text).escape_debug().take(200).collect();
            return Err(Unwritable::ControlCharacter(shown));
        }
        for &byte in text {
            if byte == b'$' && self.replaces_variables {
                into.extend_from_slice(b"${dollar}");
            } else {
                escape(byte, into);
            }
        }
        Ok(())
    }
}

fn write_name(name: &str, into: &mut Vec<u8>) -> Result<(), Unwritable> {
    if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_') {
        return Err(Unwritable::NotAName(name.escape_debug().to_string()));
    }
    into.extend_from_slice(name.as_bytes());
    Ok(())
}

fn escape(byte: u8, into: &mut Vec<u8>) {
    if matches!(byte, b'"' | b'\\') {
        into.push(b'\\');
    }
    into.push(byte);
}

/// Configuration being written. The first text that cannot be written makes the whole of it an error at the end.
#[derive(Debug, Default)]
pub(crate) struct Conf {
    text: Vec<u8>,
    depth: usize,
    error: Option<Unwritable>,
}

impl Conf {
    /// A simple directive.
    pub(crate) fn directive<'a>(
        &mut self,
        name: &'static str,
        arguments: impl IntoIterator<Item = Argument<'a>>,
    ) -> &mut Self {
        self.head(code(name), arguments);
        self.end(";")
    }

    /// An entry of a `map`, whose first word is text too.
    pub(crate) fn entry<'a>(&mut self, key: Argument<'a>, value: Argument<'a>) -> &mut Self {
        self.head(key, [value]);
        self.end(";")
    }

    /// A directive with others inside.
    pub(crate) fn block<'a>(
        &mut self,
        name: &'static str,
        arguments: impl IntoIterator<Item = Argument<'a>>,
        inside: impl FnOnce(&mut Self),
    ) -> &mut Self {
        self.head(code(name), arguments);
        self.end(" {");
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.indent();
        self.end("}")
    }

    /// A directive whose block is a line of Lua.
    pub(crate) fn lua(&mut self, name: &'static str, line: &'static str) -> &mut Self {
        self.indent();
        self.end(format!("{name} {{ {line} }}"))
    }

    /// A line for whoever reads the file, without what could end it and not longer than nginx can read.
    pub(crate) fn comment(&mut self, text: impl Display) -> &mut Self {
        let line: String =
            text.to_string().chars().filter(|character| !character.is_control()).take(LONGEST / 4).collect();
        self.indent();
        self.end(format!("# {line}"))
    }

    /// More configuration for the place where this one stands.
    pub(crate) fn nested(&self) -> Self {
        Self { depth: self.depth, ..Self::default() }
    }

    /// Adds what was written on its own, or nothing if it could not be written.
    pub(crate) fn append(&mut self, nested: Self) -> Result<(), Unwritable> {
        self.text.extend(nested.finish()?);
        Ok(())
    }

    /// What was written.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Unwritable> {
        self.error.map_or(Ok(self.text), Err)
    }

    fn head<'a>(&mut self, name: Argument<'a>, arguments: impl IntoIterator<Item = Argument<'a>>) {
        self.indent();
        for (position, argument) in std::iter::once(name).chain(arguments).enumerate() {
            if position > 0 {
                self.text.push(b' ');
            }
            if let Err(error) = argument.write(&mut self.text) {
                self.fail(error);
            }
        }
    }

    fn fail(&mut self, error: Unwritable) {
        self.error.get_or_insert(error);
    }

    fn indent(&mut self) {
        self.text.extend(std::iter::repeat_n(b' ', self.depth * 4));
    }

    fn end(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.text.extend_from_slice(text.as_ref().as_bytes());
        self.text.push(b'\n');
        self
    }
}

#[cfg(test)]
mod tests;
