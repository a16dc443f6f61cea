use lb_provider::{BackendDetail, ChangeKind, Descriptor, Feature, Placement, Scope, WantedGrant, settings_schema};

use crate::{names::Tier, settings::Settings};

/// Seconds between two looks whether Caddy runs and serves what it should.
const OBSERVE_INTERVAL: u32 = 30;

/// What this provider is. A feature stands here only if it is honoured in full.
pub(crate) fn descriptor() -> Descriptor {
    let grant = |capability: &str, name: &str, reason: &str| WantedGrant {
        capability: capability.to_owned(),
        name: name.to_owned(),
        reason: reason.to_owned(),
    };
    Descriptor {
        name: "caddy".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        scope: Scope::PerClass,
        placement: Placement::EveryReplica,
        change_sets: ChangeKind::Complete,
        backend_detail: BackendDetail::Endpoints,
        features: vec![
            Feature::Https,
            Feature::RedirectToHttps,
            Feature::PathExact,
            Feature::PathPrefix,
            Feature::HostWildcard,
            Feature::MatchMethod,
            Feature::RequestHeaders,
            Feature::ResponseHeaders,
            Feature::BodyLimit,
            Feature::SourceRanges,
            Feature::ClientIpAffinity,
            Feature::BackendHttps,
            Feature::BackendH2c,
        ],
        annotation_prefixes: vec![],
        observe_interval: OBSERVE_INTERVAL,
        settings_schema: settings_schema::<Settings>(),
        grants: vec![
            grant("files", "", "keeps Caddy's start configuration and certificates"),
            grant("services", Tier::Edge.name(), "starts the Caddy that has the ports and certificates"),
            grant("services", Tier::Router.name(), "starts the Caddy that has hosts, routes and endpoints"),
            grant("http", Tier::Edge.name(), "loads configurations by the edge's admin endpoint"),
            grant("http", Tier::Router.name(), "loads configurations by the router's admin endpoint"),
            grant("keys", "", "has the private keys of certificates written for Caddy, unseen"),
        ],
    }
}
