//! Strings to which Caddy gives a meaning. What comes from Kubernetes becomes one of these types, and none of them lets it
//! become a placeholder, a wildcard or an expression.

use std::net::IpAddr;

use lb_provider::HostMatch;
use serde::{Serialize, Serializer};

/// A regular expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Expression(String);

impl Expression {
    /// An expression of the provider's own.
    pub(crate) fn new(expression: &'static str) -> Self {
        Self(expression.to_owned())
    }

    /// Text and nothing else.
    pub(crate) fn exactly(text: &str) -> Self {
        Self(format!("^{}$", literal(text)))
    }

    /// Text as whole path elements, and whatever follows.
    pub(crate) fn elements(text: &str) -> Self {
        Self(format!("^{}(?:/|$)", literal(text)))
    }
}

/// All but letters, digits and what separates path elements is written as its code point.
fn literal(text: &str) -> String {
    let escape = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '/' | '-' | '_' => character.to_string(),
        _ => format!("\\x{{{:X}}}", u32::from(character)),
    };
    text.chars().map(escape).collect()
}

/// A string in which Caddy replaces placeholders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Template(String);

impl Template {
    /// A template of the provider's own.
    pub(crate) fn new(template: impl Into<String>) -> Self {
        Self(template.into())
    }

    /// Text and nothing else.
    pub(crate) fn text(text: &str) -> Self {
        // Without an opening brace Caddy replaces nothing, and so takes away no backslash either.
        if !text.contains('{') {
            return Self(text.to_owned());
        }
        let escape = |escaped: String, character| {
            let backslash = if matches!(character, '{' | '}') { "\\" } else { "" };
            escaped + backslash + character.encode_utf8(&mut [0; 4])
        };
        Self(text.chars().fold(String::new(), escape))
    }
}

/// A host name, or `*.` and one: lower case ASCII, nothing that Caddy replaces.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct HostName(String);

impl HostName {
    /// `None` for any host; the error says why it is no name.
    pub(crate) fn of(host: &HostMatch) -> Result<Option<Self>, String> {
        let (name, written) = match host {
            HostMatch::Any => return Ok(None),
            HostMatch::Exact(name) => (name, name.clone()),
            HostMatch::Wildcard(suffix) => (suffix, format!("*.{suffix}")),
        };
        let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_part);
        if written.len() <= 253 && name.split('.').all(is_label) {
            return Ok(Some(Self(written)));
        }
        Err(format!("`{}` is not a DNS name in lower case", written.escape_debug()))
    }
}

/// The name of a header. Caddy takes a `*` for a wildcard where it removes headers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct HeaderName(String);

impl HeaderName {
    /// A name of the provider's own.
    pub(crate) fn new(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    pub(crate) fn of(name: &str) -> Result<Self, String> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
        if !name.is_empty() && name.bytes().all(is_token) {
            return Ok(Self(name.to_owned()));
        }
        Err(format!("`{}` cannot be the name of a header", name.escape_debug()))
    }
}

/// A method in upper case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Method(String);

impl Method {
    pub(crate) fn of(method: &str) -> Result<Self, String> {
        if !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
            return Ok(Self(method.to_owned()));
        }
        Err(format!("`{}` cannot be a method", method.escape_debug()))
    }
}

/// A block of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    address: IpAddr,
    length: u8,
}

impl Block {
    /// A CIDR block, or one address.
    pub(crate) fn of(text: &str) -> Result<Self, String> {
        let invalid = || format!("`{}` is not a block of addresses such as 10.0.0.0/8", text.escape_debug());
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Ok(most), str::parse).map_err(|_| invalid())?;
        if length > most { Err(invalid()) } else { Ok(Self { address, length }) }
    }
}

impl Serialize for Block {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}/{}", self.address, self.length))
    }
}

/// A time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Milliseconds(pub(crate) u64);

impl Serialize for Milliseconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}ms", self.0))
    }
}

#[cfg(test)]
mod tests;
