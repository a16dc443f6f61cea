//! The writing verbs: create, update, delete, and actions.

use serde_json::{Map, Value, json};

use crate::dispatch::{self, Call};
use crate::error::{ApiError, Result};
use crate::link::Links;
use crate::machine::{self, Process};
use crate::resource;
use crate::schema::{CERTIFICATE, HOST, STACK, Type};
use crate::store::{Id, Row};
use crate::validate::{self, Mode, References};
use crate::world::World;

/// References within one project; removed rows are still found.
pub(crate) struct InProject<'a> {
    pub(crate) world: &'a World,
    pub(crate) project: Id,
}

impl References for InProject<'_> {
    fn exists(&self, resource_type: &str, id: &str) -> bool {
        Id::parse(id).and_then(|id| self.world.store.get(id)).is_some_and(|row| {
            row.project == self.project && [Some(row.kind.name), row.kind.base].contains(&Some(resource_type))
        })
    }
}

impl World {
    /// A row's resource, with what is computed for it.
    pub(crate) fn resource(&self, row: &Row, links: &Links, show_secrets: bool, writable: bool) -> Value {
        let mut resource = resource::render(row, links, show_secrets, writable);
        if row.kind.name == STACK.name {
            resource["serviceIds"] = self.services_in(row.id).iter().map(|id| json!(id.to_string())).collect();
        }
        if row.kind.name == HOST.name {
            for (field, value) in self.host_facts(row.id) {
                resource[field] = value;
            }
        }
        resource
    }

    pub(crate) fn create(&mut self, call: &Call<'_>, kind: &'static Type) -> Result<Value> {
        let project = call.scope.project().ok_or_else(ApiError::method_not_allowed)?;
        let id = self.create_in(project, kind, &dispatch::body(call.request)?)?;
        let row = self.store.get(id).ok_or_else(ApiError::not_found)?;
        Ok(self.resource(row, &call.links, call.scope.secrets, true))
    }

    /// Checks a body, stores the row and starts its creation.
    pub(crate) fn create_in(&mut self, project: Id, kind: &'static Type, input: &Map<String, Value>) -> Result<Id> {
        let mut fields = validate::object(kind, input, Mode::Create, &InProject { world: self, project })?;
        match kind.name {
            name if name == STACK.name => self.check_stack(project, None, &fields)?,
            name if name == CERTIFICATE.name => self.check_certificate(project, None, &mut fields)?,
            _ => self.check_new_service(kind, project, &mut fields)?,
        }
        if kind.field("system").is_some() {
            fields.insert("system".to_owned(), json!(false));
        }
        if kind.name == STACK.name {
            fields.insert("healthState".to_owned(), json!("healthy"));
        }
        let id = self.insert(kind, Some(project), fields);
        self.begin(id, Process::Create)?;
        Ok(id)
    }

    /// Checks and stores the fields of a PUT, then starts the update if one of them asks for it. Storing and starting
    /// are not one transaction: a refusal to start leaves the fields stored.
    pub(crate) fn update(&mut self, id: Id, input: &Map<String, Value>) -> Result<()> {
        let row = self.store.get(id).ok_or_else(ApiError::not_found)?;
        let (kind, project) = (row.kind, row.project);
        let mut fields = validate::object(kind, input, Mode::Update, &InProject { world: self, project })?;
        match kind.name {
            name if name == STACK.name => self.check_stack(project, Some(id), &fields)?,
            name if name == CERTIFICATE.name => self.check_certificate(project, Some(id), &mut fields)?,
            _ => self.check_service_update(id, &mut fields)?,
        }
        let row = self.store.get_mut(id).ok_or_else(ApiError::not_found)?;
        let mut starts = false;
        let mut changed = false;
        for (name, value) in fields {
            let differs = row.fields.get(&name).unwrap_or(&Value::Null) != &value;
            starts |= kind.field(&name).is_some_and(|field| field.always_differs || (field.schedules && differs));
            changed |= differs;
            row.fields.insert(name, value);
        }
        if starts {
            self.begin(id, Process::Update)?;
        }
        if changed {
            self.announce(id);
        }
        Ok(())
    }

    /// Starts the removal of a row; of one that is going or gone it does nothing.
    pub(crate) fn delete(&mut self, id: Id) -> Result<()> {
        let row = self.store.get(id).ok_or_else(ApiError::not_found)?;
        if row.kind.name == CERTIFICATE.name && row.is_alive() {
            self.check_certificate_unused(id)?;
        }
        self.begin(id, Process::Remove)
    }

    /// Runs an action. A process answers 202; the constant actions, which no process stands behind, answer 200.
    pub(crate) fn act(&mut self, call: &Call<'_>, id: Id, action: &str) -> Result<(u16, Value)> {
        let row = self.store.get(id).ok_or_else(ApiError::not_found)?;
        let (kind, project) = (row.kind, row.project);
        if !call.scope.writes(kind) {
            return Err(ApiError::action_not_in_schema());
        }
        if kind.constant_actions.contains(&action) {
            return Ok((200, self.show(call, id)?));
        }
        if !kind.actions.contains(&action) {
            return Err(ApiError::action_not_in_schema());
        }
        if !machine::actions(kind, &row.state).contains(&action) {
            return Err(ApiError::action_not_available());
        }
        let input = dispatch::body(call.request)?;
        match Process::of_action(action) {
            Some(Process::Update) => self.update(id, &input)?,
            Some(Process::Remove) => self.delete(id)?,
            Some(Process::Upgrade) if kind.is_service() => {
                self.upgrade(id, &input, project)?;
            }
            Some(process) => self.begin(id, process)?,
            None => self.settle(id, action_state(action)),
        }
        Ok((202, self.show(call, id)?))
    }
}

/// The state that an action without a process leads to: `error` gives up on a stack that does not come up.
fn action_state(action: &str) -> &'static str {
    if action == "error" { "error" } else { "active" }
}
