//! A load-balancer provider: keeps `classes/<ingress class>/routes.json` in its granted directory as Kubernetes has it,
//! for a proxy that reads such a file.
//!
//! ```text
//! change-set --routes::table--> Table, rejections --> routes.json
//! ```

mod routes;
mod settings;

use lb_provider::{
    BackendDetail, ChangeKind, ChangeSet, Descriptor, Error, Feature, Host, Observed, Outcome,
    Placement, Provider, PutOutcome, Readiness, Removal, Scope, WantedGrant,
    settings_schema,
};

use settings::Settings;

/// The provider.
pub struct MyLb;

lb_provider::export_provider!(MyLb);

/// What this provider owns of the granted directory.
const CLASSES: &str = "classes";

impl Provider for MyLb {
    type Settings = Settings;

    fn describe() -> Descriptor {
        Descriptor {
            name: "my-lb".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            // One load balancer for all Ingresses of a class, driven by each replica of the controller for itself.
            scope: Scope::PerClass,
            placement: Placement::EveryReplica,
            // The file is written whole, so be told everything each time.
            change_sets: ChangeKind::Complete,
            backend_detail: BackendDetail::Endpoints,
            // Only what is honoured in full: the host tells users of all else.
            features: vec![
                Feature::PathExact,
                Feature::PathPrefix,
                Feature::HostWildcard,
                Feature::WeightedBackends,
            ],
            annotation_prefixes: vec![],
            observe_interval: 60,
            settings_schema: settings_schema::<Settings>(),
            grants: vec![WantedGrant {
                capability: "files".to_owned(),
                name: String::new(),
                reason: "keeps the routes that the proxy reads".to_owned(),
            }],
        }
    }

    fn apply(settings: &Settings, change: ChangeSet, host: &impl Host) -> Result<Outcome, Error> {
        let id = &change.load_balancer.id;
        let (table, rejections) = routes::table(&change);
        let content = table.to_json(settings.indent);
        if host.files().put(&routes_file(id), &content)? == PutOutcome::Written {
            host.log().info("routes written", &[("class", id)]);
        }
        // No addresses: the operator publishes those of the proxy.
        Ok(Outcome {
            readiness: Readiness::Ready,
            addresses: vec![],
            rejections,
        })
    }

    fn remove(_: &Settings, load_balancer: &str, host: &impl Host) -> Result<Removal, Error> {
        host.files().remove(&format!("{CLASSES}/{load_balancer}"))?;
        Ok(Removal::Removed)
    }

    fn observe(_: &Settings, host: &impl Host) -> Result<Vec<Observed>, Error> {
        let mut observed = Vec::new();
        for entry in host.files().list(CLASSES)? {
            let Some(load_balancer) = entry.strip_suffix('/') else {
                continue;
            };
            // Somebody deleted the file: say so, and the host applies everything again.
            let is_whole = host
                .files()
                .list(&format!("{CLASSES}/{load_balancer}"))?
                .iter()
                .any(|name| name == FILE);
            observed.push(Observed {
                load_balancer: load_balancer.to_owned(),
                owner_uid: None,
                readiness: Readiness::Ready,
                addresses: vec![],
                drift: (!is_whole).then(|| format!("{FILE} is gone")),
            });
        }
        Ok(observed)
    }
}

const FILE: &str = "routes.json";

fn routes_file(load_balancer: &str) -> String {
    format!("{CLASSES}/{load_balancer}/{FILE}")
}

#[cfg(test)]
mod tests;
