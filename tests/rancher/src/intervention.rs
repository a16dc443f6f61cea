//! What a test does to a server from outside the API: users, second writers, and things that go wrong.

use serde_json::{Value, json};

use crate::machine::Process;
use crate::rancher::Rancher;
use crate::store::{Id, Transition};
use crate::world::Task;

/// How the endpoints of a moved container are seen to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reschedule {
    /// `[A] -> [] -> [B]`.
    ThroughNone,
    /// `[A] -> [A, B] -> [B]`.
    ThroughBoth,
    /// `[A] -> [B]`.
    Direct,
}

impl Rancher {
    /// Puts a resource into a settled state at once, such as `upgraded` by a user.
    pub fn set_state(&self, id: &str, state: &str) {
        let mut world = self.world();
        let id = world.row_named(id);
        world.settle(id, state);
    }

    /// A user deactivates a service. Panics if its state forbids that: the test is wrong.
    pub fn deactivate(&self, id: &str) {
        let mut world = self.world();
        let id = world.row_named(id);
        if let Err(refusal) = world.begin(id, Process::Deactivate) {
            panic!("{id} cannot be deactivated now: {refusal}");
        }
    }

    /// A second writer sets stored fields, top-level key by key, beside the API's checks; no process starts.
    pub fn edit(&self, id: &str, fields: &Value) {
        let mut world = self.world();
        let id = world.row_named(id);
        for (field, value) in fields.as_object().into_iter().flatten() {
            world.update_field(id, field, value.clone());
        }
    }

    /// From the next try on the containers of this service cannot be placed, with this message.
    pub fn fail_placement(&self, id: &str, message: &str) {
        let mut world = self.world();
        let id = world.row_named(id);
        if let Some(row) = world.store.get_mut(id) {
            row.control.placement_failure = Some(message.to_owned());
        }
    }

    /// Placement succeeds again from the next try on.
    pub fn recover_placement(&self, id: &str) {
        let mut world = self.world();
        let id = world.row_named(id);
        if let Some(row) = world.store.get_mut(id) {
            row.control.placement_failure = None;
        }
    }

    /// The service hangs in `removing`, once it is there, until released.
    pub fn hold_removal(&self, id: &str) {
        self.set_removal_held(id, true);
    }

    /// Ends what [`Rancher::hold_removal`] began, at the next try.
    pub fn release_removal(&self, id: &str) {
        self.set_removal_held(id, false);
    }

    fn set_removal_held(&self, id: &str, held: bool) {
        let mut world = self.world();
        let id = world.row_named(id);
        if let Some(row) = world.store.get_mut(id) {
            row.control.removal_held = held;
        }
    }

    /// The server reconciles a service by itself: `active`, `updating-active`, `active`.
    pub fn reconcile(&self, id: &str) {
        let mut world = self.world();
        let id = world.row_named(id);
        if let Err(refusal) = world.begin(id, Process::Update) {
            panic!("{id} cannot be reconciled now: {refusal}");
        }
    }

    /// Moves the containers of a service on one host to another; the service is `updating-active` meanwhile.
    pub fn reschedule(&self, id: &str, from: &str, to: &str, shape: Reschedule) {
        let mut world = self.world();
        let (id, from, to) = (world.row_named(id), world.row_named(from), world.row_named(to));
        let moving: Vec<Id> = world.instances_of(id).filter(|each| each.host == from).map(|each| each.id).collect();
        // Far enough apart for the endpoints in between to be published.
        let later = world.options.delays.endpoints * 2 + std::time::Duration::from_millis(1);
        let Some(row) = world.store.get_mut(id).filter(|row| row.state == "active") else {
            panic!("{id} is not active: its containers cannot be moved now");
        };
        "updating-active".clone_into(&mut row.state);
        row.transition = Transition::Yes;
        row.control.generation += 1;
        let generation = row.control.generation;
        world.announce(id);
        for instance in moving {
            match shape {
                Reschedule::Direct => {
                    world.start_instance(id, to);
                    world.stop_instance(instance);
                }
                Reschedule::ThroughBoth => {
                    world.start_instance(id, to);
                    world.schedule(later, Task::Stop { instance });
                }
                Reschedule::ThroughNone => {
                    world.stop_instance(instance);
                    world.schedule(later, Task::Start { service: id, host: to });
                }
            }
        }
        let end = later + world.options.delays.update;
        world.schedule(end, Task::Finish { row: id, process: Process::Update, generation });
    }

    /// Sets the name that an external DNS gives a service.
    pub fn set_fqdn(&self, id: &str, fqdn: Option<&str>) {
        self.edit(id, &json!({ "fqdn": fqdn }));
    }
}
