use lb_provider::{BackendDetail, ChangeKind, Descriptor, Feature, Placement, Scope, WantedGrant, settings_schema};

use crate::{api::GRANT, settings::Settings};

/// Seconds between two looks at everything: the net under the subscription.
const OBSERVE_INTERVAL: u32 = 45;

/// What this provider is. A feature stands here only if Rancher honours it.
pub(crate) fn descriptor() -> Descriptor {
    let grant = |capability: &str, name: &str, reason: &str| WantedGrant {
        capability: capability.to_owned(),
        name: name.to_owned(),
        reason: reason.to_owned(),
    };
    Descriptor {
        name: "rancher".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scope: Scope::PerObject,
        placement: Placement::Leader,
        change_sets: ChangeKind::Complete,
        backend_detail: BackendDetail::Ports,
        features: vec![
            Feature::Https,
            Feature::TlsPassthrough,
            Feature::Tcp,
            Feature::Udp,
            Feature::PathPrefix,
            Feature::HostWildcard,
            Feature::CookieAffinity,
            Feature::Scale,
        ],
        annotation_prefixes: vec!["config".to_owned(), "io.rancher.".to_owned()],
        observe_interval: OBSERVE_INTERVAL,
        settings_schema: settings_schema::<Settings>(),
        grants: vec![
            grant("http", GRANT, "drives Rancher's API"),
            grant("key-reveal", "", "sends the private keys of certificates to Rancher, which serves HTTPS with them"),
            grant("subscriptions", GRANT, "follows load balancers that move, as soon as Rancher tells of it"),
        ],
    }
}
