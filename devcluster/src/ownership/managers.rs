//! `metadata.managedFields`: who wrote what, and what an update or an apply makes of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::apply::{merge, prune};
use super::compare::compare;
use super::{FieldSet, named_fields};
use crate::object;
use crate::schema::Type;
use crate::status::Status;

/// Owner of everything that was there before the first apply of an object nobody had claimed.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// What `kubectl apply` notes on the objects that it wrote from the client's side.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Operation {
    Apply,
    Update,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    manager: String,
    operation: Operation,
    api_version: String,
    subresource: String,
    time: String,
    fields: FieldSet,
}

/// Who is writing.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    pub(crate) manager: String,
    pub(crate) api_version: String,
    /// Empty or `status`.
    pub(crate) subresource: &'static str,
    /// RFC 3339.
    pub(crate) time: String,
}

/// The entries of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Managers(Vec<Entry>);

impl Managers {
    pub(crate) fn read(object: &Value) -> Self {
        let entries = object::items(object, "/metadata/managedFields").iter().filter_map(|entry| {
            let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
            let operation = match entry["operation"].as_str()? {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return None,
            };
            Some(Entry {
                manager: text("manager"),
                operation,
                api_version: text("apiVersion"),
                subresource: text("subresource"),
                time: text("time"),
                fields: FieldSet::from_json(&entry["fieldsV1"]),
            })
        });
        Self(entries.collect())
    }

    pub(crate) fn write(mut self, object: &mut Value) {
        self.0.sort_by(|one, two| {
            let key =
                |entry: &Entry| (entry.operation, entry.time.clone(), entry.manager.clone(), entry.subresource.clone());
            key(one).cmp(&key(two))
        });
        let entries: Vec<Value> = self.0.iter().map(Entry::to_json).collect();
        let entries = (!entries.is_empty()).then_some(Value::Array(entries));
        object::set_metadata(object, "managedFields", entries);
    }

    /// After `writer` changed the object: what it added or changed is its own, and nobody else's.
    pub(crate) fn update(&mut self, writer: &Writer, ty: &Type, before: &Value, after: &Value) {
        let changes = compare(ty, before, after);
        let taken = owned_by(writer, changes.taken());
        for entry in &mut self.0 {
            entry.fields = entry.fields.difference(&changes.removed);
            if !entry.is_update_of(writer) {
                entry.fields = entry.fields.difference(&taken);
            }
        }
        if !taken.is_empty() {
            let entry = self.entry(writer, Operation::Update);
            entry.fields = entry.fields.union(&taken);
            entry.time.clone_from(&writer.time);
        }
        self.drop_empty();
    }

    /// Applies a configuration to `live`, and returns the object that results.
    ///
    /// # Errors
    ///
    /// A conflict, when `force` is not set and a field is owned by somebody else with another value.
    pub(crate) fn apply(
        &mut self,
        writer: &Writer,
        ty: &Type,
        live: Option<&Value>,
        configuration: &Value,
        force: bool,
    ) -> Result<Value, Status> {
        let empty = json!({});
        if let Some(live) = live
            && self.0.is_empty()
        {
            let owner = Writer { manager: BEFORE_FIRST_APPLY.to_owned(), ..writer.clone() };
            let fields = owned_by(&owner, named_fields(ty, live));
            self.entry(&owner, Operation::Update).fields = fields;
        }
        let named = owned_by(writer, named_fields(ty, configuration));
        let mut result = merge(ty, live.unwrap_or(&empty), configuration);

        let last = std::mem::replace(&mut self.entry(writer, Operation::Apply).fields, named);
        let kept = self.0.iter().fold(FieldSet::default(), |kept, entry| kept.union(&entry.fields));
        prune(ty, &mut result, &last, &kept);

        let changes = compare(ty, live.unwrap_or(&empty), &result);
        let taken = owned_by(writer, changes.taken());
        let conflicts = self.conflicts(writer, &taken);
        let allowed = allowed_by_last_applied(writer, ty, live);
        let real: Vec<&(Entry, FieldSet)> =
            conflicts.iter().filter(|(_, fields)| !fields.difference(&allowed).is_empty()).collect();
        if !force && !real.is_empty() {
            return Err(conflict(&real, &allowed));
        }
        for entry in &mut self.0 {
            entry.fields = entry.fields.difference(&changes.removed);
            if !entry.is_apply_of(writer) {
                entry.fields = entry.fields.difference(&taken);
            }
        }
        self.entry(writer, Operation::Apply).time.clone_from(&writer.time);
        self.drop_empty();
        Ok(result)
    }

    /// Whether both say the same, whenever it was written.
    pub(crate) fn same_fields(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self
                .0
                .iter()
                .all(|entry| other.0.iter().any(|twin| Entry { time: entry.time.clone(), ..twin.clone() } == *entry))
    }

