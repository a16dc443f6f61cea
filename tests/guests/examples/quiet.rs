//! A provider that imports nothing and accepts everything.
#![cfg(target_family = "wasm")]
#![allow(missing_docs, unsafe_code, clippy::pedantic, unreachable_pub, reason = "generated from wit/")]

wit_bindgen::generate!({ path: "../../wit", world: "plugin" });

use exports::lb_controller::provider::provider::Guest;
use lb_controller::provider::types::{
    BackendDetail, ChangeKind, ChangeSet, Descriptor, Error, Observed, Outcome, Placement, Readiness, Removal, Scope,
};

struct Quiet;

impl Guest for Quiet {
    fn describe() -> Descriptor {
        Descriptor {
            name: "quiet".to_owned(),
            version: "0.1.0".to_owned(),
            scope: Scope::PerClass,
            placement: Placement::EveryReplica,
            change_sets: ChangeKind::Incremental,
            backend_detail: BackendDetail::Endpoints,
            features: Vec::new(),
            annotation_prefixes: Vec::new(),
            observe_interval: 0,
            settings_schema: "{}".to_owned(),
            grants: Vec::new(),
        }
    }

    fn check_settings(settings: String) -> Result<(), String> {
        if settings == "{}" { Ok(()) } else { Err(format!("no setting is known: {settings}")) }
    }

    fn apply(_: String, _: ChangeSet) -> Result<Outcome, Error> {
        Ok(Outcome { readiness: Readiness::Ready, addresses: Vec::new(), rejections: Vec::new() })
    }

    fn remove(_: String, _: String) -> Result<Removal, Error> {
        Ok(Removal::Removed)
    }

    fn observe(_: String) -> Result<Vec<Observed>, Error> {
        Ok(Vec::new())
    }
}

export!(Quiet);
