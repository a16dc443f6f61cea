//! The client against a real server on the loopback.

mod exchange;
mod server;
mod tls;

use lb_model::bindings::lb_controller::provider::http::{Request, Response};
use serde_json::{Value, json};

use super::{Failure, HttpClient, Room, refusal::Reason};
use crate::configuration::HttpGrant;

pub(super) const PASSWORD: &str = "hunter2-hunter2";

/// A grant of `url` with more keys.
fn grant(url: &str, more: Value) -> HttpGrant {
    let mut grant = json!({ "base-url": url, "allow-addresses": ["loopback"], "methods": ["GET", "HEAD", "POST"] });
    let Value::Object(more) = more else { panic!("an object") };
    grant.as_object_mut().unwrap().extend(more);
    let grant: HttpGrant = serde_json::from_value(grant).unwrap();
    grant.validate("grants.http.api", "api").unwrap();
    grant
}

fn client(url: &str, more: Value) -> HttpClient {
    HttpClient::new("api", grant(url, more)).unwrap()
}

fn get(target: &str) -> Request {
    Request {
        method: "GET".to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout: None,
    }
}

async fn send(client: &HttpClient, request: Request) -> Result<Response, Failure> {
    client.exchange(request, &Room::new(1 << 20)).await
}

fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

fn reason(result: Result<Response, Failure>) -> Reason {
    match result {
        Err(Failure::Refused(refusal)) => refusal.reason,
        other => panic!("not refused: {other:?}"),
    }
}
