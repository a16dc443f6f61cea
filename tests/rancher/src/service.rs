//! Services of every kind: their processes, and what ends with them.

mod check;
mod launch;
mod routing;

use serde_json::{Value, json};

use crate::machine::{self, Process};
use crate::schema::{LOAD_BALANCER, STACK};
use crate::store::Id;
use crate::world::{Outcome, Task, World};

impl World {
    /// What happens at once as a process of a service starts.
    pub(crate) fn service_begun(&mut self, id: Id, process: Process) {
        match process {
            Process::Activate | Process::Restart => self.update_field(id, "healthState", json!("initializing")),
            Process::Deactivate | Process::Remove => {
                self.stop_all(id);
                self.endpoints_later(id);
            }
            _ => {}
        }
    }

    /// Batches of an upgrade follow each other.
    pub(crate) fn extra_delay(&self, id: Id, process: Process) -> std::time::Duration {
        let strategy =
            self.store.get(id).and_then(|row| row.fields.get("upgrade")).map(|each| &each["inServiceStrategy"]);
        let Some(strategy) = strategy.filter(|_| matches!(process, Process::Upgrade | Process::ContinueUpgrade)) else {
            return std::time::Duration::ZERO;
        };
        let batch = strategy["batchSize"].as_u64().unwrap_or(1).max(1);
        let batches = (self.instances_of(id).count() as u64).div_ceil(batch);
        std::time::Duration::from_millis(strategy["intervalMillis"].as_u64().unwrap_or(0) * batches.saturating_sub(1))
    }

    pub(crate) fn finish_service(&mut self, id: Id, process: Process) -> Outcome {
        let Some(row) = self.store.get(id) else { return Outcome::Waits };
        let start = row.fields.get("startOnCreate") == Some(&Value::Bool(true));
        let inactive = row.state == "updating-inactive";
        match process {
            Process::Create => {
                self.canonicalize_ports(id);
                if start { Outcome::Goes(Process::Activate) } else { Outcome::Settled("inactive") }
            }
            Process::Update if inactive => {
                self.canonicalize_ports(id);
                Outcome::Settled("inactive")
            }
            Process::Update if self.awaits_targets(id) => Outcome::Waits,
            Process::Activate | Process::Update => self.run_containers(id, false, "active"),
            Process::Restart => self.run_containers(id, true, "active"),
            Process::Upgrade | Process::ContinueUpgrade => self.run_containers(id, true, "upgraded"),
            Process::FinishUpgrade => {
                self.end_upgrade(id);
                self.run_containers(id, false, "active")
            }
            Process::Rollback => {
                let before = self.store.get_mut(id).and_then(|row| row.control.before_upgrade.clone());
                if let Some(before) = before {
                    self.update_field(id, "launchConfig", before);
                }
                let outcome = self.run_containers(id, true, "active");
                if matches!(outcome, Outcome::Settled(_)) {
                    self.end_upgrade(id);
                }
                outcome
            }
            Process::CancelUpgrade => Outcome::Settled("canceled-upgrade"),
            Process::Deactivate => Outcome::Settled("inactive"),
            Process::Remove => self.finish_removal(id),
        }
    }

    fn end_upgrade(&mut self, id: Id) {
        self.update_field(id, "upgrade", Value::Null);
        if let Some(row) = self.store.get_mut(id) {
            row.control.before_upgrade = None;
        }
    }

    fn run_containers(&mut self, id: Id, replace: bool, state: &'static str) -> Outcome {
        self.canonicalize_ports(id);
        self.link_targets(id);
        let outcome = self.place(id, replace);
        self.endpoints_later(id);
        match outcome {
            Ok(()) => {
                self.schedule(self.options.delays.healthy, Task::Healthy { service: id });
                Outcome::Settled(state)
            }
            Err(message) => Outcome::Failed(message),
        }
    }

    /// Removal waits for containers; those on a disconnected host cannot stop.
    fn finish_removal(&mut self, id: Id) -> Outcome {
        self.stop_all(id);
        if self.store.get(id).is_some_and(|row| row.control.removal_held) || self.instances_of(id).next().is_some() {
            return Outcome::Waits;
        }
        if let Some(row) = self.store.get_mut(id) {
            row.set("instanceIds", Value::Null);
        }
        self.strip_target(id);
        Outcome::Settled("removed")
    }

    /// An update waits until the services it points to are settled.
    fn awaits_targets(&self, id: Id) -> bool {
        self.targets_of(id).iter().filter(|target| **target != id).any(|target| {
            self.store.get(*target).is_some_and(|row| {
                row.kind.name != LOAD_BALANCER.name && row.state != "removing" && machine::is_transitioning(&row.state)
            })
        })
    }

    /// Names of the targets, `stack/service`, with their ids.
    fn link_targets(&mut self, id: Id) {
        let is_balancer = self.store.get(id).is_some_and(|row| row.kind.name == LOAD_BALANCER.name);
        if !is_balancer {
            return;
        }
        let name_of = |target: &Id| {
            let row = self.store.get(*target).filter(|row| row.removed.is_none())?;
            let stack = row.text("stackId").and_then(Id::parse).and_then(|stack| self.store.get(stack));
            let stack = stack.filter(|row| row.kind.name == STACK.name).map_or("", |row| row.name());
            Some((format!("{stack}/{}", row.name()), json!(target.to_string())))
        };
        let linked: serde_json::Map<String, Value> = self.targets_of(id).iter().filter_map(name_of).collect();
        self.update_field(id, "linkedServices", Value::Object(linked));
    }
}
