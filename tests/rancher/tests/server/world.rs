//! A running double and a client that takes every connection anew.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use lb_rancher_double::{Key, KeyKind, Options, Rancher, Server, ServerOptions};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

pub(crate) const PROJECT: &str = "1a5";
/// Far more than anything needs: only a test that fails waits this long.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct World {
    pub(crate) rancher: Rancher,
    pub(crate) server: Server,
    pub(crate) key: Key,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

impl World {
    /// The clock runs a hundred times faster than real time.
    pub(crate) async fn start() -> Self {
        Self::with(ServerOptions::with_speed(100.0)).await
    }

    pub(crate) async fn with(options: ServerOptions) -> Self {
        let rancher = Rancher::new(Options::default());
        let key = rancher.add_key(KeyKind::Environment { project: PROJECT.to_owned() });
        let server = Server::start(rancher.clone(), options).await.expect("a loopback port is free");
        Self { rancher, server, key }
    }

    /// Asks for a path below the project.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        let stream = TcpStream::connect(self.server.address()).await?;
        send_over(stream, &self.request(method, path, body)?).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.send("GET", path, &Value::Null).await?;
        match answer.status {
            200 => answer.json(),
            status => bail!("GET {path} was answered {status}"),
        }
    }

    pub(crate) async fn create_stack(&self, name: &str) -> Result<Answer> {
        self.send("POST", "/stacks", &json!({ "name": name })).await
    }

    pub(crate) fn has_stack(&self, name: &str) -> bool {
        self.rancher.stacks().iter().any(|stack| stack["name"] == name)
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: &Value) -> Result<hyper::Request<Full<Bytes>>> {
        let bytes = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        Ok(hyper::Request::builder()
            .method(method)
            .uri(format!("/v2-beta/projects/{PROJECT}{path}"))
            .header("Host", self.server.address().to_string())
            .header("Authorization", authorization(&self.key))
            .header("Content-Type", "application/json")
            .body(Full::new(bytes))?)
    }
}

pub(crate) fn authorization(key: &Key) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", key.access, key.secret)))
}

pub(crate) async fn send_over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: &hyper::Request<Full<Bytes>>,
) -> Result<Answer> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
    let (head, body) = sender.send_request(request.clone()).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

/// Sends to `/control/` and to other paths without credentials.
pub(crate) async fn send_plain(address: SocketAddr, method: &str, path: &str, body: &Value) -> Result<Answer> {
    let bytes = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let request = hyper::Request::builder()
        .method(method)
        .uri(path)
        .header("Host", address.to_string())
        .body(Full::new(bytes))?;
    send_over(TcpStream::connect(address).await?, &request).await
}

/// Waits until the condition holds.
pub(crate) async fn eventually(what: impl Display, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}: not within {} s", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Fails when it takes longer than any machine needs.
pub(crate) async fn within<T>(what: impl Display, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| panic!("{what}: not within {} s", PATIENCE.as_secs()))
}
