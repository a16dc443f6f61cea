//! Projects, members and keys.

use std::fmt;

use serde_json::{Map, json};

use crate::rancher::Rancher;
use crate::schema::PROJECT;
use crate::store::Id;
use crate::world::World;

/// An API key. Its `Debug` form hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The user name of Basic authentication.
    pub access: String,
    /// Its password.
    pub secret: String,
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Key").field("access", &self.access).finish_non_exhaustive()
    }
}

/// What a member of a project may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Owner,
    /// Everything that concerns load balancers.
    Member,
    /// Reading only.
    ReadOnly,
    /// Everything that concerns load balancers, but no infrastructure.
    Restricted,
}

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Of an environment (project): scoped to it, whatever the path.
    Environment {
        /// Id of the project.
        project: String,
    },
    /// Of a user, with a role in some projects.
    Account {
        /// Ids of the projects and the role in each.
        memberships: Vec<(String, Role)>,
    },
    /// Of an administrator.
    Admin,
    /// Of a container's agent with the role `environment`: the project's rights without its secrets.
    Agent {
        /// Id of the project.
        project: String,
    },
}

impl World {
    pub(crate) fn add_project(&mut self, name: &str) -> Id {
        let id = self.insert(&PROJECT, None, Map::from_iter([("name".to_owned(), json!(name))]));
        self.settle(id, "active");
        id
    }
}

impl Rancher {
    /// Adds an active project; gives its id.
    pub fn add_project(&self, name: &str) -> String {
        self.world().add_project(name).to_string()
    }

    /// Activates or deactivates a project; every key is refused in an inactive one.
    pub fn set_project_active(&self, project: &str, active: bool) {
        self.set_state(project, if active { "active" } else { "inactive" });
    }

    /// Adds a key.
    pub fn add_key(&self, kind: KeyKind) -> crate::Key {
        let mut world = self.world();
        let number = world.next_key();
        let key = Key { access: format!("ACCESS{number:014}"), secret: format!("secret{number:034}") };
        world.keys.push((key.clone(), kind));
        key
    }

    /// Revokes a key.
    pub fn remove_key(&self, key: &Key) {
        self.world().keys.retain(|(each, _)| each.access != key.access);
    }

    /// Switches access control on or off; when off, everybody is an administrator.
    pub fn set_access_control(&self, on: bool) {
        self.world().access_control = on;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_hides_its_secret() {
        let key = Key { access: "A".to_owned(), secret: "hush".to_owned() };
        assert_eq!(format!("{key:?}"), "Key { access: \"A\", .. }");
    }

    #[test]
    fn removal_starts_from_every_state_of_a_service() {
        use crate::machine::{Process, Start, start};
        for state in ["requested", "registering", "active", "upgraded", "deactivating"] {
            assert_eq!(start(&crate::schema::LOAD_BALANCER, Process::Remove, state), Start::Through("removing"));
        }
    }
}
