//! A provider that sends what `settings.calls` says, and tells the answers as JSON.
#![cfg(target_family = "wasm")]
#![allow(missing_docs, unsafe_code, clippy::pedantic, unreachable_pub, reason = "generated from wit/")]

wit_bindgen::generate!({ path: "../../wit", world: "plugin" });

use exports::lb_controller::provider::provider::Guest;
use lb_controller::provider::http::{self, HttpError, Request, Response};
use lb_controller::provider::types::{
    BackendDetail, ChangeKind, ChangeSet, Descriptor, Error, Observed, Outcome, Placement, Readiness, Removal, Scope,
    WantedGrant,
};
use serde_json::{Value, json};

struct Http;

impl Guest for Http {
    fn describe() -> Descriptor {
        Descriptor {
            name: "http".to_owned(),
            version: "0.1.0".to_owned(),
            scope: Scope::PerClass,
            placement: Placement::EveryReplica,
            change_sets: ChangeKind::Incremental,
            backend_detail: BackendDetail::Endpoints,
            features: Vec::new(),
            annotation_prefixes: Vec::new(),
            observe_interval: 0,
            settings_schema: "{}".to_owned(),
            grants: vec![WantedGrant {
                capability: "http".to_owned(),
                name: "api".to_owned(),
                reason: "Talks to the API.".to_owned(),
            }],
        }
    }

    fn check_settings(_: String) -> Result<(), String> {
        Ok(())
    }

    fn apply(settings: String, _: ChangeSet) -> Result<Outcome, Error> {
        let settings: Value = serde_json::from_str(&settings).expect("settings are JSON");
        let calls = settings["calls"].as_array().cloned().unwrap_or_default();
        let answers: Vec<Value> = calls.iter().map(call).collect();
        let told = Value::Array(answers).to_string();
        Ok(Outcome { readiness: Readiness::Pending(told), addresses: Vec::new(), rejections: Vec::new() })
    }

    fn remove(_: String, _: String) -> Result<Removal, Error> {
        Ok(Removal::Removed)
    }

    fn observe(_: String) -> Result<Vec<Observed>, Error> {
        Ok(Vec::new())
    }
}

/// `{ grant, send: target }`, `{ grant, send-all: [target] }` or `{ count: text }`.
fn call(call: &Value) -> Value {
    if let Some(backwards) = call["count"].as_str() {
        return count(backwards).into();
    }
    let grant = call["grant"].as_str().expect("a grant");
    match call["send-all"].as_array() {
        Some(targets) => {
            let requests: Vec<_> = targets.iter().map(request).collect();
            http::send_all(grant, &requests).into_iter().map(told).collect()
        }
        None => told(http::send(grant, &request(&call["send"]))),
    }
}

/// `METHOD target`.
fn request(line: &Value) -> Request {
    let (method, target) = line.as_str().and_then(|line| line.split_once(' ')).expect("a method and a target");
    Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: vec![("x-guest".to_owned(), b"yes".to_vec())],
        body: Vec::new(),
        timeout: None,
    }
}

/// How often a text is anywhere in the memory of this instance. It is told backwards, so that the question is no answer.
fn count(backwards: &str) -> usize {
    let size = core::arch::wasm32::memory_size(0) << 16;
    // All of the memory, which belongs to nobody else; address 0 is no valid one.
    let byte = |address: usize| unsafe { core::ptr::read_volatile(address as *const u8) };
    let is_at = |address: &usize| backwards.bytes().rev().enumerate().all(|(index, it)| byte(address + index) == it);
    (1..=size - backwards.len()).filter(is_at).count()
}

fn told(answer: Result<Response, HttpError>) -> Value {
    match answer {
        Ok(response) => {
            let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
            let (names, values): (Vec<_>, Vec<_>) =
                response.headers.into_iter().map(|(name, value)| (name, text(value))).unzip();
            let body = String::from_utf8_lossy(&response.body);
            json!({ "status": response.status, "headers": names, "values": values, "body": body })
        }
        Err(HttpError::Denied(text)) => json!({ "denied": text }),
        Err(HttpError::InvalidRequest(text)) => json!({ "invalid": text }),
        Err(HttpError::TooLarge(text)) => json!({ "too-large": text }),
        Err(HttpError::Timeout(text)) => json!({ "timeout": text }),
        Err(HttpError::Connect(text)) => json!({ "connect": text }),
        Err(HttpError::Io(text)) => json!({ "io": text }),
    }
}

export!(Http);
