//! A provider that is another version each time it is asked.
#![cfg(target_family = "wasm")]
#![allow(missing_docs, unsafe_code, clippy::pedantic, unreachable_pub, reason = "generated from wit/")]

wit_bindgen::generate!({ path: "../../wit", world: "plugin" });

use exports::lb_controller::provider::provider::Guest;
use lb_controller::provider::{
    random,
    types::{
        BackendDetail, ChangeKind, ChangeSet, Descriptor, Error, Observed, Outcome, Placement, Readiness, Removal,
        Scope,
    },
};

struct Fickle;

impl Guest for Fickle {
    fn describe() -> Descriptor {
        let number = random::bytes(7).into_iter().fold(0, |number, byte| number * 256 + u64::from(byte));
        Descriptor {
            name: "fickle".to_owned(),
            version: format!("0.1.{number}"),
            scope: Scope::PerClass,
            placement: Placement::EveryReplica,
            change_sets: ChangeKind::Complete,
            backend_detail: BackendDetail::Endpoints,
            features: Vec::new(),
            annotation_prefixes: Vec::new(),
            observe_interval: 0,
            settings_schema: "{}".to_owned(),
            grants: Vec::new(),
        }
    }

    fn check_settings(_: String) -> Result<(), String> {
        Ok(())
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

export!(Fickle);
