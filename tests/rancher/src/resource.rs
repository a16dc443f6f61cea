//! How a row looks in an answer.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::link::Links;
use crate::machine;
use crate::schema::{Kind, Rights};
use crate::store::{Row, Transition};

/// The resource of a row. Secrets are shown only in the answer to the POST that made it.
pub(crate) fn render(row: &Row, links: &Links, show_secrets: bool, writable: bool) -> Value {
    let own = format!("{}/{}", row.kind.plural.to_ascii_lowercase(), row.id);
    let mut resource = Map::new();
    for field in row.kind.fields() {
        let stored = row.fields.get(field.name).filter(|_| !field.secret || show_secrets);
        resource.insert(field.name.to_owned(), stored.cloned().unwrap_or(Value::Null));
        if matches!(field.kind, Kind::Date) {
            resource.insert(format!("{}TS", field.name), Value::Null);
        }
    }
    let (transitioning, message) = match &row.transition {
        Transition::No => ("no", None),
        Transition::Yes => ("yes", Some("In Progress")),
        Transition::Error(message) => ("error", Some(message.as_str())),
    };
    let mut set = |name: &str, value: Value| resource.insert(name.to_owned(), value);
    set("id", json!(row.id.to_string()));
    set("type", json!(row.kind.name));
    set("baseType", json!(row.kind.base.unwrap_or(row.kind.name)));
    set("uuid", json!(row.uuid()));
    set("kind", json!(row.kind.name));
    set("accountId", json!(row.project.to_string()));
    set("state", json!(row.state));
    set("transitioning", json!(transitioning));
    set("transitioningMessage", json!(message));
    set("created", json!(date(row.created)));
    set("createdTS", json!(row.created.as_millisecond()));
    if let Some(removed) = row.removed {
        set("removed", json!(date(removed)));
        set("removedTS", json!(removed.as_millisecond()));
    }
    let mut own_links = Map::from_iter([("self".to_owned(), json!(links.to(&own)))]);
    for link in row.kind.links {
        own_links.insert((*link).to_owned(), json!(links.to(&format!("{own}/{link}"))));
    }
    set("links", Value::Object(own_links));
    let offered: &[&str] =
        if writable || row.kind.rights == Rights::Full { machine::actions(row.kind, &row.state) } else { &[] };
    let constant = if row.kind.rights == Rights::Full { row.kind.constant_actions } else { &[] };
    let actions: Map<String, Value> = offered
        .iter()
        .chain(constant)
        .filter(|_| writable)
        .map(|action| ((*action).to_owned(), json!(links.to(&format!("{own}/?action={action}")))))
        .collect();
    set("actions", Value::Object(actions));
    Value::Object(resource)
}

/// `2017-02-17T18:17:41Z`: whole seconds, cut off.
pub(crate) fn date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
