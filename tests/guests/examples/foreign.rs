//! A provider as other toolchains build it: their standard libraries import WASI.
#![cfg(target_family = "wasm")]
#![allow(missing_docs, unsafe_code, clippy::pedantic, unreachable_pub, reason = "generated from wit/")]

wit_bindgen::generate!({ path: ["../../wit", "wit"], world: "lb-controller:foreign/foreign", generate_all });

use exports::lb_controller::provider::provider::Guest;
use wasi::{
    cli::{environment, stderr},
    clocks::wall_clock,
    filesystem::preopens,
    random::random,
};

use lb_controller::provider::types::{
    BackendDetail, ChangeKind, ChangeSet, Descriptor, Error, Observed, Outcome, Placement, Readiness, Removal, Scope,
};

struct Foreign;

impl Guest for Foreign {
    fn describe() -> Descriptor {
        Descriptor {
            name: "foreign".to_owned(),
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

    /// Tells what WASI gives.
    fn apply(_: String, _: ChangeSet) -> Result<Outcome, Error> {
        let stderr = stderr::get_stderr();
        stderr.blocking_write_and_flush(b"first line\nsecond ").expect("writable");
        stderr.blocking_write_and_flush(b"line\nlast line").expect("writable");
        let given = format!(
            "{} directories, {} variables, {} arguments, {} random bytes, clock after 2020: {}",
            preopens::get_directories().len(),
            environment::get_environment().len(),
            environment::get_arguments().len(),
            random::get_random_bytes(16).len(),
            wall_clock::now().seconds > 1_577_836_800,
        );
        Ok(Outcome { readiness: Readiness::Pending(given), addresses: Vec::new(), rejections: Vec::new() })
    }

    fn remove(_: String, _: String) -> Result<Removal, Error> {
        Ok(Removal::Removed)
    }

    fn observe(_: String) -> Result<Vec<Observed>, Error> {
        Ok(Vec::new())
    }
}

export!(Foreign);
