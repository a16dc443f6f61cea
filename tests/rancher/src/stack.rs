//! Stacks: they hold services and take them along when they go.

use serde_json::{Map, Value};

use crate::error::{ApiError, Result};
use crate::machine::Process;
use crate::schema::STACK;
use crate::store::{Id, Row};
use crate::world::{Outcome, World};

impl World {
    pub(crate) fn check_stack(&self, project: Id, own: Option<Id>, fields: &Map<String, Value>) -> Result<()> {
        let Some(name) = fields.get("name").and_then(Value::as_str) else { return Ok(()) };
        if name.starts_with('-') || name.ends_with('-') {
            return Err(ApiError::invalid("InvalidCharacters", "name"));
        }
        self.check_unique_name(STACK.name, project, own, name)
    }

    /// Names of stacks and of certificates are unique in a project until a row is removed.
    pub(crate) fn check_unique_name(&self, kind: &str, project: Id, own: Option<Id>, name: &str) -> Result<()> {
        let same = |row: &Row| {
            if self.options.case_sensitive_filters { row.name() == name } else { row.name().eq_ignore_ascii_case(name) }
        };
        let clash = self.store.iter().any(|row| {
            row.kind.name == kind && row.project == project && row.removed.is_none() && Some(row.id) != own && same(row)
        });
        if clash { Err(ApiError::invalid("NotUnique", "name")) } else { Ok(()) }
    }

    /// Not removed, of any state and kind.
    pub(crate) fn services_in(&self, stack: Id) -> Vec<Id> {
        let stack = stack.to_string();
        self.store
            .iter()
            .filter(|row| row.kind.is_service() && row.removed.is_none() && row.text("stackId") == Some(&stack))
            .map(|row| row.id)
            .collect()
    }

    pub(crate) fn remove_services_of(&mut self, stack: Id) {
        for service in self.services_in(stack) {
            self.begin(service, Process::Remove).expect("removal starts from every state");
        }
    }

    pub(crate) fn finish_stack(&mut self, stack: Id, process: Process) -> Outcome {
        match process {
            Process::Remove if !self.services_in(stack).is_empty() => Outcome::Waits,
            Process::Remove => Outcome::Settled("removed"),
            Process::Upgrade => Outcome::Settled("upgraded"),
            Process::CancelUpgrade => Outcome::Settled("canceled-upgrade"),
            _ => Outcome::Settled("active"),
        }
    }
}
