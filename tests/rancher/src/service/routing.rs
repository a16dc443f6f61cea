//! The targets of load balancers.

use serde_json::{Map, Value, json};

use crate::error::{ApiError, Result};
use crate::machine::Process;
use crate::schema::LOAD_BALANCER;
use crate::store::Id;
use crate::world::World;

/// The port of the load balancer's own health check.
const RESERVED_PORT: i64 = 42;

/// Checks of an `lbConfig` beyond its table.
pub(super) fn check(config: &Value) -> Result<()> {
    for rule in config["portRules"].as_array().into_iter().flatten() {
        if rule["sourcePort"].as_i64() == Some(RESERVED_PORT) {
            return Err(ApiError::invalid("InvalidOption", "sourcePort"));
        }
        let set = |field: &str| rule.get(field).is_some_and(|value| !value.is_null() && value != "");
        match (set("serviceId"), set("selector")) {
            (false, false) => return Err(ApiError::invalid("MissingRequired", "serviceId")),
            (true, true) => return Err(ApiError::invalid("InvalidOption", "serviceId")),
            (true, false) if !set("targetPort") => return Err(ApiError::invalid("MissingRequired", "targetPort")),
            _ => {}
        }
        if set("region") && !set("environment") {
            return Err(ApiError::invalid("MissingRequired", "environment"));
        }
    }
    Ok(())
}

impl World {
    /// The services that the rules of a load balancer name, dangling ones too.
    pub(super) fn targets_of(&self, id: Id) -> Vec<Id> {
        let rules = self.store.get(id).and_then(|row| row.fields.get("lbConfig")).map(|config| &config["portRules"]);
        let rules = rules.and_then(Value::as_array);
        rules.into_iter().flatten().filter_map(|rule| rule["serviceId"].as_str()).filter_map(Id::parse).collect()
    }

    /// Takes the rules of a removed service out of every load balancer of the project, and updates those. The rules
    /// that stay are rewritten with explicit nulls.
    pub(super) fn strip_target(&mut self, removed: Id) {
        let Some(project) = self.store.get(removed).map(|row| row.project) else { return };
        let gone = json!(removed.to_string());
        let balancers: Vec<Id> = self
            .store
            .iter()
            .filter(|row| row.kind.name == LOAD_BALANCER.name && row.project == project && row.removed.is_none())
            .map(|row| row.id)
            .filter(|id| *id != removed && self.targets_of(*id).contains(&removed))
            .collect();
        for id in balancers {
            let Some(row) = self.store.get_mut(id) else { continue };
            if let Some(rules) = row.fields.get_mut("lbConfig").and_then(|config| config["portRules"].as_array_mut()) {
                rules.retain(|rule| rule["serviceId"] != gone);
                for rule in rules.iter_mut().filter_map(Value::as_object_mut) {
                    spell_out(rule);
                }
            }
            self.announce(id);
            // One that cannot update now keeps the rewritten rules all the same.
            self.begin(id, Process::Update)
                .or_else(|refusal| if refusal.status == 409 { Ok(()) } else { Err(refusal) })
                .expect("the load balancer is in the store");
        }
    }
}

fn spell_out(rule: &mut Map<String, Value>) {
    for field in crate::schema::PORT_RULE.fields() {
        rule.entry(field.name).or_insert(Value::Null);
    }
}
