//! What Rancher's API answers, as far as it is looked at. Every key may be missing or `null`, and one that is of another
//! kind than it should be counts as missing: an odd service of somebody else must not hide ours.

use std::{collections::BTreeMap, net::IpAddr};

use lb_provider::{Address, Readiness};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::mark::{self, Mark};

/// Whatever cannot be read is the default.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Collection<T> {
    pub(crate) data: Vec<T>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) pagination: Pagination,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Pagination {
    pub(crate) next: Option<String>,
}

/// A load balancer service.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoadBalancerService {
    pub(crate) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) state: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) transitioning: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) transitioning_message: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) stack_id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) external_id: Option<String>,
    #[serde(default, rename = "createdTS", deserialize_with = "lenient")]
    pub(crate) created: i64,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) scale: Option<u32>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) launch_config: Map<String, Value>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) lb_config: LbConfig,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) metadata: Map<String, Value>,
    #[serde(default, deserialize_with = "lenient")]
    public_endpoints: Vec<PublicEndpoint>,
    #[serde(default, deserialize_with = "lenient")]
    fqdn: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct PublicEndpoint {
    #[serde(default, rename = "ipAddress", deserialize_with = "lenient")]
    ip_address: String,
}

/// The rules of a load balancer, each as it is stored: what we do not know of counts as a difference.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LbConfig {
    #[serde(deserialize_with = "lenient")]
    pub(crate) config: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) default_certificate_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) certificate_ids: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) port_rules: Vec<BTreeMap<String, Value>>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) stickiness_policy: Option<BTreeMap<String, Value>>,
}

impl LoadBalancerService {
    /// What we wrote into it about ourselves, if we did.
    pub(crate) fn mark(&self) -> Option<Mark> {
        Mark::read(&self.metadata)
    }

    /// Whether this controller made or adopted it: nothing else is ever written to or removed.
    pub(crate) fn belongs_to(&self, controller: &str) -> bool {
        self.made_for(controller).is_some()
            || (self.is_originals() && self.mark().is_some_and(|mark| mark.controller == controller))
    }

    /// The UID that it was made for by this controller.
    pub(crate) fn made_for(&self, controller: &str) -> Option<&str> {
        mark::suffix(controller, self.external_id.as_deref()?)
    }

    /// Whether the original controller made it.
    pub(crate) fn is_originals(&self) -> bool {
        let made = self.external_id.as_deref().and_then(|id| id.strip_prefix(ORIGINAL));
        made.is_some_and(|name| name.eq_ignore_ascii_case(&self.name))
    }

    /// It goes away, or is gone.
    pub(crate) fn is_leaving(&self) -> bool {
        matches!(&*self.state, "removing" | "removed")
    }

    pub(crate) fn image(&self) -> &str {
        self.launch_config.get("imageUuid").and_then(Value::as_str).unwrap_or_default()
    }

    /// The published ports as they are stored.
    pub(crate) fn ports(&self) -> Vec<String> {
        let ports = self.launch_config.get("ports").and_then(Value::as_array);
        ports.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The certificates that it uses.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &str> {
        self.lb_config.default_certificate_id.iter().chain(&self.lb_config.certificate_ids).map(String::as_str)
    }

    /// Where clients reach it: each address once, in order, and none that leads nowhere.
    pub(crate) fn addresses(&self, publish_fqdn: bool) -> Vec<Address> {
        let parsed = self.public_endpoints.iter().filter_map(|endpoint| endpoint.ip_address.trim().parse().ok());
        let mut addresses: Vec<IpAddr> = parsed.filter(|address: &IpAddr| !address.is_unspecified()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let name = self.fqdn.as_deref().map(|name| name.trim().trim_end_matches('.')).filter(|name| !name.is_empty());
        let addresses = addresses.into_iter().map(|address| Address::Ip(address.to_string()));
        addresses.chain(name.filter(|_| publish_fqdn).map(|name| Address::Hostname(name.to_owned()))).collect()
    }

    /// Whether it serves, and what it waits for.
    pub(crate) fn readiness(&self) -> Readiness {
        let waiting = |what: &str| {
            let message = self.transitioning_message.as_deref().filter(|_| self.transitioning != "no");
            let message = message.filter(|message| *message != "In Progress").map(|message| format!(": {message}"));
            Readiness::Pending(format!("the load balancer {} {what}{}", self.name, message.unwrap_or_default()))
        };
        match &*self.state {
            "active" if self.addresses(false).is_empty() => waiting("is active, but no host publishes its ports yet"),
            "active" => Readiness::Ready,
            "upgraded" => waiting("is upgraded in Rancher, and waits to be finished or rolled back"),
            "canceled-upgrade" => waiting("has a cancelled upgrade in Rancher, to be continued or rolled back"),
            state => waiting(&format!("is {state} in Rancher")),
        }
    }
}

/// What the external ids of the original controller begin with. The name follows.
pub(crate) const ORIGINAL: &str = "kubernetes-ingress-lbs://";

/// A certificate, without its key, which Rancher never shows.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Certificate {
    pub(crate) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) state: String,
    /// Ours is an external id: see `mark`.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) description: String,
    #[serde(default, rename = "createdTS", deserialize_with = "lenient")]
    pub(crate) created: i64,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) cert: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) cert_chain: String,
}

/// A stack.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stack {
    pub(crate) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) state: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) external_id: String,
}

/// What Rancher makes of a Kubernetes Service.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KubernetesService {
    pub(crate) id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) state: String,
    /// The UID of the Kubernetes Service.
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) external_id: String,
}

/// A setting of the server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Setting {
    #[serde(deserialize_with = "lenient")]
    pub(crate) name: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) active_value: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) value: Option<String>,
}

/// What may be done with a type.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Schema {
    #[serde(deserialize_with = "lenient")]
    pub(crate) id: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) collection_methods: Vec<String>,
}

/// What Rancher says of a request that it refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Refusal {
    #[serde(deserialize_with = "lenient")]
    pub(crate) code: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) field_name: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) message: Option<String>,
}

#[cfg(test)]
mod tests;
