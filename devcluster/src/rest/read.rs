//! Getting one object, and listing many.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::render::Renderer;
use super::target::Resource;
use super::{Answer, Api, Call, json_bytes};
use crate::object::{self, Key, Object};
use crate::status::Status;
use crate::store::{Forgotten, Snapshot};

const TOKEN_VERSION: &str = "meta.k8s.io/v1";

/// Where a list that was cut off continues.
#[derive(Debug, Serialize, Deserialize)]
struct Continue {
    v: String,
    /// The revision that the list shows; none for the state of now.
    rv: Option<u64>,
    /// The last object that was listed.
    namespace: String,
    name: String,
}

impl Continue {
    fn after(key: Key, revision: Option<u64>) -> Self {
        Self { v: TOKEN_VERSION.to_owned(), rv: revision, namespace: key.namespace, name: key.name }
    }

    fn decode(token: &str) -> Result<Self, Status> {
        let refused =
            |error: &dyn std::fmt::Display| Status::bad_request(format!("continue key is not valid: {error}"));
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|error| refused(&error))?;
        let decoded: Self = serde_json::from_slice(&bytes).map_err(|error| refused(&error))?;
        if decoded.v == TOKEN_VERSION {
            Ok(decoded)
        } else {
            Err(refused(&format!("server does not recognize this encoded version {:?}", decoded.v)))
        }
    }

    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("strings and a number are JSON"))
    }
}

impl Api {
    pub(super) fn get(&self, call: &Call, resource: &Resource, name: &str) -> Answer {
        let renderer = Renderer::new(call, resource.kind)?;
        self.check_not_future(call.query.revision()?)?;
        let key = Key::new(resource.namespace.as_deref().unwrap_or_default(), name);
        let object = self.cluster.get(resource.kind, &key)?;
        Ok(json_bytes(StatusCode::OK, renderer.object(&object)))
    }

    pub(super) fn list(&self, call: &Call, resource: &Resource) -> Answer {
        let renderer = Renderer::new(call, resource.kind)?;
        let selector = call.query.selector(resource.kind)?;
        let limit =
            call.query.number("limit")?.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
        let token = match call.query.text("continue") {
            "" => None,
            token => Some(Continue::decode(token)?),
        };
        let snapshot = self.snapshot(call, resource, token.as_ref())?;
        let start = token.map(|token| Key::new(token.namespace, token.name));
        let mut objects: Vec<Arc<Object>> = snapshot
            .objects
            .into_iter()
            .filter(|object| start.as_ref().is_none_or(|start| object::key(&object.value) > *start))
            .filter(|object| selector.matches(&object.value))
            .collect();
        let mut metadata = json!({"resourceVersion": snapshot.revision.to_string()});
        if let Some(limit) = limit.filter(|limit| objects.len() > *limit) {
            // As with a real server, only a list without selectors knows how much is left.
            if selector.is_everything() {
                metadata["remainingItemCount"] = (objects.len() - limit).into();
            }
            objects.truncate(limit);
            if let Some(last) = objects.last() {
                let token = Continue::after(object::key(&last.value), Some(snapshot.revision));
                metadata["continue"] = token.encode().into();
            }
        }
        Ok(json_bytes(StatusCode::OK, renderer.list(&metadata, &objects)))
    }

    /// The state that a list shows: that of its first page, of an exact version, or of now.
    fn snapshot(&self, call: &Call, resource: &Resource, token: Option<&Continue>) -> Result<Snapshot, Status> {
        let store = &self.cluster.store;
        let (kind, namespace) = (resource.kind, resource.namespace.as_deref());
        let revision = call.query.revision()?;
        if let Some(token) = token {
            if revision.is_some_and(|revision| revision != 0) {
                return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
            }
            let Some(at) = token.rv else { return Ok(store.snapshot(kind, namespace)) };
            return store.snapshot_at(kind, namespace, at).map_err(|Forgotten { .. }| {
                let key = Key::new(token.namespace.as_str(), token.name.as_str());
                Status::continue_expired(Continue::after(key, None).encode())
            });
        }
        match (call.query.text("resourceVersionMatch"), revision) {
            ("", _) | ("NotOlderThan", Some(_)) => {
                self.check_not_future(revision)?;
                Ok(store.snapshot(kind, namespace))
            }
            ("Exact", Some(at)) if at > 0 => {
                self.check_not_future(revision)?;
                store.snapshot_at(kind, namespace, at).map_err(|forgotten| Status::too_old(at, forgotten.oldest))
            }
            ("Exact" | "NotOlderThan", _) => Err(Status::bad_request(
                "resourceVersionMatch is forbidden unless resourceVersion is provided, and Exact forbids \"0\"",
            )),
            (other, _) => Err(Status::bad_request(format!(
                "resourceVersionMatch: Unsupported value: {other:?}: supported values: \"Exact\", \"NotOlderThan\""
            ))),
        }
    }

    /// Nothing is served that is newer than everything.
    pub(super) fn check_not_future(&self, revision: Option<u64>) -> Result<(), Status> {
        let current = self.cluster.store.revision();
        match revision.filter(|revision| *revision > current) {
            Some(requested) => Err(Status::too_large(requested, current)),
            None => Ok(()),
        }
    }
}
