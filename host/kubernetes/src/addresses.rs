//! Public addresses: as a provider reports them, as a status holds them, as a Service has them.

use std::{net::IpAddr, sync::Arc, time::Duration};

use k8s_openapi::api::{core::v1::Service, networking::v1::Ingress};
use lb_model::types::Address;
use serde_json::{Value, json};
use tokio::time::Instant;

/// How long a load balancer that had addresses may report none before that is believed.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

/// Orders addresses and drops duplicates, so that equal sets are equal lists.
pub(crate) fn normalise(mut addresses: Vec<Address>) -> Vec<Address> {
    fn order(address: &Address) -> (u8, &str) {
        match address {
            Address::Ip(ip) => (0, ip),
            Address::Hostname(name) => (1, name),
        }
    }
    addresses.sort_by(|a, b| order(a).cmp(&order(b)));
    addresses.dedup();
    addresses
}

/// The addresses in the status of an Ingress.
pub(crate) fn of_ingress(ingress: &Ingress) -> Vec<Address> {
    let status = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let entries = status.and_then(|status| status.ingress.as_deref()).unwrap_or_default();
    normalise(entries.iter().filter_map(|entry| address(entry.ip.as_deref(), entry.hostname.as_deref())).collect())
}

/// The addresses by which a Service is reached from outside, or within the cluster if there are no others.
pub(crate) fn of_service(service: &Service) -> Vec<Address> {
    let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let entries = status.and_then(|status| status.ingress.as_deref()).unwrap_or_default();
    let external: Vec<_> =
        entries.iter().filter_map(|entry| address(entry.ip.as_deref(), entry.hostname.as_deref())).collect();
    if !external.is_empty() {
        return normalise(external);
    }
    let Some(spec) = &service.spec else { return Vec::new() };
    if let Some(name) = spec.external_name.as_deref().filter(|_| spec.type_.as_deref() == Some("ExternalName")) {
        return vec![Address::Hostname(name.to_owned())];
    }
    let ips = |ips: &Option<Vec<String>>| {
        let ips = ips.iter().flatten().filter(|ip| ip.parse::<IpAddr>().is_ok());
        normalise(ips.map(|ip| Address::Ip(ip.clone())).collect())
    };
    let external = ips(&spec.external_ips);
    // The cluster IP of a headless Service is `None`, which is no address.
    if external.is_empty() { ips(&spec.cluster_ips) } else { external }
}

fn address(ip: Option<&str>, hostname: Option<&str>) -> Option<Address> {
    let ip = ip.filter(|ip| !ip.is_empty()).map(|ip| Address::Ip(ip.to_owned()));
    ip.or_else(|| hostname.filter(|name| !name.is_empty()).map(|name| Address::Hostname(name.to_owned())))
}

/// `status.loadBalancer` with these addresses.
pub(crate) fn to_status(addresses: &[Address]) -> Value {
    let entries: Vec<_> = addresses
        .iter()
        .map(|address| match address {
            Address::Ip(ip) => json!({ "ip": ip }),
            Address::Hostname(name) => json!({ "hostname": name }),
        })
        .collect();
    // A merge patch removes what is null.
    json!({ "loadBalancer": { "ingress": if entries.is_empty() { Value::Null } else { Value::Array(entries) } } })
}

/// Addresses for the log.
pub(crate) fn shown(addresses: &[Address]) -> String {
    let texts: Vec<_> = addresses
        .iter()
        .map(|address| match address {
            Address::Ip(text) | Address::Hostname(text) => text.as_str(),
        })
        .collect();
    texts.join(", ")
}

/// The addresses of a load balancer; an empty list is believed only when it stays.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    current: Arc<[Address]>,
    /// Since when none have been reported although there were some.
    missing_since: Option<Instant>,
}

