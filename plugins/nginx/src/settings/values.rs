use std::{
    borrow::Cow,
    collections::BTreeSet,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use lb_provider::{
    JsonSchema,
    schemars::{Schema, SchemaGenerator, json_schema},
};
use serde::{Deserialize, Serialize};

/// An address that every listener binds to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ListenAddress(IpAddr);

impl ListenAddress {
    /// Whether it stands for all addresses of its family.
    pub(crate) fn is_unspecified(self) -> bool {
        self.0.is_unspecified()
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&text);
        bare.parse().map(Self).map_err(|_| format!("`{text}` is not an IPv4 or IPv6 address"))
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

impl std::str::FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.to_owned().try_into()
    }
}

/// The way nginx and URLs spell it: IPv6 in brackets.
impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(formatter),
            IpAddr::V6(address) => write!(formatter, "[{address}]"),
        }
    }
}

/// The addresses that every listener binds to: at least one, and none twice.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Vec<ListenAddress>")]
pub(crate) struct ListenAddresses(Vec<ListenAddress>);

impl ListenAddresses {
    /// All addresses of both families.
    pub(super) fn everywhere() -> Self {
        Self(vec![ListenAddress(Ipv4Addr::UNSPECIFIED.into()), ListenAddress(Ipv6Addr::UNSPECIFIED.into())])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = ListenAddress> {
        self.0.iter().copied()
    }
}

impl TryFrom<Vec<ListenAddress>> for ListenAddresses {
    type Error = String;

    fn try_from(addresses: Vec<ListenAddress>) -> Result<Self, String> {
        if addresses.is_empty() {
            return Err("must name at least one address, for example `0.0.0.0`".to_owned());
        }
        let mut seen = BTreeSet::new();
        match addresses.iter().find(|&&address| !seen.insert(address)) {
            Some(address) => Err(format!("names `{address}` twice")),
            None => Ok(Self(addresses)),
        }
    }
}

/// How many worker processes nginx runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Count", into = "Count")]
pub(crate) enum WorkerProcesses {
    /// One for each processor.
    Auto,
    Exactly(u64),
}

impl From<WorkerProcesses> for Count {
    fn from(processes: WorkerProcesses) -> Self {
        match processes {
            WorkerProcesses::Auto => Self::Word("auto".to_owned()),
            WorkerProcesses::Exactly(number) => Self::Number(number),
        }
    }
}

impl JsonSchema for WorkerProcesses {
    fn schema_name() -> Cow<'static, str> {
        "WorkerProcesses".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "oneOf": [{ "const": "auto" }, { "type": "integer", "minimum": 1, "maximum": 1024 }] })
    }
}

#[derive(Deserialize, Serialize)]
#[serde(untagged, expecting = "expected `auto` or a number")]
enum Count {
    Number(u64),
    Word(String),
}

impl TryFrom<Count> for WorkerProcesses {
    type Error = String;

    fn try_from(count: Count) -> Result<Self, String> {
        match count {
            Count::Number(number @ 1..=1024) => Ok(Self::Exactly(number)),
            Count::Number(number) => Err(format!("{number} is not from 1 to 1024")),
            Count::Word(word) if word == "auto" => Ok(Self::Auto),
            Count::Word(word) => Err(format!("`{word}` is neither `auto` nor a number")),
        }
    }
}

/// Where nginx writes a line for each request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum AccessLog {
    Off,
    File(AbsolutePath),
}

impl TryFrom<String> for AccessLog {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        // nginx would open the pipe to the controller anew, and wait whenever nobody reads it.
        if text.starts_with("/dev/") {
            return Err(format!("`{}` would make nginx wait while no controller reads it", text.escape_debug()));
        }
        AbsolutePath::try_from(text).map(Self::File).map_err(|error| format!("{error}, nor `off`"))
    }
}

impl From<AccessLog> for String {
    fn from(log: AccessLog) -> Self {
        match log {
            AccessLog::Off => "off".to_owned(),
            AccessLog::File(path) => path.0,
        }
    }
}

/// The account that nginx's workers run as.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct User(pub(crate) String);

impl TryFrom<String> for User {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let is_name = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
        if !name.is_empty() && !name.starts_with('-') && name.len() <= 32 && name.chars().all(is_name) {
            return Ok(Self(name));
        }
        Err(format!("`{}` is not an account name", name.escape_debug()))
    }
}

/// The absolute path of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct AbsolutePath(pub(crate) String);

impl AbsolutePath {
    pub(super) fn debian_modules() -> Self {
        Self("/usr/lib/nginx/modules".to_owned())
    }
}

impl TryFrom<String> for AbsolutePath {
    type Error = String;

    fn try_from(path: String) -> Result<Self, String> {
        if !path.starts_with('/') {
            return Err(format!("`{}` is not an absolute path", path.escape_debug()));
        }
        plain(&path)?;
        Ok(Self(path.trim_end_matches('/').to_owned()))
    }
}

/// Where Lua looks for modules: patterns with `?`, separated by `;`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct SearchPath(pub(crate) String);

impl TryFrom<String> for SearchPath {
    type Error = String;

    fn try_from(path: String) -> Result<Self, String> {
        if let Some(pattern) = path.split(';').find(|pattern| !pattern.starts_with('/') || !pattern.contains('?')) {
            return Err(format!("`{}` is not an absolute path with a `?`", pattern.escape_debug()));
        }
        plain(&path)?;
        Ok(Self(path))
    }
}

/// nginx and Lua give these characters a meaning of their own.
fn plain(path: &str) -> Result<(), String> {
    if path.len() > 1000 {
        return Err("is longer than 1000 bytes".to_owned());
    }
    match path.chars().find(|&character| character.is_control() || matches!(character, '$' | '"' | '\'' | '\\')) {
        Some(character) => Err(format!("`{}` may not stand in a path", character.escape_debug())),
        None => Ok(()),
    }
}
