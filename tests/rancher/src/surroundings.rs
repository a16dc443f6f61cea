//! What is around load balancers: hosts, Kubernetes services, and whatever strangers add.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::Response;
use crate::machine::Process;
use crate::rancher::Rancher;
use crate::schema::{self, HOST, KUBERNETES_SERVICE, STACK};
use crate::store::Id;
use crate::world::World;

/// A host to add to a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its address records: endpoints show the first one, and repeat once for each.
    pub addresses: Vec<String>,
    /// Labels that scheduling looks at.
    pub labels: BTreeMap<String, String>,
}

impl World {
    /// The id of a project that a test names.
    fn project(&self, project: &str) -> Id {
        let id = Id::parse(project).filter(|id| self.store.get(*id).is_some());
        id.unwrap_or_else(|| panic!("the double has no project {project:?}"))
    }

    /// The id of a row that a test names.
    pub(crate) fn row_named(&self, id: &str) -> Id {
        let found = Id::parse(id).filter(|id| self.store.get(*id).is_some());
        found.unwrap_or_else(|| panic!("the double has no resource {id:?}"))
    }

    /// Has every service of a project reconciled that could run differently now: those with containers gone, and
    /// those that take each host.
    fn reconcile_project(&mut self, project: Id, services: &[Id]) {
        let global = |row: &&crate::store::Row| {
            row.fields.get("launchConfig").is_some_and(crate::placement::is_global) && row.kind.is_service()
        };
        let everywhere = self.store.iter().filter(|row| row.project == project).filter(global).map(|row| row.id);
        let mut affected: Vec<Id> = services.iter().copied().chain(everywhere).collect();
        affected.sort_unstable();
        affected.dedup();
        for id in affected {
            if self.store.get(id).is_some_and(|row| matches!(row.state.as_str(), "active" | "updating-active")) {
                self.begin(id, Process::Update).expect("an active service can update");
            }
        }
    }

    fn stack_of_namespace(&mut self, project: Id, namespace: &str) -> Id {
        let external_id = format!("kubernetes://{namespace}");
        let found = self.store.iter().find(|row| {
            row.kind.name == STACK.name
                && row.project == project
                && row.is_alive()
                && row.text("externalId") == Some(external_id.as_str())
        });
        if let Some(found) = found {
            return found.id;
        }
        let fields =
            json!({ "name": format!("kube-{namespace}"), "externalId": external_id, "healthState": "healthy" });
        let stack = self.insert(&STACK, Some(project), fields.as_object().cloned().unwrap_or_default());
        self.settle(stack, "active");
        stack
    }
}

impl Rancher {
    /// Adds an active host; gives its id.
    pub fn add_host(&self, project: &str, host: Host) -> String {
        let Host { name, addresses, labels } = host;
        let mut world = self.world();
        let project = world.project(project);
        let fields = json!({
            "name": name, "hostname": name, "agentIpAddress": addresses.first(), "agentState": null,
            "labels": labels, "addressRecords": addresses.len(),
        });
        let id = world.insert(&HOST, Some(project), fields.as_object().cloned().unwrap_or_default());
        world.settle(id, "active");
        world.reconcile_project(project, &[]);
        id.to_string()
    }

    /// Removes a host; its containers end, and their services look for another.
    pub fn remove_host(&self, id: &str) {
        let mut world = self.world();
        let host = world.row_named(id);
        let project = world.store.get(host).map(|row| row.project).expect("the host was just found");
        let here: Vec<(Id, Id)> =
            world.instances.values().filter(|each| each.host == host).map(|each| (each.id, each.service)).collect();
        world.settle(host, "removed");
        for (instance, _) in &here {
            world.stop_instance(*instance);
        }
        let services: Vec<Id> = here.into_iter().map(|(_, service)| service).collect();
        world.reconcile_project(project, &services);
    }

    /// Cuts a host off: its containers and endpoints stay, removals of them hang, nothing new comes to it.
    pub fn disconnect_host(&self, id: &str) {
        self.edit(id, &json!({ "agentState": "disconnected" }));
    }

    /// Takes no more containers on it; those there stay.
    pub fn deactivate_host(&self, id: &str) {
        self.set_state(id, "inactive");
    }

    /// Brings a disconnected or inactive host back.
    pub fn activate_host(&self, id: &str) {
        self.edit(id, &json!({ "agentState": null }));
        self.set_state(id, "active");
    }

    /// Adds the service that Rancher's Kubernetes agent makes for a Service, and its stack if needed; it activates by
    /// itself. One with the same name and another uid is removed first. Gives its id.
    pub fn add_kubernetes_service(&self, project: &str, uid: &str, namespace: &str, name: &str) -> String {
        let mut world = self.world();
        let project = world.project(project);
        let stack = world.stack_of_namespace(project, namespace);
        for rival in world.services_in(stack) {
            if world.store.get(rival).is_some_and(|row| row.name() == name && row.text("externalId") != Some(uid)) {
                world.begin(rival, Process::Remove).expect("removal starts from every state");
            }
        }
        let fields = json!({
            "name": name, "externalId": uid, "stackId": stack.to_string(), "startOnCreate": true, "system": false,
        });
        let id = world.insert(&KUBERNETES_SERVICE, Some(project), fields.as_object().cloned().unwrap_or_default());
        world.begin(id, Process::Create).expect("a new service can be created");
        id.to_string()
    }

    /// Adds a stack as a stranger would; it is active at once. Gives its id.
    pub fn add_stack(&self, project: &str, name: &str, external_id: Option<&str>) -> String {
        let mut world = self.world();
        let project = world.project(project);
        let fields = json!({ "name": name, "externalId": external_id, "system": false, "healthState": "healthy" });
        let id = world.insert(&STACK, Some(project), fields.as_object().cloned().unwrap_or_default());
        world.settle(id, "active");
        id.to_string()
    }

    /// Adds a service of this type as a stranger would, from the fields of a POST; gives its id, or the refusal.
    pub fn add_service(&self, project: &str, resource_type: &str, fields: &Value) -> Result<String, Response> {
        let mut world = self.world();
        let project = world.project(project);
        let kind = schema::find(resource_type).unwrap_or_else(|| panic!("the double has no type {resource_type:?}"));
        let fields: Map<String, Value> = fields.as_object().cloned().unwrap_or_default();
        world.create_in(project, kind, &fields).map(|id| id.to_string()).map_err(|refusal| {
            let body = refusal.body(&world.error_id()).to_string().into_bytes();
            Response { status: refusal.status, headers: Vec::new(), body }
        })
    }

    /// Removes a service, stack or certificate as a stranger would, without the checks of the API.
    pub fn remove(&self, id: &str) {
        let mut world = self.world();
        let id = world.row_named(id);
        world.begin(id, Process::Remove).expect("removal starts from every state");
    }

    /// Changes the value of a setting; `None` empties it.
    pub fn set_setting(&self, name: &str, value: Option<&str>) {
        let value = value.map(str::to_owned);
        let mut world = self.world();
        let setting = world.settings.entry(name.to_owned());
        setting.or_insert(crate::setting::Setting { value: None, public: true }).value = value;
    }
}
