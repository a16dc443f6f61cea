//! A load balancer in the same stack that is none of ours.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::double::Double;
use crate::{demo::eventually, terminal::Step};

/// The provider's stack, unless its settings name another.
const STACK: &str = "kubernetes-ingress-lbs";
const NAME: &str = "website";

/// What somebody made by hand, and never wants touched.
pub(crate) struct Stranger {
    pub(crate) id: String,
    pub(crate) name: String,
    /// How it was when nothing else was there.
    before: Value,
}

impl Stranger {
    /// Makes the stack, as the original controller did, and the load balancer in it.
    pub(crate) fn make(double: &Double, step: &mut Step) -> Result<Self> {
        let stack = json!({"name": STACK, "externalId": format!("{STACK}://"), "startOnCreate": true});
        let stack = double.api("POST", "/stacks", &stack)?;
        let balancer = json!({
            "name": NAME, "stackId": stack["id"], "startOnCreate": true, "scale": 1,
            "launchConfig": {"imageUuid": "docker:rancher/lb-service-haproxy:v0.9.14", "ports": ["8080:8080"]},
            "lbConfig": {"portRules": []},
        });
        let made = double.api("POST", "/loadbalancerservices", &balancer)?;
        let id = made["id"].as_str().context("a load balancer has an id")?.to_owned();
        let before = eventually("the stranger's load balancer is active", || {
            step.tick();
            let row = Self::row(double, &id)?;
            ensure!(row["state"] == "active" && row["healthState"] == "healthy", "it is {}", row["state"]);
            ensure!(row["publicEndpoints"].as_array().is_some_and(|endpoints| !endpoints.is_empty()), "no endpoint");
            Ok(row)
        })?;
        Ok(Self { id, name: format!("{STACK}/{NAME}"), before })
    }

    /// It is as it was.
    pub(crate) fn check_untouched(&self, double: &Double) -> Result<()> {
        let now = Self::row(double, &self.id)?;
        ensure!(
            now == self.before,
            "the stranger's load balancer was touched; it was {:#}\nand is {now:#}",
            self.before
        );
        let writes = double.asked(0)?.writes;
        let count = writes.iter().filter(|write| write.split_whitespace().any(|word| word == self.id)).count();
        ensure!(count == 1, "the stranger's load balancer was written to {} times", count - 1);
        Ok(())
    }

    fn row(double: &Double, id: &str) -> Result<Value> {
        double.api("GET", &format!("/loadbalancerservices/{id}"), &Value::Null)
    }
}
