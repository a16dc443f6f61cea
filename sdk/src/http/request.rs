use std::{fmt, time::Duration};

use serde::Serialize;

use super::{answer, milliseconds};
use crate::Request;

/// A request in the making.
///
/// ```
/// use lb_provider::http::RequestBuilder;
/// use serde_json::json;
///
/// let request = RequestBuilder::post("/pools").json(&json!({ "name": "web" })).header("x-api-version", "2");
/// ```
#[derive(Clone)]
pub struct RequestBuilder {
    pub(super) method: String,
    target: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    pub(super) timeout: Option<Duration>,
    pub(super) idempotent: bool,
    problem: Option<String>,
}

impl RequestBuilder {
    /// A request of any method. The target is a path with query below the grant's base URL, or an absolute URL that lies
    /// below it.
    pub fn new(method: &str, target: impl Into<String>) -> Self {
        let method = method.to_ascii_uppercase();
        let idempotent = matches!(&*method, "GET" | "HEAD");
        let (headers, body) = (vec![], vec![]);
        Self { method, target: target.into(), headers, body, timeout: None, idempotent, problem: None }
    }

    /// GET.
    pub fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    /// POST.
    pub fn post(target: impl Into<String>) -> Self {
        Self::new("POST", target)
    }

    /// PUT.
    pub fn put(target: impl Into<String>) -> Self {
        Self::new("PUT", target)
    }

    /// DELETE.
    pub fn delete(target: impl Into<String>) -> Self {
        Self::new("DELETE", target)
    }

    /// Sets a header, in place of one of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        let name = name.to_ascii_lowercase();
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the body, and its content type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// Sets the body to JSON. What cannot be JSON fails when the request is sent.
    #[must_use]
    pub fn json(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(body) => self.body("application/json", body),
            Err(error) => {
                self.problem = Some(format!("the body cannot be written as JSON: {error}"));
                self
            }
        }
    }

    /// How long the exchange may take; the grant allows at most its own timeout.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// It may be carried out twice, so it is sent again like a read.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// What errors call it.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, path(&self.target))
    }

    /// The record of the contract, and why it cannot be sent.
    pub(super) fn build(self) -> (Request, Option<String>) {
        let Self { method, target, headers, body, timeout, idempotent: _, problem } = self;
        // 0 would be no time at all, and 0.4 ms is not that.
        let timeout = timeout.map(|timeout| milliseconds(timeout).max(1));
        (Request { method, target, headers, body, timeout }, problem)
    }
}

/// Names no header value and no body: both may hold secrets.
impl fmt::Debug for RequestBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        formatter
            .debug_struct("RequestBuilder")
            .field("request", &self.name())
            .field("headers", &headers)
            .field("body bytes", &self.body.len())
            .field("timeout", &self.timeout)
            .field("idempotent", &self.idempotent)
            .finish_non_exhaustive()
    }
}

/// The target without its query, printable and not too long.
pub(super) fn path(target: &str) -> String {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    answer::excerpt(path.as_bytes(), 200)
}
