//! HTTP: which request asks for what, and in which form the answer goes out.

mod delete;
mod documents;
mod media;
mod query;
mod read;
mod render;
mod target;
mod watch;
mod write;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::object;
use crate::request_log::{RequestLog, RequestRecord};
use crate::status::Status;
use query::Query;
use target::{Resource, Target};

/// What a real server takes at most.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

pub(crate) type Body = BoxBody<Bytes, Infallible>;
type Answer = Result<Response<Body>, Status>;

/// Everything that answers requests.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) log: RequestLog,
    pub(crate) bookmark_interval: Duration,
    /// Host and port, as discovery tells it.
    pub(crate) address: String,
}

/// What is read of a request before it is answered.
#[derive(Debug)]
struct Call {
    method: Method,
    query: Query,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    fn header(&self, name: http::HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The media type of the body, without parameters; JSON when there is none.
    fn content_type(&self) -> &str {
        match self.header(CONTENT_TYPE).split(';').next().unwrap_or_default().trim() {
            "" => "application/json",
            media_type => media_type,
        }
    }
}

impl Api {
    /// Answers one request; a refusal is an answer too.
    pub(crate) async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let target = Target::parse(parts.uri.path());
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let verb = verb(&parts.method, &target, &query);
        let answer = match read_body(body).await {
            Ok(body) => {
                let call = Call { method: parts.method.clone(), query, headers: parts.headers.clone(), body };
                self.answer(&call, target)
            }
            Err(status) => Err(status),
        };
        let response = answer.unwrap_or_else(|status| refusal(&status));
        let user_agent = parts.headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let status = response.status();
        tracing::trace!(%path, %status, verb, "answered");
        self.log.push(RequestRecord {
            time: Timestamp::now(),
            method: parts.method,
            verb,
            path,
            user_agent: user_agent.to_owned(),
            status,
        });
        response
    }

    fn answer(&self, call: &Call, target: Target) -> Answer {
        match target {
            Target::Document(document) => self.document(call, document),
            Target::Review(review) => write::review(call, review),
            Target::Resource(resource) => self.resource(call, &resource),
            Target::NoSuchResource => Err(Status::no_such_resource()),
            Target::NotFound => Ok(text(StatusCode::NOT_FOUND, "404 page not found\n")),
        }
    }

    fn resource(&self, call: &Call, resource: &Resource) -> Answer {
        match (&call.method, &resource.name) {
            (&Method::GET, None) if call.query.flag("watch") => self.watch(call, resource),
            (&Method::GET, None) => self.list(call, resource),
            (&Method::GET, Some(name)) if call.query.flag("watch") => self.watch_one(call, resource, name),
            (&Method::GET, Some(name)) => self.get(call, resource, name),
            (&Method::POST, None) => self.create(call, resource),
            (&Method::PUT, Some(name)) => self.replace(call, resource, name),
            (&Method::PATCH, Some(name)) => self.patch(call, resource, name),
            (&Method::DELETE, Some(name)) if !resource.status => self.delete(call, resource, name),
            (&Method::DELETE, None) => self.delete_collection(call, resource),
            _ => Err(Status::method_not_allowed()),
        }
    }
}

async fn read_body(body: Incoming) -> Result<Bytes, Status> {
    match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Status::body_too_large(BODY_LIMIT)),
        Err(error) => Err(Status::bad_request(format!("the body of the request cannot be read: {error}"))),
    }
}

fn verb(method: &Method, target: &Target, query: &Query) -> &'static str {
    let one = matches!(target, Target::Resource(Resource { name: Some(_), .. }));
    let resource = matches!(target, Target::Resource(_) | Target::Review(_));
    match *method {
        Method::GET if !resource => "get",
        Method::GET if query.flag("watch") => "watch",
        Method::GET if one => "get",
        Method::GET => "list",
        Method::POST if resource => "create",
        Method::POST => "post",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if one => "delete",
        Method::DELETE => "deletecollection",
        Method::HEAD => "head",
        Method::OPTIONS => "options",
        _ => "other",
    }
}

fn full(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).boxed()
}

fn json_bytes(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn json(body: &Value) -> Response<Body> {
    json_bytes(StatusCode::OK, object::serialize(body))
}

fn text(status: StatusCode, body: &'static str) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn refusal(status: &Status) -> Response<Body> {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json_bytes(code, object::serialize(&status.to_json()));
    if status.code == 504 {
        response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