    fn conflicts(&self, writer: &Writer, taken: &FieldSet) -> Vec<(Entry, FieldSet)> {
        let others = self.0.iter().filter(|entry| !entry.is_apply_of(writer));
        others
            .map(|entry| (entry.clone(), entry.fields.intersection(taken)))
            .filter(|(_, fields)| !fields.is_empty())
            .collect()
    }

    fn entry(&mut self, writer: &Writer, operation: Operation) -> &mut Entry {
        let found = self.0.iter().position(|entry| match operation {
            Operation::Apply => entry.is_apply_of(writer),
            Operation::Update => entry.is_update_of(writer),
        });
        let index = found.unwrap_or_else(|| {
            self.0.push(Entry {
                manager: writer.manager.clone(),
                operation,
                api_version: writer.api_version.clone(),
                subresource: writer.subresource.to_owned(),
                time: writer.time.clone(),
                fields: FieldSet::default(),
            });
            self.0.len() - 1
        });
        &mut self.0[index]
    }

    fn drop_empty(&mut self) {
        self.0.retain(|entry| !entry.fields.is_empty());
    }
}

impl Entry {
    fn is_apply_of(&self, writer: &Writer) -> bool {
        self.operation == Operation::Apply && self.manager == writer.manager && self.subresource == writer.subresource
    }

    fn is_update_of(&self, writer: &Writer) -> bool {
        self.operation == Operation::Update
            && self.manager == writer.manager
            && self.subresource == writer.subresource
            && self.api_version == writer.api_version
    }

    /// As conflict messages name it.
    fn shown(&self) -> String {
        let subresource = match self.subresource.as_str() {
            "" => String::new(),
            subresource => format!(" with subresource {subresource:?}"),
        };
        match self.operation {
            Operation::Apply => format!("{:?}{subresource}", self.manager),
            Operation::Update => format!("{:?}{subresource} using {}", self.manager, self.api_version),
        }
    }

    fn to_json(&self) -> Value {
        let mut json = json!({
            "manager": self.manager,
            "operation": if self.operation == Operation::Apply { "Apply" } else { "Update" },
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.to_json(),
        });
        if !self.subresource.is_empty() {
            json["subresource"] = self.subresource.as_str().into();
        }
        json
    }
}

/// Without what nobody owns, and what this endpoint does not write.
fn owned_by(writer: &Writer, mut fields: FieldSet) -> FieldSet {
    for field in ["namespace", "name", "creationTimestamp", "selfLink", "uid", "generation", "managedFields"] {
        fields.remove_tree(&["f:metadata", &format!("f:{field}")]);
    }
    fields.remove_tree(&["f:metadata", "f:resourceVersion"]);
    fields.remove_tree(&["f:apiVersion"]);
    fields.remove_tree(&["f:kind"]);
    if let Some(metadata) = fields.children.get_mut("f:metadata") {
        metadata.member = false;
    }
    fields.children.retain(|element, inner| {
        let written = match writer.subresource {
            "" => element != "f:status",
            _ => element == "f:status" || element == "f:metadata",
        };
        written && !inner.is_empty()
    });
    fields.member = false;
    fields
}

/// What `kubectl apply --server-side` may take over without force: fields that its client-side predecessor applied and
/// nobody has changed since.
fn allowed_by_last_applied(writer: &Writer, ty: &Type, live: Option<&Value>) -> FieldSet {
    let Some(live) = live.filter(|_| writer.manager == "kubectl") else { return FieldSet::default() };
    let annotation = live["metadata"]["annotations"][LAST_APPLIED].as_str().unwrap_or_default();
    let Ok(applied) = serde_json::from_str::<Value>(annotation) else { return FieldSet::default() };
    let changes = compare(ty, &applied, live);
    named_fields(ty, &applied).difference(&changes.modified).difference(&changes.removed)
}

