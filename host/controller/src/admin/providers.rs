//! `GET /v1/providers`, and `POST /v1/providers/<name>/{reload,approve,reject,rollback}`.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json,
    extract::{ConnectInfo, Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use k8s_openapi::jiff::Timestamp;
use lb_model::provider::Provider as _;
use serde_json::{Value, json};

use super::Admin;
use crate::swap::{Cause, Outcome, Swapper};

const ACTIONS: &str = "reload, approve, reject, rollback";

pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Json<Value> {
    Json(admin.swappers.iter().map(|swapper| about(swapper)).collect())
}

fn about(swapper: &Swapper) -> Value {
    let plugin = swapper.slot.current();
    let descriptor = plugin.descriptor();
    let statistics = plugin.statistics();
    let (last, waiting, previous) = swapper.history();
    json!({
        "name": swapper.name,
        "provider": descriptor.name,
        "ingress-class": swapper.class,
        "version": descriptor.version,
        "digest": plugin.digest(),
        "since": Timestamp::try_from(statistics.loaded).ok(),
        "features": descriptor.features,
        "swap-policy": swapper.policy,
        "last-swap": last,
        "waiting": waiting,
        "previous": previous,
        "statistics": statistics,
    })
}

/// Does what is asked. Only for who is on this machine (`kubectl port-forward` and `kubectl exec` are), and never for a
/// web page that happens to be open there.
pub(super) async fn act(
    State(admin): State<Arc<Admin>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path((name, action)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if !peer.ip().to_canonical().is_loopback() {
        let hint = "changes are taken from this machine only: use `kubectl port-forward` or `kubectl exec`";
        return refuse(StatusCode::FORBIDDEN, hint);
    }
    if headers.contains_key(header::ORIGIN) {
        return refuse(StatusCode::FORBIDDEN, "changes are not taken from web pages");
    }
    let Some(swapper) = admin.swappers.iter().find(|swapper| swapper.name == name).cloned() else {
        let known: Vec<_> = admin.swappers.iter().map(|swapper| format!("{:?}", swapper.name)).collect();
        let message = format!("there is no provider {name:?}; there is {}", known.join(" and "));
        return refuse(StatusCode::NOT_FOUND, message);
    };
    // On a task of its own, so that a client that goes away leaves nothing half done.
    let done = tokio::spawn(async move {
        match action.as_str() {
            "reload" => Ok(Some(swapper.reload(Cause::Request).await)),
            "approve" => Ok(swapper.approve().await),
            "reject" => Ok(swapper.reject().await),
            "rollback" => Ok(swapper.roll_back().await),
            _ => Err(action),
        }
    });
    match done.await {
        Ok(Ok(Some(attempt))) => {
            let asked_for = attempt.outcome != Outcome::Refused || attempt.cause == Cause::Approval;
            let status = if asked_for { StatusCode::OK } else { StatusCode::CONFLICT };
            (status, Json(json!(attempt))).into_response()
        }
        Ok(Ok(None)) => refuse(StatusCode::CONFLICT, "there is no version to do that with"),
        Ok(Err(action)) => refuse(StatusCode::NOT_FOUND, format!("there is no action {action:?}; there are {ACTIONS}")),
        Err(panicked) => refuse(StatusCode::INTERNAL_SERVER_ERROR, panicked.to_string()),
    }
}

fn refuse(status: StatusCode, message: impl Into<String>) -> Response {
    let message = message.into();
    (status, Json(json!({"error": message}))).into_response()
}
