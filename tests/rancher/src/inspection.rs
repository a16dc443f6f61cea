//! What a test may look at: everything that is stored, whatever the API hides.

use serde_json::Value;

use crate::rancher::Rancher;
use crate::schema::{CERTIFICATE, LOAD_BALANCER, STACK};
use crate::store::{Id, Row};

impl Rancher {
    fn inspect(&self, wanted: impl Fn(&Row) -> bool) -> Vec<Value> {
        let world = self.world();
        world.store.iter().filter(|row| wanted(row)).map(|row| world.inspect(row)).collect()
    }

    /// All rows of a type in all projects, removed ones and secrets too. `service` stands for every kind of service,
    /// each with its `containers`.
    pub fn rows(&self, resource_type: &str) -> Vec<Value> {
        self.inspect(|row| [Some(row.kind.name), row.kind.base].contains(&Some(resource_type)))
    }

    /// One row with all that is stored, secrets too.
    pub fn row(&self, id: &str) -> Option<Value> {
        let world = self.world();
        Id::parse(id).and_then(|id| world.store.get(id)).map(|row| world.inspect(row))
    }

    /// Load balancers that are not removed, of all projects, each with its `containers`.
    pub fn load_balancers(&self) -> Vec<Value> {
        self.inspect(|row| row.kind.name == LOAD_BALANCER.name && row.removed.is_none())
    }

    /// Stacks that are not removed, of all projects.
    pub fn stacks(&self) -> Vec<Value> {
        self.inspect(|row| row.kind.name == STACK.name && row.removed.is_none())
    }

    /// Certificates that are not removed, of all projects, with their keys.
    pub fn certificates(&self) -> Vec<Value> {
        self.inspect(|row| row.kind.name == CERTIFICATE.name && row.removed.is_none())
    }
}
