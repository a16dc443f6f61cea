//! Filters of lists: query parameters named after database columns, with a modifier after the last underscore.
//! Whatever names no column is ignored, silently.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::schema::{Kind, Type};
use crate::store::{Id, Row};

/// Columns of every table.
const COMMON: &[&str] = &["id", "uuid", "kind", "accountId", "created", "removed", "state"];

pub(crate) fn columns(kind: &Type) -> impl Iterator<Item = &'static str> + use<> {
    COMMON.iter().chain(kind.filters).copied()
}

/// How a column is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Text,
    Date,
    Reference,
    Bool,
}

fn column(kind: &Type, name: &str) -> Column {
    match kind.field(name).map(|field| field.kind) {
        _ if name == "id" => Column::Reference,
        Some(Kind::Date) => Column::Date,
        Some(Kind::Reference(_)) => Column::Reference,
        Some(Kind::Bool) => Column::Bool,
        _ => Column::Text,
    }
}

pub(crate) fn modifiers(kind: &Type, name: &str) -> &'static [&'static str] {
    match column(kind, name) {
        Column::Text => &["eq", "ne", "prefix", "like", "notlike", "null", "notnull"],
        Column::Date | Column::Reference => &["eq", "ne", "lt", "lte", "gt", "gte", "null", "notnull"],
        Column::Bool => &["eq", "ne", "null", "notnull"],
    }
}

/// One condition; all of a list must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    column: &'static str,
    modifier: &'static str,
    value: String,
}

/// The conditions of a query. Removed rows are hidden unless it says something about `removed`.
pub(crate) fn parse(kind: &Type, query: &[(String, String)]) -> Vec<Filter> {
    let mut filters: Vec<Filter> = query.iter().filter_map(|(name, value)| parse_one(kind, name, value)).collect();
    if !filters.iter().any(|each| each.column == "removed") {
        filters.push(Filter { column: "removed", modifier: "null", value: String::new() });
    }
    filters
}

fn parse_one(kind: &Type, name: &str, value: &str) -> Option<Filter> {
    let named = |name: &str| columns(kind).find(|column| *column == name);
    let (column, modifier) = if let Some(column) = named(name) {
        (column, "eq")
    } else {
        let (name, modifier) = name.rsplit_once('_')?;
        let column = named(name)?;
        (column, *modifiers(kind, column).iter().find(|each| **each == modifier)?)
    };
    Some(Filter { column, modifier, value: value.to_owned() })
}

/// The envelope's account of the filters in force.
pub(crate) fn describe(kind: &Type, filters: &[Filter]) -> Value {
    let describe = |column: &'static str| {
        let of_column: Vec<Value> = filters
            .iter()
            .filter(|each| each.column == column)
            .map(|each| json!({ "value": each.value, "modifier": each.modifier }))
            .collect();
        (column.to_owned(), if of_column.is_empty() { Value::Null } else { Value::Array(of_column) })
    };
    Value::Object(columns(kind).map(describe).collect::<Map<_, _>>())
}

impl Filter {
    pub(crate) fn matches(&self, row: &Row, case_sensitive: bool) -> bool {
        let Some(stored) = cell(row, self.column) else { return self.modifier == "null" };
        match self.modifier {
            "null" => false,
            "notnull" => true,
            "prefix" => like(&stored.text(), &format!("{}%", self.value), case_sensitive),
            "like" => like(&stored.text(), &self.value, case_sensitive),
            "notlike" => !like(&stored.text(), &self.value, case_sensitive),
            _ => self.compares(&stored, case_sensitive),
        }
    }

    fn compares(&self, stored: &Cell, case_sensitive: bool) -> bool {
        let order = match stored {
            Cell::Text(text) if case_sensitive => Some(text.as_str().cmp(&self.value)),
            Cell::Text(text) => Some(text.to_lowercase().cmp(&self.value.to_lowercase())),
            Cell::Bool(flag) => Some(flag.cmp(&matches!(self.value.as_str(), "true" | "1"))),
            Cell::Date(date) => parse_date(&self.value).map(|wanted| date.cmp(&wanted)),
            Cell::Id(id) => {
                Id::parse(&self.value).filter(|wanted| wanted.prefix == id.prefix).map(|wanted| id.cmp(&wanted))
            }
        };
        let Some(order) = order else { return false };
        match self.modifier {
            "ne" => order != Ordering::Equal,
            "lt" => order == Ordering::Less,
            "lte" => order != Ordering::Greater,
            "gt" => order == Ordering::Greater,
            "gte" => order != Ordering::Less,
            _ => order == Ordering::Equal,
        }
    }
}

/// A value in a column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cell {
    Text(String),
    Bool(bool),
    Date(Timestamp),
    Id(Id),
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Bool(flag) => flag.to_string(),
            Self::Date(date) => date.to_string(),
            Self::Id(id) => id.to_string(),
        }
    }
}

/// What a row has in a column; `None` is SQL's null.
pub(crate) fn cell(row: &Row, column: &str) -> Option<Cell> {
    match column {
        "id" => Some(Cell::Id(row.id)),
        "uuid" => Some(Cell::Text(row.uuid())),
        "kind" => Some(Cell::Text(row.kind.name.to_owned())),
        "accountId" => Some(Cell::Id(row.project)),
        "created" => Some(Cell::Date(row.created)),
        "removed" => row.removed.map(Cell::Date),
        "state" => Some(Cell::Text(row.state.clone())),
        "stackId" => row.text(column).and_then(Id::parse).map(Cell::Id),
        "system" => Some(Cell::Bool(row.fields.get(column).and_then(Value::as_bool).unwrap_or(false))),
        _ => row.text(column).map(|text| Cell::Text(text.to_owned())),
    }
}

/// Epoch milliseconds, or a date as the API prints it.
fn parse_date(text: &str) -> Option<Timestamp> {
    text.parse::<i64>().ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).or_else(|| text.parse().ok())
}

/// SQL's `LIKE`: `%` is any text, `_` any character.
fn like(text: &str, pattern: &str, case_sensitive: bool) -> bool {
    if !case_sensitive {
        return like(&text.to_lowercase(), &pattern.to_lowercase(), true);
    }
    let (mut text, mut pattern) = (text.chars(), pattern.chars());
    // What is left to match after the latest `%`, should it have to take one character more.
    let mut retry = None;
    loop {
        let (rest, wanted) = (text.clone(), pattern.next());
        let fits = match (wanted, text.next()) {
            (Some('%'), _) => {
                retry = Some((rest.clone(), pattern.clone()));
                text = rest;
                true
            }
            (None, None) => return true,
            (Some(wanted), Some(each)) => wanted == '_' || wanted == each,
            _ => false,
        };
        if !fits {
            let Some((longer, after)) = &mut retry else { return false };
            if longer.next().is_none() {
                return false;
            }
            (text, pattern) = (longer.clone(), after.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_is_that_of_sql() {
        for (text, pattern, expected) in [
            ("", "", true),
            ("", "%", true),
            ("a", "", false),
            ("", "_", false),
            ("web-1", "web%", true),
            ("web-1", "WEB%", true),
            ("web-1", "web", false),
            ("we", "web%", false),
            ("web", "w_b", true),
            ("abcabd", "%ab_", true),
            ("abcabd", "%abc", false),
            ("aab", "%a%ab%", true),
            ("aab", "%b%a%", false),
            ("aaa", "%%_%", true),
        ] {
            assert_eq!(like(text, pattern, false), expected, "{text:?} like {pattern:?}");
        }
        assert!(!like("web", "WEB", true));
    }
}
