use lb_provider::{BackendDetail, ChangeKind, Descriptor, Feature, Placement, Scope, WantedGrant, settings_schema};

use crate::{names::SERVICE, settings::Settings};

/// Seconds between two looks whether nginx runs and serves everything.
const OBSERVE_INTERVAL: u32 = 30;

/// What this provider is. A feature stands here only if it is honoured in full.
pub(crate) fn descriptor() -> Descriptor {
    let grant = |capability: &str, name: &str, reason: &str| WantedGrant {
        capability: capability.to_owned(),
        name: name.to_owned(),
        reason: reason.to_owned(),
    };
    Descriptor {
        name: "nginx".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scope: Scope::PerClass,
        placement: Placement::EveryReplica,
        change_sets: ChangeKind::Incremental,
        backend_detail: BackendDetail::Endpoints,
        features: vec![
            Feature::Https,
            Feature::TlsPassthrough,
            Feature::Tcp,
            Feature::Udp,
            Feature::RedirectToHttps,
            Feature::ProxyProtocol,
            Feature::PathExact,
            Feature::PathPrefix,
            Feature::HostWildcard,
            Feature::WeightedBackends,
            Feature::Redirect,
            Feature::Timeouts,
            Feature::BodyLimit,
            Feature::SourceRanges,
            Feature::CookieAffinity,
            Feature::ClientIpAffinity,
            Feature::Retry,
            Feature::BackendHttps,
        ],
        annotation_prefixes: vec![],
        observe_interval: OBSERVE_INTERVAL,
        settings_schema: settings_schema::<Settings>(),
        grants: vec![
            grant("files", "", "keeps nginx's configuration and the endpoints that its workers read"),
            grant("services", SERVICE, "checks, starts and reloads nginx"),
            grant("keys", "", "has the private keys of certificates written for nginx, unseen"),
        ],
    }
}
