//! Creating, replacing, patching and applying over HTTP.

use http::header::{HeaderValue, USER_AGENT};
use http::{HeaderName, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::media::{manager_of, yaml};
use super::render::Renderer;
use super::target::Resource;
use super::{Answer, Api, Body, Call, json_bytes};
use crate::cluster::{Change, Write, Written, check_type};
use crate::discovery::Review;
use crate::kind::Kind;
use crate::object::{Key, serialize};
use crate::patch::Patch;
use crate::status::{FieldError, Status};

const PATCH_TYPES: &str = "application/json-patch+json, application/merge-patch+json, \
                           application/strategic-merge-patch+json, application/apply-patch+yaml";

impl Api {
    pub(super) fn create(&self, call: &Call, resource: &Resource) -> Answer {
        let write = write_options(call, resource, "CreateOptions")?;
        let body = call.object(body_type(resource.kind))?;
        check_type(resource.kind, &body)?;
        let namespace = match (&resource.namespace, resource.kind.namespaced) {
            (None, true) => return Err(Status::method_not_allowed()),
            (namespace, _) => namespace.as_deref().unwrap_or_default(),
        };
        Ok(answer(resource.kind, &self.cluster.create(&write, namespace, body)?))
    }

    pub(super) fn replace(&self, call: &Call, resource: &Resource, name: &str) -> Answer {
        let write = write_options(call, resource, "UpdateOptions")?;
        let body = call.object(body_type(resource.kind))?;
        Ok(answer(resource.kind, &self.cluster.modify(&write, &key(resource, name), &Change::Replace(body))?))
    }

    pub(super) fn patch(&self, call: &Call, resource: &Resource, name: &str) -> Answer {
        let write = write_options(call, resource, "PatchOptions")?;
        let patch = read_patch(call)?;
        Ok(answer(resource.kind, &self.cluster.modify(&write, &key(resource, name), &Change::Patch(patch))?))
    }
}

pub(super) fn key(resource: &Resource, name: &str) -> Key {
    Key::new(resource.namespace.as_deref().unwrap_or_default(), name)
}

/// The type of the objects that are sent to a resource.
fn body_type(kind: &Kind) -> &'static str {
    if kind.is_event_view() { "EventView" } else { kind.kind }
}

fn write_options(call: &Call, resource: &Resource, options: &str) -> Result<Write, Status> {
    let manager = match call.query.text("fieldManager") {
        "" => manager_of(call.header(USER_AGENT)),
        manager => manager.to_owned(),
    };
    Ok(Write {
        kind: resource.kind,
        status: resource.status,
        manager,
        dry_run: call.query.dry_run(options)?,
        validation: call.query.validation(options)?,
    })
}

fn read_patch(call: &Call) -> Result<Patch, Status> {
    let undecodable = |error: &dyn std::fmt::Display| Status::bad_request(format!("error decoding patch: {error}"));
    let parsed = || serde_json::from_slice::<Value>(&call.body).map_err(|error| undecodable(&error));
    let refused = |error| Err(Status::invalid_named("meta.k8s.io", "PatchOptions", "", &[error]));
    let force = call.query.optional_flag("force");
    let content_type = call.content_type();
    if content_type != "application/apply-patch+yaml" && force.is_some() {
        return refused(FieldError::forbidden("force", "may not be specified for non-apply patch"));
    }
    match content_type {
        "application/json-patch+json" => {
            let operations = serde_json::from_slice(&call.body).map_err(|error| undecodable(&error))?;
            Ok(Patch::Json(operations))
        }
        "application/merge-patch+json" => Ok(Patch::Merge(parsed()?)),
        "application/strategic-merge-patch+json" => Ok(Patch::Strategic(parsed()?)),
        "application/apply-patch+yaml" => {
            if call.query.text("fieldManager").is_empty() {
                return refused(FieldError::required("fieldManager", "is required for apply patch"));
            }
            let configuration =
                yaml(&call.body).map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))?;
            Ok(Patch::Apply { configuration, force: force.unwrap_or_default() })
        }
        _ => Err(Status::unsupported_media_type(PATCH_TYPES)),
    }
}

fn answer(kind: &'static Kind, written: &Written) -> Response<Body> {
    let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = json_bytes(status, Renderer::whole(kind).object(&written.object));
    for warning in &written.warnings {
        warn(&mut response, warning);
    }
    response
}

/// Adds a warning that clients show to people.
fn warn(response: &mut Response<Body>, warning: &str) {
    let quoted = warning.replace('\\', r"\\").replace('"', r#"\""#);
    match HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
        Ok(value) => {
            response.headers_mut().append(HeaderName::from_static("warning"), value);
        }
        Err(error) => tracing::debug!(%error, warning, "a warning does not fit into a header"),
    }
}

/// Everybody may do everything here, and is an administrator.
pub(super) fn review(call: &Call, review: &Review) -> Answer {
    if call.method != Method::POST {
        return Err(Status::method_not_allowed());
    }
    let mut body = call.object(review.kind)?;
    if !body.is_object() {
        return Err(Status::bad_request(format!("the object provided is no {}", review.kind)));
    }
    body["kind"] = review.kind.into();
    body["apiVersion"] = format!("{}/v1", review.group).into();
    body["status"] = match review.kind {
        "SelfSubjectReview" => {
            let groups = ["kubeadm:cluster-admins", "system:authenticated"];
            json!({"userInfo": {"username": "kubernetes-admin", "groups": groups}})
        }
        _ => json!({"allowed": true, "reason": "everything is allowed on this server"}),
    };
    Ok(json_bytes(StatusCode::CREATED, serialize(&body)))
}
