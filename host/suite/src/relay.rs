//! What stands between a provider and an API: it passes requests on, writes them down, and breaks them if it is told to. A
//! recording may stand for the API.

use std::{
    net::Ipv4Addr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use reqwest::Client;
use tokio::{net::TcpListener, task::AbortHandle};
use url::{Origin, Url};

use crate::{
    Error,
    recording::{self, Body as Content, Redaction, Tape},
};

/// The largest body that is passed on.
const MAX_BODY: usize = 1 << 30;

/// Headers that hold for one connection, or that follow from the body.
const OWN_HEADERS: [HeaderName; 5] =
    [header::HOST, header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::UPGRADE];

/// Headers of an answer that a provider may go by.
const TOLD_HEADERS: [HeaderName; 6] =
    [header::CONTENT_TYPE, header::DATE, header::ETAG, header::LAST_MODIFIED, header::LOCATION, header::RETRY_AFTER];

/// An API.
#[derive(Clone)]
pub(crate) struct Upstream {
    base: Url,
    client: Client,
}

/// Who answers behind a relay.
#[derive(Clone)]
pub(crate) enum Behind {
    /// Nobody: every request fails.
    Nobody,
    Api(Upstream),
    /// A recording of an API with this base URL.
    Tape {
        base: Url,
        tape: Arc<Mutex<Tape>>,
    },
}

impl Upstream {
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    pub(crate) fn new(base: Url, ca_file: Option<&Path>) -> Result<Self, Error> {
        let failed = |reason: String| Error::Machine { action: "reach the API", reason };
        let mut builder = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let mut roots = rustls::RootCertStore::empty();
        match ca_file {
            Some(path) => {
                use rustls::pki_types::{CertificateDer, pem::PemObject as _};
                let certificates = CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
                roots.add_parsable_certificates(certificates.filter_map(Result::ok));
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        builder = builder.tls_backend_preconfigured(tls);
        let client = builder.build().map_err(|error| failed(error.to_string()))?;
        Ok(Self { base, client })
    }
}

/// How requests fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They are passed on.
    Pass,
    /// They are passed on after a while.
    Slow(Duration),
    /// They are answered with a status, and not passed on.
    Status(u16),
    /// They are answered 200 with what no API says.
    Garbage,
    /// The connection breaks within the answer.
    Reset,
    /// Nobody answers.
    Hang,
}

/// One request that was passed on.
pub(crate) struct Exchange {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) sent: Bytes,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// With the links that the API has.
    pub(crate) answer: Bytes,
    pub(crate) answered: Instant,
}

impl Exchange {
    /// As a recording has it, without what is secret.
    pub(crate) fn written(&self, api: &str, redaction: &Redaction) -> recording::Exchange {
        let header = |name: &HeaderName| {
            let value = self.headers.get(name)?.to_str().ok()?;
            let value = String::from_utf8_lossy(&redaction.applied(value.as_bytes())).into_owned();
            Some((name.to_string(), value))
        };
        recording::Exchange {
            api: api.to_owned(),
            method: self.method.to_string(),
            target: String::from_utf8_lossy(&redaction.applied(self.target.as_bytes())).into_owned(),
            sent: Content::of(&redaction.applied(&self.sent)),
            status: self.status.as_u16(),
            headers: TOLD_HEADERS.iter().filter_map(header).collect(),
            answer: Content::of(&redaction.applied(&self.answer)),
        }
    }
}

/// Serves until it is dropped.
pub(crate) struct Relay {
    grant: String,
    desk: Arc<Desk>,
    base_url: Url,
    server: AbortHandle,
}

struct Desk {
    grant: String,
    source: Behind,
    /// As texts, which stand in bodies: of the relay, of the API.
    origins: (String, String),
    state: Mutex<Told>,
}

struct Told {
    mode: Mode,
    requests: u64,
    exchanges: Vec<Exchange>,
}

impl Relay {
    pub(crate) async fn start(grant: &str, source: Behind) -> Result<Self, Error> {
        let failed = Error::machine("listen on a port of this machine");
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let (listener, address) =
            bound.and_then(|listener| listener.local_addr().map(|address| (listener, address))).map_err(failed)?;
        let origin = format!("http://{address}");
        let mut base_url = Url::parse(&origin).expect("an address makes a URL");
        let mut api = String::new();
        if let Behind::Api(Upstream { base, .. }) | Behind::Tape { base, .. } = &source {
            base_url.set_path(base.path());
            api = match base.origin() {
                origin @ Origin::Tuple(..) => origin.ascii_serialization(),
                Origin::Opaque(_) => String::new(),
            };
        }
        let state = Mutex::new(Told { mode: Mode::Pass, requests: 0, exchanges: Vec::new() });
        let desk = Arc::new(Desk { grant: grant.to_owned(), source, origins: (origin, api), state });
        let router = Router::new().fallback(answer).with_state(desk.clone());
        let serve = async move { axum::serve(listener, router).await };
        Ok(Self { grant: grant.to_owned(), desk, base_url, server: tokio::spawn(serve).abort_handle() })
    }

    /// The grant whose API this is.
    pub(crate) fn grant(&self) -> &str {
        &self.grant
    }

    /// What a provider's grant has to name: the API's, with the relay in its place.
    pub(crate) fn base_url(&self) -> &Url {
        &self.base_url
    }

    pub(crate) fn has_upstream(&self) -> bool {
        matches!(self.desk.source, Behind::Api(_))
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.desk.told(|told| told.mode = mode);
    }

    /// How many requests there were.
    pub(crate) fn requests(&self) -> u64 {
        self.desk.told(|told| told.requests)
    }

    /// What was passed on since the last time.
    pub(crate) fn take(&self) -> Vec<Exchange> {
        self.desk.told(|told| std::mem::take(&mut told.exchanges))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Desk {
    fn told<R>(&self, act: impl FnOnce(&mut Told) -> R) -> R {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    if request.headers().contains_key(header::UPGRADE) {
        // A subscription, whose wakes the suite does not need.
        return StatusCode::NOT_IMPLEMENTED.into_response();
    }
    let mode = desk.told(|told| {
        told.requests += 1;
        told.mode
    });
    match mode {
        Mode::Pass => pass(&desk, request).await,
        Mode::Slow(time) => {
            tokio::time::sleep(time).await;
            pass(&desk, request).await
        }
        Mode::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, "the API is out of order").into_response()
        }
        Mode::Garbage => "<html>\u{0}{\"data\": [[[".into_response(),
        Mode::Reset => {
            let broken = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("broken"))]);
            let body = Body::from_stream(broken);
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Mode::Hang => std::future::pending().await,
    }
}

