//! What belongs to others, and has to stay as it is.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Rancher, STACK_EXTERNAL_ID};
use crate::{World, certificates::self_signed, eventually};

/// How the external ids of another cluster's controllers begin.
pub(super) const OTHER_CLUSTER: &str = "lb-controller://other-cluster/";

/// The fields that their owners decide.
const OWN: [&str; 8] =
    ["name", "externalId", "description", "scale", "launchConfig", "lbConfig", "metadata", "stackId"];

/// Services, load balancers and certificates that are none of the controller's, as they were at first.
#[derive(Debug, Default)]
pub struct Strangers(BTreeMap<String, Value>);

impl Strangers {
    /// Puts one of each kind into the project, most of them into our own stack and with names close to ours:
    /// a user's service and load balancer, load balancers of other controllers for an Ingress of the same name, one of
    /// the original for an Ingress that nobody has, certificates.
    pub async fn arrive(rancher: &Rancher, world: &World) -> Result<Self> {
        let stack = rancher.stack();
        let namespace = &world.namespace;
        let container = json!({"imageUuid": "docker:nginx"});
        let balancer = |name: &str, external_id: Value, metadata: Value| {
            json!({
                "name": name, "stackId": stack, "externalId": external_id, "metadata": metadata, "lbConfig": {},
                "launchConfig": {"imageUuid": "docker:rancher/none"}, "scale": 1, "startOnCreate": true,
            })
        };
        let mark = |controller: &str| {
            json!({"lb-controller": {
                "version": 1, "controller": controller, "loadBalancer": format!("{namespace}/web"), "ownerUid": "other",
            }})
        };
        let mut ids = vec![
            rancher.stranger("service", &json!({"name": "users-own", "stackId": stack, "launchConfig": container}))?,
            rancher.stranger("loadBalancerService", &balancer("users-balancer", Value::Null, Value::Null))?,
        ];
        let others = [
            ("other-cluster", "lb-controller://other-cluster/lb/0001", mark("other-cluster/lb")),
            ("other-class", "lb-controller://other-cluster/lb-2/0002", mark("other-cluster/lb-2")),
        ];
        for (name, external_id, metadata) in others {
            ids.push(rancher.stranger("loadBalancerService", &balancer(name, json!(external_id), metadata))?);
        }
        // Of an Ingress that the original still serves, in another class, and of one that is long gone.
        for name in [format!("{namespace}-rancherlb-of-the-original"), format!("{namespace}-gone")] {
            let name = &name[name.len().saturating_sub(60)..].trim_start_matches('-').to_owned();
            let external_id = json!(format!("{STACK_EXTERNAL_ID}{name}"));
            ids.push(rancher.stranger("loadBalancerService", &balancer(name, external_id, Value::Null))?);
        }
        let certificate = self_signed(&["stranger.test"])?;
        for name in ["users-certificate", "lb-controller/other-cluster/lb/default/web"] {
            let body = json!({"name": name, "cert": certificate.chain, "key": certificate.key});
            let made = rancher.user("POST", "/certificates", &body)?;
            ids.push(made["id"].as_str().unwrap_or_default().to_owned());
        }
        eventually("the strangers settle", async || {
            for id in &ids {
                let row = rancher.row(id).unwrap_or_default();
                ensure!(row["state"] == "active" || row["state"] == "inactive", "{id} is {}", row["state"]);
            }
            Ok(())
        })
        .await?;
        Ok(Self(ids.into_iter().map(|id| (id.clone(), own(rancher, &id))).collect()))
    }

    /// An error if one of them was changed or removed, or if any request tried to.
    pub fn untouched(&self, rancher: &Rancher) -> Result<()> {
        let written = rancher.asked().written_ids();
        for (id, before) in &self.0 {
            let now = own(rancher, id);
            ensure!(now == *before, "the stranger {id} was\n{before:#}\nand is\n{now:#}");
            ensure!(!written.contains(id), "somebody wrote to the stranger {id}: {:?}", rancher.asked().writes());
        }
        Ok(())
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn own(rancher: &Rancher, id: &str) -> Value {
    let row = rancher.row(id).unwrap_or_default();
    let mut own: serde_json::Map<_, _> = OWN.iter().map(|field| ((*field).to_owned(), row[*field].clone())).collect();
    own.insert("removed".to_owned(), row["removed"].clone());
    own.into()
}
