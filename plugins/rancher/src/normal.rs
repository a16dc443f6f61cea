//! The form in which what is wanted and what is stored are compared: exact, case and all, and the same whatever Rancher
//! made of the spelling.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{
    labels,
    mark::Mark,
    model::{LbConfig, LoadBalancerService},
    plan::{Plan, Rule},
    ports::Port,
};

/// A load balancer's configuration. Equal forms serve the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Normal {
    /// `None`: whatever it is, is right.
    pub(crate) scale: Option<u32>,
    pub(crate) ports: BTreeSet<Port>,
    /// A port that Rancher should not have taken: nothing wanted is equal to it.
    odd_ports: bool,
    /// Those that are ours.
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) balancing: Balancing,
}

/// What `lbConfig` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Balancing {
    config: String,
    default_certificate: Option<String>,
    certificates: BTreeSet<String>,
    /// Ordered by priority: that is the order in which they match, wherever they stand.
    rules: Vec<BTreeMap<String, Value>>,
    stickiness: Option<BTreeMap<String, Value>>,
}

impl Normal {
    /// What is wanted, with Rancher's ids of the services by UID and of the certificates by digest. Rules whose service
    /// or certificate is not there are left out.
    pub(crate) fn wanted(
        plan: &Plan,
        services: &BTreeMap<String, String>,
        certificates: &BTreeMap<&str, String>,
        scale: Option<u32>,
    ) -> Self {
        let served = |rule: &&Rule| rule.certificate.is_none_or(|id| certificates.contains_key(id));
        let rules = plan.rules.iter().filter(served);
        let rules = rules.filter_map(|rule| Some((rule, services.get(rule.service)?)));
        let rules = rules.zip(1_u32..).map(|((rule, service), priority)| spelled(rule, service, priority)).collect();
        let default = plan.default_certificate.and_then(|id| certificates.get(id));
        let default = default.or_else(|| certificates.values().next()).cloned();
        let others = certificates.values().filter(|id| Some(*id) != default.as_ref()).cloned().collect();
        Self {
            scale: scale.filter(|_| !plan.is_global()),
            ports: plan.ports.clone(),
            odd_ports: false,
            labels: plan.labels.clone(),
            balancing: Balancing {
                config: plan.config.clone(),
                default_certificate: default,
                certificates: others,
                rules,
                stickiness: plan.stickiness.clone(),
            },
        }
    }

    /// What is stored. `with_scale`: whether the scale is ours to say. `wanted`: labels that are ours from now on.
    pub(crate) fn stored(
        service: &LoadBalancerService,
        mark: Option<&Mark>,
        with_scale: bool,
        wanted: &BTreeSet<&str>,
    ) -> Self {
        let ports = service.ports();
        let parsed: Vec<_> = ports.iter().map(|text| Port::parse(text)).collect();
        let labels = labels::stored(&service.launch_config);
        Self {
            scale: service.scale.filter(|_| with_scale && !labels::is_global(&labels)),
            odd_ports: parsed.contains(&None),
            ports: parsed.into_iter().flatten().collect(),
            labels: labels::ours(&labels, mark.map(|mark| &*mark.labels), wanted),
            balancing: Balancing::of(&service.lb_config),
        }
    }

    /// As it is stored, seen with the eyes of the mark that it carries: equal to the mark's digest, or it was changed.
    pub(crate) fn marked(service: &LoadBalancerService, mark: &Mark) -> Self {
        Self::stored(service, Some(mark), mark.scale.is_some(), &BTreeSet::new())
    }

    /// Whether it publishes what `wanted` does, and nothing else.
    pub(crate) fn has_ports_of(&self, wanted: &Self) -> bool {
        self.ports == wanted.ports && !self.odd_ports
    }

    /// The labels that decide where containers are placed.
    pub(crate) fn placing(&self) -> BTreeMap<&str, &str> {
        let labels = self.labels.iter().filter(|(label, _)| labels::places(label));
        labels.map(|(label, value)| (&**label, &**value)).collect()
    }

    /// Equal for equal forms.
    pub(crate) fn digest(&self) -> String {
        let json = serde_json::to_vec(self).expect("the form holds strings and numbers only");
        hex::encode(&Sha256::digest(json)[..16])
    }
}

impl Balancing {
    fn of(stored: &LbConfig) -> Self {
        let default_certificate = stored.default_certificate_id.clone();
        let certificates = stored.certificate_ids.iter().filter(|id| Some(*id) != default_certificate.as_ref());
        let mut rules: Vec<_> = stored.port_rules.iter().map(normal_rule).collect();
        rules.sort_by_cached_key(|rule| {
            let priority = rule.get("priority").and_then(Value::as_u64).unwrap_or(u64::MAX);
            (priority, serde_json::to_string(rule).unwrap_or_default())
        });
        Self {
            config: stored.config.clone().unwrap_or_default(),
            certificates: certificates.cloned().collect(),
            default_certificate,
            rules,
            stickiness: stored.stickiness_policy.as_ref().map(normal_stickiness),
        }
    }

    /// As it is written. Rancher replaces the whole, so that all of it is said.
    pub(crate) fn lb_config(&self) -> Value {
        let mut body = json!({
            "config": self.config,
            "certificateIds": self.certificates,
            "portRules": self.rules,
        });
        if let Some(default) = &self.default_certificate {
            body["defaultCertificateId"] = json!(default);
        }
        if let Some(stickiness) = &self.stickiness {
            body["stickinessPolicy"] = json!(stickiness);
        }
        body
    }

    /// The certificates, the default one among them.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &String> {
        self.default_certificate.iter().chain(&self.certificates)
    }
}

fn spelled(rule: &Rule, service: &str, priority: u32) -> BTreeMap<String, Value> {
    let always = [
        ("sourcePort", json!(rule.source_port)),
        ("protocol", json!(rule.protocol)),
        ("targetPort", json!(rule.target_port)),
        ("serviceId", json!(service)),
        ("priority", json!(priority)),
    ];
    let some = [("hostname", rule.hostname.as_ref()), ("path", rule.path.as_ref())];
    let some = some.into_iter().filter_map(|(key, value)| Some((key, json!(value?))));
    always.into_iter().chain(some).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Without what means nothing: nulls, types, empty hosts and paths.
fn normal_rule(rule: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let means_nothing = |key: &str, value: &Value| {
        key == "type" || value.is_null() || (value.as_str() == Some("") && matches!(key, "hostname" | "path"))
    };
    let mut rule: BTreeMap<_, _> = rule
        .iter()
        .filter(|(key, value)| !means_nothing(key, value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    rule.entry("protocol".to_owned()).or_insert_with(|| json!("http"));
    rule
}

/// With every default in its place.
fn normal_stickiness(policy: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut policy: BTreeMap<_, _> = policy
        .iter()
        .filter(|(key, value)| *key != "type" && !value.is_null())
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    for flag in ["indirect", "nocache", "postonly"] {
        policy.entry(flag.to_owned()).or_insert(Value::Bool(false));
    }
    policy.entry("mode".to_owned()).or_insert_with(|| json!("insert"));
    policy
}

#[cfg(test)]
mod tests;
