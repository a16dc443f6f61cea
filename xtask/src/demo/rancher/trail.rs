//! The states that load balancers were seen in.

use std::collections::BTreeMap;

use super::double::LoadBalancer;

/// By the name of the load balancer, one state after another.
#[derive(Default)]
pub(crate) struct Trail(BTreeMap<String, Vec<String>>);

impl Trail {
    pub(crate) fn note(&mut self, balancer: &LoadBalancer) {
        let states = self.0.entry(balancer.name.clone()).or_default();
        if states.last() != Some(&balancer.state) {
            states.push(balancer.state.clone());
        }
    }

    /// `registering -> activating -> active`
    pub(crate) fn of(&self, name: &str) -> String {
        self.0.get(name).map_or_else(String::new, |states| states.join(" -> "))
    }
}
