//! A provider that wants to reach a host of its own choice.
#![cfg(target_family = "wasm")]
#![allow(missing_docs, unsafe_code, clippy::pedantic, unreachable_pub, reason = "generated from wit/")]

wit_bindgen::generate!({ path: "../../wit", world: "plugin" });

use exports::lb_controller::provider::provider::Guest;
use lb_controller::provider::http::{self, Request};
use lb_controller::provider::types::{
    BackendDetail, ChangeKind, ChangeSet, Descriptor, Error, Observed, Outcome, Placement, Readiness, Removal, Scope,
};

struct Web;

impl Guest for Web {
    fn describe() -> Descriptor {
        Descriptor {
            name: "web".to_owned(),
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

    fn check_settings(_: String) -> Result<(), String> {
        Ok(())
    }

    fn apply(_: String, _: ChangeSet) -> Result<Outcome, Error> {
        let request = Request {
            method: "GET".to_owned(),
            target: "http://169.254.169.254/latest/meta-data/".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
        };
        http::send("metadata", &request).map_err(|error| Error::Denied(format!("{error:?}")))?;
        Ok(Outcome { readiness: Readiness::Ready, addresses: Vec::new(), rejections: Vec::new() })
    }

    fn remove(_: String, _: String) -> Result<Removal, Error> {
        Ok(Removal::Removed)
    }

    fn observe(_: String) -> Result<Vec<Observed>, Error> {
        Ok(Vec::new())
    }
}

export!(Web);
