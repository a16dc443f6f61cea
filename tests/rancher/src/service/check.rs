//! What a write of a service must satisfy beyond its table.

use serde_json::{Map, Value, json};

use super::{launch, routing};
use crate::error::{ApiError, Result};
use crate::machine::Process;
use crate::placement;
use crate::schema::{LOAD_BALANCER, SERVICE_UPGRADE, STACK, Type};
use crate::store::Id;
use crate::validate::{self, Mode};
use crate::world::World;
use crate::write::InProject;

impl World {
    /// Checks and completes the fields of a new service.
    pub(crate) fn check_new_service(&self, kind: &Type, project: Id, fields: &mut Map<String, Value>) -> Result<()> {
        let dead = || ApiError::invalid("InvalidState", "stackId");
        let stack = fields.get("stackId").and_then(Value::as_str).and_then(Id::parse).ok_or_else(dead)?;
        let stack = self.store.get(stack).filter(|row| row.kind.name == STACK.name).ok_or_else(dead)?;
        if stack.project != project {
            return Err(ApiError::invalid("InvalidReference", "stackId"));
        }
        if matches!(stack.state.as_str(), "error" | "erroring" | "removing" | "removed") {
            return Err(dead());
        }
        self.check_service_name(stack.id, None, fields)?;
        self.check_service_fields(kind, fields)?;
        if kind.name == LOAD_BALANCER.name {
            launch::inject(&mut fields["launchConfig"], &self.options);
        }
        Ok(())
    }

    /// Checks the changed fields of a service.
    pub(crate) fn check_service_update(&self, id: Id, fields: &mut Map<String, Value>) -> Result<()> {
        let row = self.store.get(id).ok_or_else(ApiError::not_found)?;
        if let Some(stack) = row.text("stackId").and_then(Id::parse) {
            self.check_service_name(stack, Some(id), fields)?;
        }
        self.check_service_fields(row.kind, fields)?;
        match (row.fields.get("launchConfig"), fields.get("launchConfig")) {
            (Some(stored), Some(wanted)) => check_global(stored, wanted),
            _ => Ok(()),
        }
    }

    fn check_service_fields(&self, kind: &Type, fields: &mut Map<String, Value>) -> Result<()> {
        let is_balancer = kind.name == LOAD_BALANCER.name;
        if let Some(config) = fields.get_mut("launchConfig").filter(|config| !config.is_null()) {
            launch::check(config, &self.options, is_balancer)?;
        }
        if let Some(config) = fields.get("lbConfig") {
            routing::check(config)?;
        }
        if let Some(policy) = fields.get("scalePolicy").filter(|policy| !policy.is_null())
            && policy["min"].as_i64() > policy["max"].as_i64()
        {
            return Err(ApiError::invalid("MaxLimitExceeded", "min"));
        }
        let addressed = |field: &str| fields.get(field).is_some_and(|value| !value.is_null());
        if addressed("externalIpAddresses") && addressed("hostname") {
            return Err(ApiError::invalid("InvalidOption", "hostname"));
        }
        Ok(())
    }

    /// DNS rules, and uniqueness in the stack: whatever the case and kind, services still going included.
    fn check_service_name(&self, stack: Id, own: Option<Id>, fields: &Map<String, Value>) -> Result<()> {
        let Some(name) = fields.get("name").and_then(Value::as_str) else { return Ok(()) };
        if name.starts_with('-') || name.ends_with('-') || name.contains("--") {
            return Err(ApiError::invalid("InvalidCharacters", "name"));
        }
        let rival =
            |id: &Id| Some(*id) != own && self.store.get(*id).is_some_and(|row| row.name().eq_ignore_ascii_case(name));
        if self.services_in(stack).iter().any(rival) {
            return Err(ApiError::invalid("NotUnique", "name"));
        }
        Ok(())
    }

    /// Starts an upgrade with its input: `{"inServiceStrategy": {"launchConfig": ..}}`.
    pub(crate) fn upgrade(&mut self, id: Id, input: &Map<String, Value>, project: Id) -> Result<()> {
        let references = InProject { world: self, project };
        let mut upgrade = validate::object(&SERVICE_UPGRADE, input, Mode::Create, &references)?;
        let strategy = upgrade.get_mut("inServiceStrategy").filter(|strategy| !strategy.is_null());
        let strategy = strategy.ok_or_else(|| ApiError::invalid("MissingRequired", "inServiceStrategy"))?;
        let row = self.store.get(id).ok_or_else(ApiError::not_found)?;
        let stored = row.fields.get("launchConfig").cloned().unwrap_or(Value::Null);
        let mut wanted = strategy.get("launchConfig").filter(|config| !config.is_null()).unwrap_or(&stored).clone();
        if !wanted.is_null() {
            launch::check(&mut wanted, &self.options, row.kind.name == LOAD_BALANCER.name)?;
            check_global(&stored, &wanted)?;
        }
        strategy["launchConfig"] = wanted.clone();
        strategy["previousLaunchConfig"] = stored.clone();
        upgrade.insert("type".to_owned(), json!("serviceUpgrade"));
        if let Some(row) = self.store.get_mut(id) {
            row.set("launchConfig", wanted);
            row.set("upgrade", Value::Object(upgrade));
            row.control.before_upgrade = Some(stored);
        }
        self.begin(id, Process::Upgrade)
    }
}

/// Scheduling on all hosts is chosen at creation, for good.
fn check_global(stored: &Value, wanted: &Value) -> Result<()> {
    if placement::is_global(stored) == placement::is_global(wanted) {
        Ok(())
    } else {
        Err(ApiError::invalid("InvalidOption", "labels"))
    }
}