impl Addresses {
    /// What is reported now. Whether anything changed.
    pub(crate) fn report(&mut self, addresses: Vec<Address>, now: Instant) -> bool {
        let addresses = normalise(addresses);
        if addresses.is_empty() {
            if !self.current.is_empty() && self.missing_since.is_none() {
                self.missing_since = Some(now);
                return true;
            }
            return false;
        }
        self.missing_since = None;
        let changed = *self.current != *addresses;
        if changed {
            self.current = addresses.into();
        }
        changed
    }

    /// What to believe: `None` if no address was ever reported.
    pub(crate) fn believed(&self, now: Instant) -> Option<Arc<[Address]>> {
        match self.missing_since {
            Some(since) if now >= since + GRACE => Some(Arc::default()),
            _ => Some(&self.current).filter(|current| !current.is_empty()).cloned(),
        }
    }

    /// When the belief will change by itself.
    pub(crate) fn grace_ends(&self) -> Option<Instant> {
        self.missing_since.map(|since| since + GRACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Address {
        Address::Ip(text.to_owned())
    }

    fn service(value: Value) -> Vec<Address> {
        of_service(&serde_json::from_value(value).unwrap())
    }

    #[test]
    fn addresses_are_ordered_and_told_once() {
        let name = Address::Hostname("a.example".to_owned());
        let addresses = vec![name.clone(), ip("10.0.0.2"), ip("10.0.0.1"), ip("10.0.0.2")];
        assert_eq!(normalise(addresses), [ip("10.0.0.1"), ip("10.0.0.2"), name]);
    }

    #[test]
    fn a_status_is_read_back_as_it_was_written() {
        let addresses = vec![ip("10.0.0.1"), Address::Hostname("a.example".to_owned())];
        let ingress = serde_json::from_value(json!({ "metadata": {}, "status": to_status(&addresses) })).unwrap();
        assert_eq!(of_ingress(&ingress), addresses);
    }

    #[test]
    fn an_empty_status_removes_the_list() {
        assert_eq!(to_status(&[]), json!({ "loadBalancer": { "ingress": null } }));
    }

    #[test]
    fn a_service_tells_its_most_public_addresses() {
        let spec = json!({ "clusterIPs": ["10.96.0.1", "fd00::1"], "externalIPs": ["192.0.2.1"] });
        let status = json!({ "loadBalancer": { "ingress": [{ "hostname": "lb.example" }, { "ip": "192.0.2.9" }] } });
        assert_eq!(
            service(json!({ "spec": spec, "status": status })),
            [ip("192.0.2.9"), Address::Hostname("lb.example".to_owned())]
        );
        assert_eq!(service(json!({ "spec": spec })), [ip("192.0.2.1")]);
        assert_eq!(
            service(json!({ "spec": { "clusterIPs": ["fd00::1", "10.96.0.1"] } })),
            [ip("10.96.0.1"), ip("fd00::1")]
        );
        assert_eq!(service(json!({ "spec": { "clusterIPs": ["None"] } })), []);
        assert_eq!(
            service(json!({ "spec": { "type": "ExternalName", "externalName": "x.example" } })),
            [Address::Hostname("x.example".to_owned())]
        );
    }

    #[test]
    fn a_missing_address_is_believed_after_the_grace() {
        let now = Instant::now();
        let mut addresses = Addresses::default();
        assert!(!addresses.report(vec![], now));
        let one: Arc<[_]> = [ip("192.0.2.1")].into();
        assert_eq!(addresses.believed(now), None);
        assert!(addresses.report(vec![ip("192.0.2.1")], now));
        assert!(addresses.report(vec![], now));
        assert!(!addresses.report(vec![], now + GRACE / 2), "the grace does not begin anew");
        assert_eq!(addresses.believed(now + GRACE / 2), Some(one.clone()));
        assert_eq!(addresses.believed(now + GRACE), Some(Arc::default()));
        assert!(!addresses.report(vec![ip("192.0.2.1")], now + GRACE / 2));
        assert_eq!(addresses.believed(now + GRACE), Some(one.clone()));
    }
}
