//! Containers of services, where they run, and the public endpoints that follow from them.

use serde_json::{Map, Value, json};

use crate::placement::{self, Constraints, Port};
use crate::schema::{HOST, SERVICE};
use crate::store::{INSTANCE, Id, Row};
use crate::world::{Task, World};

/// A running container.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) id: Id,
    pub(crate) service: Id,
    pub(crate) host: Id,
    pub(crate) ports: Vec<Port>,
    pub(crate) launch_config: Value,
}

impl Instance {
    pub(crate) fn inspect(&self) -> Value {
        json!({
            "id": self.id.to_string(), "hostId": self.host.to_string(),
            "ports": self.ports.iter().map(ToString::to_string).collect::<Vec<_>>(), "launchConfig": self.launch_config,
        })
    }
}

/// The image that makes a service without containers.
pub(crate) const NO_IMAGE: &str = "docker:rancher/none";

/// Whether the server runs containers for a service.
pub(crate) fn runs_containers(row: &Row) -> bool {
    row.fields.get("launchConfig").is_some_and(|config| {
        config.is_object() && config["imageUuid"].as_str().is_none_or(|image| !image.starts_with(NO_IMAGE))
    })
}

fn ports_of(row: &Row) -> Vec<Port> {
    let ports = row.fields.get("launchConfig").and_then(|config| config["ports"].as_array());
    let ports = ports.into_iter().flatten().filter_map(Value::as_str).filter_map(|text| Port::parse(text).ok());
    let publishes = row.kind.name == crate::schema::LOAD_BALANCER.name;
    ports.map(|port| if publishes { port.published() } else { port }).collect()
}

impl World {
    pub(crate) fn instances_of(&self, service: Id) -> impl Iterator<Item = &Instance> {
        self.instances.values().filter(move |each| each.service == service)
    }

    fn host_labels(&self, host: Id) -> std::collections::BTreeMap<String, String> {
        let labels = self.store.get(host).and_then(|row| row.fields.get("labels")).and_then(Value::as_object);
        let text = |(key, value): (&String, &Value)| (key.clone(), value.as_str().unwrap_or_default().to_owned());
        labels.into_iter().flatten().map(text).collect()
    }

    pub(crate) fn is_connected(&self, host: Id) -> bool {
        self.store.get(host).is_some_and(|row| row.text("agentState") != Some("disconnected"))
    }

    fn active_hosts(&self, project: Id) -> Vec<Id> {
        self.store
            .iter()
            .filter(|row| row.kind.name == HOST.name && row.project == project && row.state == "active")
            .map(|row| row.id)
            .filter(|host| self.is_connected(*host))
            .collect()
    }

    /// Ports on a host that belong to other services, or to other containers of this one.
    fn occupied(&self, host: Id, except: Option<Id>) -> Vec<Port> {
        self.instances
            .values()
            .filter(|each| each.host == host && Some(each.id) != except)
            .flat_map(|each| each.ports.clone())
            .collect()
    }

    /// Brings the containers of a service in line with its scale, labels and ports. As many as fit are placed before
    /// the error. `replace` starts all of them anew.
    pub(crate) fn place(&mut self, service: Id, replace: bool) -> Result<(), String> {
        let Some(row) = self.store.get(service) else { return Ok(()) };
        if !runs_containers(row) {
            return Ok(());
        }
        if let Some(message) = &row.control.placement_failure {
            return Err(message.clone());
        }
        let (project, ports) = (row.project, ports_of(row));
        let scale = usize::try_from(row.fields.get("scale").and_then(Value::as_i64).unwrap_or(1)).unwrap_or(0);
        let constraints = Constraints::of(&row.fields["launchConfig"]);
        if replace {
            self.stop_all(service);
        }
        let outcome =
            self.rebind(service, &ports).and_then(|()| self.fill(service, project, scale, &constraints, &ports));
        self.count_instances(service);
        outcome
    }

    /// Changes ports of running containers in place: they never move for it.
    fn rebind(&mut self, service: Id, ports: &[Port]) -> Result<(), String> {
        let same = |held: &[Port]| {
            held.len() == ports.len() && held.iter().zip(ports).all(|(held, wanted)| held.same_numbers(wanted))
        };
        let running: Vec<Id> =
            self.instances_of(service).filter(|each| !same(&each.ports)).map(|each| each.id).collect();
        for id in running {
            let host = self.instances[&id].host;
            let taken = self.occupied(host, Some(id));
            let blocked = placement::taken(ports, &taken);
            if !blocked.is_empty() {
                return Err(placement::ports_message(blocked));
            }
            if let Some(instance) = self.instances.get_mut(&id) {
                instance.ports = ports.to_vec();
            }
        }
        Ok(())
    }

    fn fill(
        &mut self,
        service: Id,
        project: Id,
        scale: usize,
        constraints: &Constraints,
        ports: &[Port],
    ) -> Result<(), String> {
        let hosts = self.active_hosts(project);
        if hosts.is_empty() {
            return Ok(());
        }
        let mut fitting: Vec<Id> =
            hosts.into_iter().filter(|host| constraints.allow(&self.host_labels(*host))).collect();
        fitting
            .sort_by_key(|host| (constraints.unmet(&self.host_labels(*host)), self.occupied(*host, None).len(), *host));
        let running: Vec<(Id, Id)> = self.instances_of(service).map(|each| (each.id, each.host)).collect();
        if constraints.global {
            fitting.retain(|host| running.iter().all(|(_, on)| on != host));
            for host in fitting {
                let taken = self.occupied(host, None);
                let blocked = placement::taken(ports, &taken);
                if !blocked.is_empty() {
                    return Err(placement::ports_message(blocked));
                }
                self.start_on(service, host, ports);
            }
            return Ok(());
        }
        for (surplus, _) in running.iter().skip(scale) {
            self.instances.remove(surplus);
        }
        for _ in running.len()..scale {
            if fitting.is_empty() {
                return Err("Allocation failed: No healthy hosts meet the resource constraints".to_owned());
            }
            let free =
                fitting.iter().copied().find(|host| placement::taken(ports, &self.occupied(*host, None)).is_empty());
            let Some(host) = free else { return Err(placement::ports_message(ports)) };
            self.start_on(service, host, ports);
            fitting.rotate_left(1);
        }
        Ok(())
    }