fn conflict(conflicts: &[&(Entry, FieldSet)], allowed: &FieldSet) -> Status {
    let fields: Vec<(String, String)> = conflicts
        .iter()
        .flat_map(|(entry, fields)| fields.difference(allowed).paths().into_iter().map(|path| (entry.shown(), path)))
        .collect();
    let message = if let [(manager, field)] = fields.as_slice() {
        format!("Apply failed with 1 conflict: conflict with {manager}: {field}")
    } else {
        let managers: BTreeSet<&String> = fields.iter().map(|(manager, _)| manager).collect();
        let blocks = managers.into_iter().map(|manager| {
            let of_manager = fields.iter().filter(|(owner, _)| owner == manager);
            let lines: Vec<String> = of_manager.map(|(_, field)| format!("- {field}")).collect();
            format!("conflicts with {manager}:\n{}", lines.join("\n"))
        });
        format!("Apply failed with {} conflicts: {}", fields.len(), blocks.collect::<Vec<_>>().join("\n"))
    };
    Status::apply_conflict(message, &fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::object_type;

    fn writer(manager: &str) -> Writer {
        let (api_version, time) = ("v1".to_owned(), "2026-01-01T00:00:00Z".to_owned());
        Writer { manager: manager.to_owned(), api_version, subresource: "", time }
    }

    fn owners(managers: &Managers) -> Vec<(String, Vec<String>)> {
        managers.0.iter().map(|entry| (entry.manager.clone(), entry.fields.paths())).collect()
    }

    #[test]
    fn an_update_takes_what_it_changes_from_others() {
        let ty = object_type("ConfigMap");
        let mut managers = Managers::default();
        let first = json!({"metadata": {"name": "c"}, "data": {"a": "1", "b": "1"}});
        managers.update(&writer("one"), &ty, &json!({}), &first);
        let second = json!({"metadata": {"name": "c"}, "data": {"a": "2"}});
        managers.update(&writer("two"), &ty, &first, &second);
        assert_eq!(owners(&managers), [("one".into(), vec![".data".into()]), ("two".into(), vec![".data.a".into()])]);
        let mut object = second;
        managers.clone().write(&mut object);
        assert_eq!(object["metadata"]["managedFields"][0]["fieldsV1"], json!({"f:data": {}}));
        assert_eq!(Managers::read(&object), managers);
    }

    #[test]
    fn applying_what_another_applied_is_a_conflict_unless_forced_or_equal() {
        let ty = object_type("ConfigMap");
        let mut managers = Managers::default();
        let live = managers.apply(&writer("one"), &ty, None, &json!({"data": {"a": "1", "b": "1"}}), false).unwrap();
        let same = managers.apply(&writer("two"), &ty, Some(&live), &json!({"data": {"a": "1"}}), false).unwrap();
        assert_eq!(same, live);
        let change = json!({"data": {"a": "2"}});
        let refused = managers.clone().apply(&writer("two"), &ty, Some(&live), &change, false).unwrap_err();
        assert_eq!(refused.message, r#"Apply failed with 1 conflict: conflict with "one": .data.a"#);
        assert_eq!(refused.code, 409);
        let forced = managers.apply(&writer("two"), &ty, Some(&live), &change, true).unwrap();
        assert_eq!(forced, json!({"data": {"a": "2", "b": "1"}}));
        assert_eq!(owners(&managers), [("one".into(), vec![".data.b".into()]), ("two".into(), vec![".data.a".into()])]);
    }

    #[test]
    fn conflicts_with_several_are_listed_by_manager() {
        let ty = object_type("ConfigMap");
        let mut managers = Managers::default();
        let live = json!({"data": {"a": "1", "b": "1", "c": "1"}});
        managers.update(&writer("one"), &ty, &json!({}), &live);
        let next = json!({"data": {"a": "1", "b": "1", "c": "2"}});
        managers.update(&writer("two"), &ty, &live, &next);
        let wanted = json!({"data": {"a": "9", "b": "9", "c": "9"}});
        let refused = managers.apply(&writer("three"), &ty, Some(&next), &wanted, false).unwrap_err();
        assert_eq!(
            refused.message,
            "Apply failed with 3 conflicts: conflicts with \"one\" using v1:\n- .data.a\n- .data.b\n\
             conflicts with \"two\" using v1:\n- .data.c"
        );
        assert_eq!(refused.to_json()["details"]["causes"][2]["field"], ".data.c");
    }

    #[test]
    fn what_an_applier_drops_is_removed_unless_somebody_else_has_it() {
        let ty = object_type("ConfigMap");
        let mut managers = Managers::default();
        let live = managers.apply(&writer("one"), &ty, None, &json!({"data": {"a": "1", "b": "1"}}), false).unwrap();
        let live = managers.apply(&writer("two"), &ty, Some(&live), &json!({"data": {"b": "1"}}), false).unwrap();
        let live = managers.apply(&writer("one"), &ty, Some(&live), &json!({"data": {"c": "1"}}), false).unwrap();
        assert_eq!(live, json!({"data": {"b": "1", "c": "1"}}));
    }

    #[test]
    fn kubectl_takes_over_what_it_applied_from_the_client_side() {
        let ty = object_type("ConfigMap");
        let applied = json!({"metadata": {"name": "c"}, "data": {"a": "1"}});
        let mut live = applied.clone();
        live["metadata"]["annotations"] = json!({ LAST_APPLIED: applied.to_string() });
        let mut managers = Managers::default();
        managers.update(&writer("kubectl-client-side-apply"), &ty, &json!({}), &live);
        let wanted = json!({"data": {"a": "2"}});
        assert!(managers.clone().apply(&writer("other"), &ty, Some(&live), &wanted, false).is_err());
        let merged = managers.apply(&writer("kubectl"), &ty, Some(&live), &wanted, false).unwrap();
        assert_eq!(merged["data"]["a"], "2");
    }
}
