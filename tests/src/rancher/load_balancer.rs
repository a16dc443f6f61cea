//! Load balancer services as Rancher holds them, in words.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Rancher, strangers::OTHER_CLUSTER};
use crate::World;

/// A load balancer service, as it was when it was looked at.
#[derive(Clone)]
pub struct LoadBalancer {
    /// All that is stored.
    pub row: Value,
    /// What it serves: `http://shop.test:80/cart -> shop:8080`, in match order.
    pub rules: Vec<String>,
}

impl fmt::Debug for LoadBalancer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, name, state, owner) = (self.id(), self.name(), self.state(), self.external_id());
        write!(formatter, "{id} {name}, {state}, of {owner}, serves {:?}", self.rules)
    }
}

impl LoadBalancer {
    /// Its id.
    pub fn id(&self) -> &str {
        self.text("id")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// Its state.
    pub fn state(&self) -> &str {
        self.text("state")
    }

    /// Whose it is.
    pub fn external_id(&self) -> &str {
        self.text("externalId")
    }

    /// How many instances were asked for.
    pub fn scale(&self) -> Option<u64> {
        self.row["scale"].as_u64()
    }

    /// The ports that are open to clients, in order.
    pub fn ports(&self) -> BTreeSet<u16> {
        let ports = self.row["launchConfig"]["ports"].as_array().into_iter().flatten().filter_map(Value::as_str);
        ports.filter_map(|port| port.split([':', '/']).next()?.parse().ok()).collect()
    }

    /// The labels of its containers.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let labels = self.row["launchConfig"]["labels"].as_object().into_iter().flatten();
        labels.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    }

    /// The image of its containers.
    pub fn image(&self) -> &str {
        self.row["launchConfig"]["imageUuid"].as_str().unwrap_or_default()
    }

    /// The ids of its certificates, the default one first.
    pub fn certificates(&self) -> Vec<String> {
        let configuration = &self.row["lbConfig"];
        let others = configuration["certificateIds"].as_array().into_iter().flatten();
        let all = std::iter::once(&configuration["defaultCertificateId"]).chain(others);
        all.filter_map(|id| Some(id.as_str()?.to_owned())).collect()
    }

    /// The addresses at which it is reached, without repetition.
    pub fn addresses(&self) -> BTreeSet<String> {
        let endpoints = self.row["publicEndpoints"].as_array().into_iter().flatten();
        endpoints.filter_map(|endpoint| Some(endpoint["ipAddress"].as_str()?.to_owned())).collect()
    }

    /// The Ingress that it was made for, `<namespace>/<name>`; empty for a stranger's.
    pub fn ingress(&self) -> &str {
        self.row["metadata"]["lb-controller"]["loadBalancer"].as_str().unwrap_or_default()
    }

    /// Whether clients are served by it.
    pub fn is_active(&self) -> bool {
        self.state() == "active"
    }

    /// Whether it goes away.
    pub fn is_leaving(&self) -> bool {
        self.state() == "removing"
    }

    fn text(&self, field: &str) -> &str {
        self.row[field].as_str().unwrap_or_default()
    }
}

impl Rancher {
    /// Every load balancer that is not removed, but for the bell.
    pub fn balancers(&self) -> Vec<LoadBalancer> {
        let rows = self.load_balancers().into_iter().filter(|row| row["id"] != *self.bell);
        rows.map(|row| self.load_balancer(row)).collect()
    }

    /// The load balancers that say that they are for an Ingress of this cluster, those that go away too.
    pub fn balancers_of(&self, world: &World, ingress: &str) -> Vec<LoadBalancer> {
        let name = format!("{}/{ingress}", world.namespace);
        let is_its = |it: &LoadBalancer| it.ingress() == name && !it.external_id().starts_with(OTHER_CLUSTER);
        self.balancers().into_iter().filter(is_its).collect()
    }

    /// The one load balancer of an Ingress; none, or more than one, is an error.
    pub fn balancer(&self, world: &World, ingress: &str) -> Result<LoadBalancer> {
        let mut all = self.balancers_of(world, ingress);
        match all.len() {
            0 => bail!("{ingress} has no load balancer"),
            1 => all.pop().context("there is one"),
            _ => bail!("{ingress} has {} load balancers: {all:?}", all.len()),
        }
    }

    /// A load balancer by its id, removed or not.
    pub fn balancer_with(&self, id: &str) -> Result<LoadBalancer> {
        let row = self.row(id).with_context(|| format!("there is no {id}"))?;
        Ok(self.load_balancer(row))
    }

    fn load_balancer(&self, row: Value) -> LoadBalancer {
        let stored = row["lbConfig"]["portRules"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut rules: Vec<_> = stored.iter().collect();
        rules.sort_by_key(|rule| rule["priority"].as_u64().unwrap_or(u64::MAX));
        let rules = rules.into_iter().map(|rule| self.rule(rule)).collect();
        LoadBalancer { row, rules }
    }

    fn rule(&self, rule: &Value) -> String {
        let text = |field: &str| rule[field].as_str().filter(|text| !text.is_empty());
        let service = text("serviceId").unwrap_or_default();
        let name = self.row(service).and_then(|row| Some(row["name"].as_str()?.to_owned()));
        format!(
            "{}://{}:{}{} -> {}:{}",
            text("protocol").unwrap_or("http"),
            text("hostname").unwrap_or("*"),
            rule["sourcePort"],
            text("path").unwrap_or("/"),
            name.as_deref().unwrap_or(service),
            rule["targetPort"]
        )
    }
}
