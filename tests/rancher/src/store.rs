//! The rows of the database.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::machine::Process;
use crate::schema::Type;

/// Identity of a row: `1s20`. Ordered by number within a type, as lists are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) prefix: &'static str,
    pub(crate) number: u64,
}

/// Letters of the ids of containers; they have no collection here.
pub(crate) const INSTANCE: &str = "1i";

impl Id {
    /// Reads a formatted id; whatever is none names nothing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (letters, number) = text.split_at_checked(text.rfind(|each: char| !each.is_ascii_digit())? + 1)?;
        let prefix = ["1a", "1st", "1s", "1h", "1c", INSTANCE].into_iter().find(|prefix| *prefix == letters)?;
        Some(Self { prefix, number: number.parse().ok()? })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.prefix, self.number)
    }
}

/// Whether a process works on a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Transition {
    No,
    Yes,
    /// The last attempt failed; the server goes on by itself.
    Error(String),
}

/// What no field shows: the process under way, and what a test asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Control {
    /// The process under way.
    pub(crate) process: Option<Process>,
    /// Grows with each start, so that the end of a process that was overtaken does nothing.
    pub(crate) generation: u64,
    /// Failed tries in a row.
    pub(crate) attempts: u32,
    pub(crate) placement_failure: Option<String>,
    pub(crate) removal_held: bool,
    /// `launchConfig` before the upgrade under way.
    pub(crate) before_upgrade: Option<Value>,
}

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: Id,
    pub(crate) kind: &'static Type,
    /// The project it belongs to; a project belongs to itself.
    pub(crate) project: Id,
    pub(crate) created: Timestamp,
    pub(crate) removed: Option<Timestamp>,
    pub(crate) state: String,
    pub(crate) transition: Transition,
    /// All other fields, as stored.
    pub(crate) fields: Map<String, Value>,
    pub(crate) control: Control,
}

impl Row {
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str)
    }

    pub(crate) fn name(&self) -> &str {
        self.text("name").unwrap_or_default()
    }

    pub(crate) fn set(&mut self, field: &str, value: Value) {
        self.fields.insert(field.to_owned(), value);
    }

    /// Neither removed nor on the way there.
    pub(crate) fn is_alive(&self) -> bool {
        self.removed.is_none() && self.state != "removing"
    }

    /// A stable identity that no other row has.
    pub(crate) fn uuid(&self) -> String {
        let letters = self.id.prefix.bytes().fold(0_u64, |sum, byte| sum * 256 + u64::from(byte));
        format!("{letters:08x}-0000-4000-8000-{:012x}", self.id.number)
    }
}

/// All rows.
#[derive(Debug, Default)]
pub(crate) struct Store {
    rows: BTreeMap<Id, Row>,
    latest: BTreeMap<&'static str, u64>,
}

impl Store {
    /// The next identity with these letters. Projects start at `1a5`, the number of the first one of a fresh server.
    pub(crate) fn next_id(&mut self, prefix: &'static str) -> Id {
        let latest = self.latest.entry(prefix).or_insert(if prefix == "1a" { 4 } else { 0 });
        *latest += 1;
        Id { prefix, number: *latest }
    }

    pub(crate) fn insert(&mut self, row: Row) {
        self.rows.insert(row.id, row);
    }

    pub(crate) fn get(&self, id: Id) -> Option<&Row> {
        self.rows.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut Row> {
        self.rows.get_mut(&id)
    }

    /// All rows, removed ones too, by type and number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// Forgets what was removed before this time.
    pub(crate) fn purge(&mut self, before: Timestamp) {
        self.rows.retain(|_, row| row.removed.is_none_or(|removed| removed > before));
    }
}
