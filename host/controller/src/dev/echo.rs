//! A backend that answers with what it was asked.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use axum::{Json, Router, extract::Request, http::header::HOST, response::IntoResponse};
use serde::Serialize;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;

/// Who answers.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) namespace: String,
    pub(crate) service: String,
    pub(crate) pod: String,
}

/// What an echo backend answers.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    service: &'a str,
    namespace: &'a str,
    pod: &'a str,
    method: String,
    path: String,
    host: String,
    headers: BTreeMap<String, String>,
}

/// Serves HTTP on a free loopback port until cancelled; the port.
pub(crate) async fn http(identity: Identity, stop: CancellationToken) -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let identity = Arc::new(identity);
    let router = Router::new().fallback(async move |request: Request| answer(&identity, &request).into_response());
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await {
            tracing::warn!(%error, "an echo backend broke");
        }
    });
    Ok(port)
}

/// Sends each datagram back on a free loopback port until cancelled; the port.
pub(crate) async fn udp(stop: CancellationToken) -> anyhow::Result<u16> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = socket.local_addr()?.port();
    tokio::spawn(async move {
        let mut datagram = vec![0; 65_536];
        loop {
            let received = tokio::select! {
                () = stop.cancelled() => return,
                received = socket.recv_from(&mut datagram) => received,
            };
            if let Ok((len, peer)) = received
                && let Err(error) = socket.send_to(&datagram[..len], peer).await
            {
                tracing::warn!(%error, "an echo backend could not answer");
            }
        }
    });
    Ok(port)
}

fn answer(identity: &Identity, request: &Request) -> impl IntoResponse + use<> {
    let mut headers = BTreeMap::new();
    for (name, value) in request.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        headers
            .entry(name.to_string())
            .and_modify(|all: &mut String| {
                all.push_str(", ");
                all.push_str(&value);
            })
            .or_insert_with(|| value.to_string());
    }
    let answer = Answer {
        service: &identity.service,
        namespace: &identity.namespace,
        pod: &identity.pod,
        method: request.method().to_string(),
        path: request.uri().to_string(),
        host: headers.get(HOST.as_str()).cloned().unwrap_or_default(),
        headers,
    };
    Json(serde_json::to_value(&answer).unwrap_or_default())
}
