//! Everything that the server holds, and its stepping clock.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::endpoint::Instance;
use crate::error::{ApiError, Result};
use crate::machine::{self, Process, Start};
use crate::schema::Type;
use crate::store::{Control, Id, Row, Store, Transition};
use crate::{Change, Key, KeyKind, Options};

/// What falls due by itself.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// A process ends, unless another one overtook it.
    Finish { row: Id, process: Process, generation: u64 },
    /// Endpoints of a service are computed from its containers.
    Endpoints { service: Id },
    /// Containers of a service have passed their health checks.
    Healthy { service: Id },
    /// A container starts on a host.
    Start { service: Id, host: Id },
    /// A container ends.
    Stop { instance: Id },
}

/// The state of a server.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) now: Timestamp,
    pub(crate) store: Store,
    pub(crate) instances: BTreeMap<Id, Instance>,
    pub(crate) keys: Vec<(Key, KeyKind)>,
    pub(crate) access_control: bool,
    pub(crate) settings: BTreeMap<String, crate::setting::Setting>,
    pub(crate) changes: Vec<Change>,
    tasks: BTreeMap<(Timestamp, u64), Task>,
    scheduled: u64,
    errors: u64,
    issued_keys: u64,
}

impl World {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            now: options.start,
            store: Store::default(),
            instances: BTreeMap::new(),
            keys: Vec::new(),
            access_control: options.access_control,
            settings: crate::setting::initial(&options),
            changes: Vec::new(),
            tasks: BTreeMap::new(),
            scheduled: 0,
            errors: 0,
            issued_keys: 0,
            options,
        }
    }

    /// Runs what falls due within this time, in order.
    pub(crate) fn advance(&mut self, by: Duration) {
        let until = self.now.checked_add(by).unwrap_or(Timestamp::MAX);
        while let Some(entry) = self.tasks.first_entry().filter(|entry| entry.key().0 <= until) {
            let ((due, _), task) = entry.remove_entry();
            self.now = self.now.max(due);
            self.run(&task);
        }
        self.now = until;
        let keep = jiff::SignedDuration::try_from(self.options.keep_removed).unwrap_or(jiff::SignedDuration::MAX);
        if let Ok(before) = self.now.checked_sub(keep) {
            self.store.purge(before);
        }
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.tasks.keys().next().map(|(due, _)| *due)
    }

    pub(crate) fn schedule(&mut self, delay: Duration, task: Task) {
        self.scheduled += 1;
        let due = self.now.checked_add(delay).unwrap_or(Timestamp::MAX);
        self.tasks.insert((due, self.scheduled), task);
    }

    fn run(&mut self, task: &Task) {
        match *task {
            Task::Finish { row, process, generation } => {
                if self.store.get(row).is_some_and(|row| row.control.generation == generation) {
                    self.finish(row, process);
                }
            }
            Task::Endpoints { service } => self.publish_endpoints(service),
            Task::Healthy { service } => self.turn_healthy(service),
            Task::Start { service, host } => self.start_instance(service, host),
            Task::Stop { instance } => self.stop_instance(instance),
        }
    }

    /// Stores a new row in `requested`, with these fields; nothing works on it yet.
    pub(crate) fn insert(&mut self, kind: &'static Type, project: Option<Id>, fields: Map<String, Value>) -> Id {
        let id = self.store.next_id(kind.prefix);
        self.store.insert(Row {
            id,
            kind,
            project: project.unwrap_or(id),
            created: self.now,
            removed: None,
            state: "requested".to_owned(),
            transition: Transition::No,
            fields,
            control: Control::default(),
        });
        id
    }

    /// Starts a process on a row: 409 when its state forbids that.
    pub(crate) fn begin(&mut self, id: Id, process: Process) -> Result<()> {
        let row = self.store.get_mut(id).ok_or_else(ApiError::not_found)?;
        match machine::start(row.kind, process, &row.state) {
            Start::Conflict => return Err(ApiError::conflict()),
            Start::Nothing => {}
            Start::Joins => self.announce(id),
            Start::Through(via) => {
                via.clone_into(&mut row.state);
                row.transition = Transition::Yes;
                row.control.process = Some(process);
                row.control.generation += 1;
                row.control.attempts = 0;
                let generation = row.control.generation;
                let delay = process.delay(&self.options.delays) + self.extra_delay(id, process);
                self.schedule(delay, Task::Finish { row: id, process, generation });
                self.announce(id);
                self.begun(id, process);
            }
        }
        Ok(())
    }

    /// What else happens as a process starts.
    fn begun(&mut self, id: Id, process: Process) {
        if id.prefix == crate::schema::STACK.prefix && process == Process::Remove {
            self.remove_services_of(id);
        }
        if id.prefix == crate::schema::SERVICE.prefix {
            self.service_begun(id, process);
        }
    }

    /// Ends a process, or has it tried again later.
    fn finish(&mut self, id: Id, process: Process) {
        let outcome = match id.prefix {
            prefix if prefix == crate::schema::SERVICE.prefix => self.finish_service(id, process),
            prefix if prefix == crate::schema::STACK.prefix => self.finish_stack(id, process),
            _ => Outcome::Settled(if process == Process::Remove { "removed" } else { "active" }),
        };
        match outcome {
            Outcome::Settled(state) => self.settle(id, state),
            Outcome::Goes(next) => {
                // The state in between is one that `next` starts from, and nobody sees it.
                if let Some(row) = self.store.get_mut(id) {
                    "inactive".clone_into(&mut row.state);
                }
                self.begin(id, next).expect("a process that follows another starts from its end");
            }
            Outcome::Waits => self.again(id, process, self.options.delays.retry, None),
            Outcome::Failed(message) => {
                let attempts = self.store.get(id).map_or(0, |row| row.control.attempts);
                let delay = self.options.delays.retry.saturating_mul(1 << attempts.min(16)).min(LONGEST_RETRY);
                self.again(id, process, delay, Some(message));
            }
        }
    }

    fn again(&mut self, id: Id, process: Process, delay: Duration, failure: Option<String>) {
        let Some(row) = self.store.get_mut(id) else { return };
        let generation = row.control.generation;
        if let Some(message) = failure {
            row.control.attempts += 1;
            let failed = Transition::Error(message);
            if row.transition != failed {
                row.transition = failed;
                self.announce(id);
            }
        }
        self.schedule(delay.max(Duration::from_millis(1)), Task::Finish { row: id, process, generation });
    }

    /// Puts a row into a state that nothing works in.
    pub(crate) fn settle(&mut self, id: Id, state: &str) {
        let now = self.now;
        let Some(row) = self.store.get_mut(id) else { return };
        state.clone_into(&mut row.state);
        row.transition = Transition::No;
        row.control.process = None;
        row.control.generation += 1;
        row.control.attempts = 0;
        if state == "removed" {
            row.removed = Some(now);
        }
        self.announce(id);
    }

    /// Tells subscribers of the row's project that it changed.
    pub(crate) fn announce(&mut self, id: Id) {
        let Some(row) = self.store.get(id) else { return };
        self.changes.push(Change {
            sequence: self.changes.len() as u64 + 1,
            project: row.project.to_string(),
            resource_type: row.kind.name.to_owned(),
            id: id.to_string(),
        });
    }

    /// A fresh id for an error.
    pub(crate) fn error_id(&mut self) -> String {
        self.errors += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.errors)
    }

    /// Number of a fresh key.
    pub(crate) fn next_key(&mut self) -> u64 {
        self.issued_keys += 1;
        self.issued_keys
    }

    /// Sets a field and tells so, if it changes.
    pub(crate) fn update_field(&mut self, id: Id, field: &str, value: Value) {
        let Some(row) = self.store.get_mut(id) else { return };
        if row.fields.get(field).unwrap_or(&Value::Null) != &value {
            row.set(field, value);
            self.announce(id);
        }
    }

    /// The whole row for a test: everything stored, secrets too.
    pub(crate) fn inspect(&self, row: &Row) -> Value {
        let links =
            crate::link::Links::new(&crate::Request::default(), self.options.public_url.as_deref(), crate::scope::BASE);
        let mut resource = self.resource(row, &links, true, true);
        if row.id.prefix == crate::schema::SERVICE.prefix {
            resource["containers"] = json!(self.instances_of(row.id).map(Instance::inspect).collect::<Vec<_>>());
        }
        resource
    }
}

/// The longest time between two tries.
const LONGEST_RETRY: Duration = Duration::from_mins(2);

/// How a try to end a process went.
#[derive(Debug)]
pub(crate) enum Outcome {
    Settled(&'static str),
    /// Another process follows at once.
    Goes(Process),
    /// Something else must end first.
    Waits,
    /// It failed; it is tried again.
    Failed(String),
}
