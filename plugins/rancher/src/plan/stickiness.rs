//! Affinity by cookie: Rancher has one policy for a whole load balancer.

use std::collections::BTreeMap;

use lb_provider::{CookieAffinity, CookieMode, HostService, Policy, Rejection, VirtualHost};
use serde_json::{Value, json};

/// The cookie's name where the Ingress leaves it open.
const COOKIE: &str = "LBSERVER";

/// The policy of the first route that has one. A route that wants another is told.
pub(super) fn policy(hosts: &[VirtualHost], rejections: &mut Vec<Rejection>) -> Option<BTreeMap<String, Value>> {
    let mut chosen: Option<&CookieAffinity> = None;
    let routes = hosts.iter().filter_map(|host| match &host.service {
        HostService::Routes(routes) => Some(routes),
        HostService::Passthrough(_) => None,
    });
    for route in routes.flatten() {
        let wanted = route.policies.iter().find_map(|policy| match policy {
            Policy::CookieAffinity(affinity) => Some(affinity),
            _ => None,
        });
        match (chosen, wanted) {
            (None, wanted) => chosen = wanted,
            (Some(chosen), Some(wanted)) if chosen != wanted => {
                let message = "Rancher has one affinity policy for a load balancer; this one is left out".to_owned();
                let rejection = Rejection { object: route.source.clone(), field: String::new(), message };
                if !rejections.contains(&rejection) {
                    rejections.push(rejection);
                }
            }
            _ => {}
        }
    }
    chosen.map(spelled)
}

/// The keys that are not set are left out: Rancher refuses a `null`.
fn spelled(affinity: &CookieAffinity) -> BTreeMap<String, Value> {
    let mode = match affinity.mode {
        CookieMode::Insert => "insert",
        CookieMode::Rewrite => "rewrite",
        CookieMode::Prefix => "prefix",
    };
    let cookie = affinity.cookie.as_deref().unwrap_or(COOKIE);
    let named = [("name", affinity.name.as_deref()), ("domain", affinity.domain.as_deref())];
    let named = named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value?))));
    let always = [
        ("cookie", json!(cookie)),
        ("mode", json!(mode)),
        ("indirect", json!(affinity.indirect)),
        ("nocache", json!(affinity.no_cache)),
        ("postonly", json!(affinity.post_only)),
    ];
    always.map(|(key, value)| (key.to_owned(), value)).into_iter().chain(named).collect()
}
