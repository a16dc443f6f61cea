//! Deleting one object, or all that a selector takes.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::render::Renderer;
use super::target::Resource;
use super::write::key;
use super::{Answer, Api, Call, json, json_bytes};
use crate::cluster::{DeleteOptions, Propagation};
use crate::object::{self, Object};
use crate::status::{FieldError, Status};

/// The body of a DELETE, of which only this is used.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    preconditions: Preconditions,
    propagation_policy: Option<String>,
    orphan_dependents: Option<bool>,
    dry_run: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Preconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

impl Api {
    pub(super) fn delete(&self, call: &Call, resource: &Resource, name: &str) -> Answer {
        let options = read_options(call)?;
        let kind = resource.kind;
        let deleted = self.cluster.delete(kind, &key(resource, name), &options)?;
        if !deleted.gone || kind.delete_returns_object {
            return Ok(json_bytes(StatusCode::OK, Renderer::whole(kind).object(&deleted.object)));
        }
        let mut details = json!({"name": name, "kind": kind.plural, "uid": deleted.object.value["metadata"]["uid"]});
        if !kind.group.is_empty() {
            details["group"] = kind.group.into();
        }
        Ok(json(&json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details
        })))
    }

    pub(super) fn delete_collection(&self, call: &Call, resource: &Resource) -> Answer {
        let options = read_options(call)?;
        let kind = resource.kind;
        if kind.kind == "Namespace" || (kind.namespaced && resource.namespace.is_none()) {
            return Err(Status::method_not_allowed());
        }
        let selector = call.query.selector(kind)?;
        let snapshot = self.cluster.store.snapshot(kind, resource.namespace.as_deref());
        let mut deleted: Vec<Arc<Object>> = Vec::new();
        for object in snapshot.objects.into_iter().filter(|object| selector.matches(&object.value)) {
            match self.cluster.delete(kind, &object::key(&object.value), &options) {
                Ok(result) => deleted.push(result.object),
                // Somebody else deleted it in the meantime, which is what was wanted.
                Err(status) if status.code == 404 => {}
                Err(status) => return Err(status),
            }
        }
        let metadata = json!({"resourceVersion": self.cluster.store.revision().to_string()});
        Ok(json_bytes(StatusCode::OK, Renderer::whole(kind).list(&metadata, &deleted)))
    }
}

fn read_options(call: &Call) -> Result<DeleteOptions, Status> {
    let body = if call.body.is_empty() { Value::Null } else { call.object("DeleteOptions")? };
    let body: Option<Options> = serde_json::from_value(body)
        .map_err(|error| Status::bad_request(format!("the delete options cannot be read: {error}")))?;
    let body = body.unwrap_or_default();
    let policy = body.propagation_policy.as_deref().unwrap_or_else(|| call.query.text("propagationPolicy"));
    let propagation = match (policy, body.orphan_dependents) {
        ("Orphan", _) | ("", Some(true)) => Some(Propagation::Orphan),
        ("Background", _) | ("", Some(false)) => Some(Propagation::Background),
        ("Foreground", _) => Some(Propagation::Foreground),
        ("", None) => None,
        (other, _) => {
            let supported = ["Background", "Foreground", "Orphan"];
            let error = FieldError::unsupported("propagationPolicy", &other.into(), &supported);
            return Err(Status::invalid_named("meta.k8s.io", "DeleteOptions", "", &[error]));
        }
    };
    Ok(DeleteOptions {
        uid: body.preconditions.uid,
        resource_version: body.preconditions.resource_version,
        propagation,
        dry_run: body.dry_run.iter().any(|stage| stage == "All") || call.query.dry_run("DeleteOptions")?,
    })
}