    fn start_on(&mut self, service: Id, host: Id, ports: &[Port]) {
        let id = self.store.next_id(INSTANCE);
        let launch_config = self.store.get(service).map_or(Value::Null, |row| row.fields["launchConfig"].clone());
        self.instances.insert(id, Instance { id, service, host, ports: ports.to_vec(), launch_config });
    }

    /// Starts a container on a host, for a move that a test asked for.
    pub(crate) fn start_instance(&mut self, service: Id, host: Id) {
        let Some(row) = self.store.get(service).filter(|row| row.is_alive()) else { return };
        let ports = ports_of(row);
        self.start_on(service, host, &ports);
        self.count_instances(service);
        self.endpoints_later(service);
    }

    pub(crate) fn stop_instance(&mut self, instance: Id) {
        if let Some(stopped) = self.instances.remove(&instance) {
            self.count_instances(stopped.service);
            self.endpoints_later(stopped.service);
        }
    }

    /// Stops all containers whose host can be reached.
    pub(crate) fn stop_all(&mut self, service: Id) {
        let reachable: Vec<Id> =
            self.instances_of(service).filter(|each| self.is_connected(each.host)).map(|each| each.id).collect();
        for id in reachable {
            self.instances.remove(&id);
        }
    }

    fn count_instances(&mut self, service: Id) {
        let ids: Vec<String> = self.instances_of(service).map(|each| each.id.to_string()).collect();
        if let Some(row) = self.store.get_mut(service) {
            row.set("currentScale", json!(ids.len()));
            row.set("instanceIds", json!(ids));
        }
    }

    pub(crate) fn endpoints_later(&mut self, service: Id) {
        self.schedule(self.options.delays.endpoints, Task::Endpoints { service });
    }

    /// Computes the endpoints of a service; only a changed set of addresses and ports is stored and announced.
    pub(crate) fn publish_endpoints(&mut self, service: Id) {
        let Some(row) = self.store.get(service).filter(|row| row.removed.is_none()) else { return };
        let stored = row.fields.get("publicEndpoints").cloned().unwrap_or(Value::Null);
        let client_written = !runs_containers(row) && row.is_alive();
        let endpoints: Vec<Value> = self.instances_of(service).flat_map(|each| self.endpoints_of(each)).collect();
        let pairs = |list: &[Value]| {
            let mut pairs: Vec<_> =
                list.iter().map(|each| (each["ipAddress"].to_string(), each["port"].to_string())).collect();
            pairs.sort();
            pairs
        };
        let unchanged = match stored.as_array() {
            Some(stored) => pairs(stored) == pairs(&endpoints),
            None => endpoints.is_empty(),
        };
        if !unchanged && !client_written {
            self.update_field(service, "publicEndpoints", Value::Array(endpoints));
        }
    }

    /// One endpoint for each published port, repeated for each address record of the host.
    fn endpoints_of(&self, instance: &Instance) -> Vec<Value> {
        let host = self.store.get(instance.host);
        let host_address = host.and_then(|row| row.text("agentIpAddress")).unwrap_or_default();
        let records = host.and_then(|row| row.fields.get("addressRecords")).and_then(Value::as_u64).unwrap_or(1);
        let mut endpoints = Vec::new();
        for port in &instance.ports {
            let Some(public) = port.public else { continue };
            let address = match port.ip.as_str() {
                "" | "0.0.0.0" if self.options.unspecified_addresses => "0.0.0.0",
                "" | "0.0.0.0" => host_address,
                bound => bound,
            };
            for _ in 0..records.max(1) {
                endpoints.push(json!({
                    "type": "publicEndpoint", "hostId": instance.host.to_string(), "instanceId": instance.id.to_string(),
                    "ipAddress": address, "port": public, "serviceId": instance.service.to_string(),
                }));
            }
        }
        endpoints
    }

    pub(crate) fn turn_healthy(&mut self, service: Id) {
        let none_wanted =
            self.store.get(service).is_some_and(|row| row.fields.get("scale").and_then(Value::as_i64) == Some(0));
        let running = self.instances_of(service).next().is_some();
        let Some(row) = self.store.get(service) else { return };
        if matches!(row.state.as_str(), "active" | "updating-active")
            && (running || none_wanted || !runs_containers(row))
        {
            self.update_field(service, "healthState", json!("healthy"));
        }
    }

    /// Fields of a host that follow from its containers.
    pub(crate) fn host_facts(&self, host: Id) -> Map<String, Value> {
        let here =
            || self.instances.values().filter(move |each| each.host == host && each.service.prefix == SERVICE.prefix);
        let endpoints: Vec<Value> = here().flat_map(|each| self.endpoints_of(each)).collect();
        Map::from_iter([
            ("publicEndpoints".to_owned(), json!(endpoints)),
            ("instanceIds".to_owned(), json!(here().map(|each| each.id.to_string()).collect::<Vec<_>>())),
        ])
    }
}
