//! The admin port: health, readiness, metrics, and the providers with their swaps.

mod providers;

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use lb_kubernetes::Readiness;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::swap::Swapper;

/// What the admin port tells of and works on.
pub(crate) struct Admin {
    pub(crate) registry: Registry,
    pub(crate) readiness: Readiness,
    /// One for each provider.
    pub(crate) swappers: Vec<Arc<Swapper>>,
}

impl Admin {
    /// Serves until shutdown. Fails at once if the address cannot be had.
    pub(crate) async fn serve(self, address: SocketAddr, shutdown: CancellationToken) -> anyhow::Result<SocketAddr> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("the admin address {address} cannot be had; choose another --admin-address"))?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .route("/healthz", get(async || "ok"))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .route("/v1/providers", get(providers::list))
            .route("/v1/providers/{name}/{action}", post(providers::act))
            .with_state(Arc::new(self))
            .into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move {
            let served = axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned());
            if let Err(error) = served.await {
                tracing::error!(%error, "the admin port broke");
            }
        });
        Ok(address)
    }
}

async fn ready(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    if admin.readiness.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready: the first complete apply has not succeeded yet\n")
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &admin.registry) {
        Ok(()) => Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}