async fn pass(desk: &Desk, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let (relay, api) = &desk.origins;
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
    let sent = replaced(body, relay, api);
    let upstream = match &desk.source {
        Behind::Nobody => return (StatusCode::SERVICE_UNAVAILABLE, "there is no API").into_response(),
        Behind::Tape { tape, .. } => return played(desk, tape, &parts.method, &target, &sent),
        Behind::Api(upstream) => upstream,
    };
    let Ok(url) = Url::parse(&format!("{api}{target}")) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let asked = upstream.client.request(parts.method.clone(), url).headers(kept(&parts.headers)).body(sent.clone());
    let answer = match asked.send().await {
        Ok(answer) => answer,
        Err(error) => return (StatusCode::BAD_GATEWAY, format!("the API cannot be reached: {error}")).into_response(),
    };
    let (status, headers) = (answer.status(), kept(answer.headers()));
    let Ok(answer) = answer.bytes().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let exchange = Exchange {
        method: parts.method,
        target,
        sent,
        status,
        headers: headers.clone(),
        answer: answer.clone(),
        answered: Instant::now(),
    };
    desk.told(|told| told.exchanges.push(exchange));
    (status, located(headers, api, relay), replaced(answer, api, relay)).into_response()
}

/// The answer that is on the tape.
fn played(desk: &Desk, tape: &Mutex<Tape>, method: &Method, target: &str, sent: &[u8]) -> Response {
    let (relay, api) = &desk.origins;
    let mut tape = tape.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(exchange) = tape.answer(&desk.grant, method.as_str(), target, sent) else {
        return (StatusCode::NOT_IMPLEMENTED, "this request was not recorded").into_response();
    };
    let status = StatusCode::from_u16(exchange.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let header = |(name, value): (&String, &String)| Some((name.parse().ok()?, value.parse().ok()?));
    let headers: HeaderMap = exchange.headers.iter().filter_map(header).collect();
    let answer = replaced(exchange.answer.bytes().into(), api, relay);
    (status, located(headers, api, relay), answer).into_response()
}

/// Without the headers that the next connection has of its own.
fn kept(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for name in OWN_HEADERS {
        kept.remove(name);
    }
    kept
}

fn located(mut headers: HeaderMap, from: &str, to: &str) -> HeaderMap {
    let there = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    if let Some(value) = there.and_then(|there| there.replacen(from, to, 1).parse().ok()) {
        headers.insert(header::LOCATION, value);
    }
    headers
}

/// An API that tells links tells them of the relay, and is told its own.
fn replaced(body: Bytes, from: &str, to: &str) -> Bytes {
    match std::str::from_utf8(&body) {
        Ok(text) if !from.is_empty() && text.contains(from) => text.replace(from, to).into(),
        _ => body,
    }
}
