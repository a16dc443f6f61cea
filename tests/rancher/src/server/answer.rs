//! One request, from its arrival to its answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use serde_json::json;

use super::body::{self, Body};
use super::listener::Connection;
use super::{Latency, ServerOptions, control};
use crate::events::{Subscriptions, handshake};
use crate::faults::{Fault, Faults, below_base, is_write};
use crate::recording::{Entry, Recording};
use crate::{Rancher, Request, Response};

/// Far more than Rancher takes.
const REQUEST_MAX_BYTES: usize = 16 << 20;

/// Where requests are answered.
pub(super) struct Desk {
    pub(super) rancher: Rancher,
    pub(super) faults: Faults,
    pub(super) recording: Recording,
    pub(super) subscriptions: Subscriptions,
    pub(super) latency: Mutex<Latency>,
    pub(super) random: Mutex<fastrand::Rng>,
    pub(super) options: ServerOptions,
}

pub(super) enum Outcome {
    Answer(hyper::Response<Body>),
    Reset,
}

impl Desk {
    pub(super) async fn answer(
        self: Arc<Self>,
        connection: Arc<Connection>,
        mut incoming: hyper::Request<Incoming>,
    ) -> Outcome {
        let upgrade = handshake::wanted(incoming.headers()).then(|| hyper::upgrade::on(&mut incoming));
        let request = match read(incoming).await {
            Ok(request) => request,
            Err(error) => {
                tracing::debug!(%error, "a request did not arrive whole");
                return Outcome::Reset;
            }
        };
        if self.options.control && control::is_meant(&request) {
            return Outcome::Answer(render(control::answer(&self.rancher, &self.faults, &self.recording, &request)));
        }
        let entry = self.recording.begin(self.rancher.now(), &request);
        tokio::time::sleep(self.draw_latency()).await;
        let outcome = self.serve(&connection, &request, upgrade, &entry).await;
        if let Outcome::Answer(response) = &outcome {
            entry.answered(response.status().as_u16());
        }
        if let Some(observer) = self.options.observer.as_ref().filter(|_| is_write(&request.method))
            && let Some(exchange) = entry.exchange()
        {
            observer(&exchange);
        }
        outcome
    }

    async fn serve(
        &self,
        connection: &Arc<Connection>,
        request: &Request,
        upgrade: Option<hyper::upgrade::OnUpgrade>,
        entry: &Entry,
    ) -> Outcome {
        let faults = self.faults.draw(&request.method, &request.target);
        for fault in &faults {
            match fault {
                Fault::Delay(time) => tokio::time::sleep(*time).await,
                Fault::Before(hook) => hook(&self.rancher, request),
                Fault::Status(status) => return Outcome::Answer(render(refusal(*status))),
                Fault::ProxyPage(status) => return Outcome::Answer(render(proxy_page(*status))),
                Fault::HangBefore(time) => {
                    tokio::time::sleep(*time).await;
                    return Outcome::Reset;
                }
                Fault::ResetBefore => return Outcome::Reset,
                _ => {}
            }
        }
        let forwarded = self.options.proxy.forward(request, self.options.tls.is_some());
        if is_subscription(request) {
            return Outcome::Answer(self.subscribe(connection, &forwarded, upgrade));
        }
        let response = self.rancher.handle(&forwarded);
        entry.served(&response);
        for fault in faults {
            match fault {
                Fault::After(hook) => hook(&self.rancher, request),
                Fault::HangAfter(time) => {
                    tokio::time::sleep(time).await;
                    return Outcome::Reset;
                }
                Fault::ResetAfter => return Outcome::Reset,
                Fault::Truncated => {
                    let mut response = response;
                    response.body.truncate(response.body.len() / 2);
                    return Outcome::Answer(render(response));
                }
                Fault::CutBody => {
                    let length = response.body.len();
                    let mut answer = head(&response);
                    answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
                    return Outcome::Answer(answer.map(|()| body::cut(response.body, connection.clone())));
                }
                Fault::SlowBody { bytes_per_second } => {
                    return Outcome::Answer(head(&response).map(|()| body::slow(&response.body, bytes_per_second)));
                }
                _ => {}
            }
        }
        Outcome::Answer(render(response))
    }

    fn subscribe(
        &self,
        connection: &Arc<Connection>,
        request: &Request,
        upgrade: Option<hyper::upgrade::OnUpgrade>,
    ) -> hyper::Response<Body> {
        let subscriber = match self.rancher.subscribe(request) {
            Ok(subscriber) => subscriber,
            Err(refused) => return render(refused),
        };
        let (Some(upgrade), Some(accept)) = (upgrade, handshake::accept(request)) else {
            // The server takes it for a stream in the body, and never sends anything there.
            let headers = vec![("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned())];
            return render(Response { status: 200, headers, body: Vec::new() });
        };
        let stream = self.subscriptions.stream(self.rancher.clone(), subscriber, request, upgrade);
        connection.spawn(stream);
        accept.map(|()| body::full(""))
    }

    fn draw_latency(&self) -> Duration {
        let latency = *self.latency.lock().unwrap_or_else(PoisonError::into_inner);
        let drawn = self.random.lock().unwrap_or_else(PoisonError::into_inner).f64();
        latency.fixed + latency.jitter.mul_f64(drawn)
    }
}

fn is_subscription(request: &Request) -> bool {
    let elements = below_base(request.path());
    request.method == "GET" && matches!(&elements[..], [only] if only.eq_ignore_ascii_case("subscribe"))
}

async fn read(incoming: hyper::Request<Incoming>) -> Result<Request, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = incoming.into_parts();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Ok(Request {
        method: head.method.to_string(),
        target: head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: Limited::new(body, REQUEST_MAX_BYTES).collect().await?.to_bytes().to_vec(),
    })
}

fn render(response: Response) -> hyper::Response<Body> {
    head(&response).map(|()| body::full(response.body))
}

fn head(response: &Response) -> hyper::Response<()> {
    let mut head = hyper::Response::new(());
    *head.status_mut() =
        hyper::StatusCode::from_u16(response.status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &response.headers {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(CONTENT_LENGTH), _) => {}
            (Ok(name), Ok(value)) => {
                head.headers_mut().append(name, value);
            }
            _ => tracing::warn!(name, "a header field of the server is none that HTTP can carry"),
        }
    }
    head
}

/// What Rancher answers when it fails or refuses by itself.
fn refusal(status: u16) -> Response {
    let code = match status {
        400 => "InvalidBodyContent",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method not allowed",
        409 => "Conflict",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Error",
    };
    let body = json!({
        "id": "00000000-0000-4000-8000-000000000000", "type": "error", "links": {}, "actions": {}, "status": status,
        "code": code, "message": code, "detail": null, "baseType": "error",
    });
    let mut headers = vec![("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned())];
    if status == 401 {
        headers.push(("WWW-Authenticate".to_owned(), "Basic realm=\"Rancher\"".to_owned()));
    }
    Response { status, headers, body: body.to_string().into_bytes() }
}

fn proxy_page(status: u16) -> Response {
    let body = format!(
        "<html>\r\n<head><title>{status} Bad Gateway</title></head>\r\n<body>\r\n<center><h1>{status} Bad \
         Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    let headers = vec![("Content-Type".to_owned(), "text/html".to_owned()), ("Server".to_owned(), "nginx".to_owned())];
    Response { status, headers, body: body.into_bytes() }
}
