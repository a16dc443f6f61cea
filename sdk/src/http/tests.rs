use std::time::Duration;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};

use super::{Answer, Client, Error, RequestBuilder};
use crate::{
    Request, Response,
    testing::{TestHost, json_response},
};

mod errors;
mod pages;
mod retries;

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Pool {
    name: String,
}

/// A host whose API answers every request with 200 and the request's target as the name of a pool.
fn echo() -> TestHost {
    let host = TestHost::default();
    host.serve_http(|_, request| Ok(json_response(200, &json!({ "name": request.target }))));
    host
}

/// The requests so far, as method and target.
fn sent(host: &TestHost) -> Vec<String> {
    host.requests().into_iter().map(|(_, request)| format!("{} {}", request.method, request.target)).collect()
}

fn only_request(host: &TestHost) -> Request {
    let requests = host.requests();
    let [(grant, request)] = &*requests else { panic!("not one request: {requests:?}") };
    assert_eq!(grant, "api");
    request.clone()
}

fn empty(status: u16) -> Response {
    Response { status, headers: vec![], body: vec![] }
}

fn header(name: &str, value: &str) -> (String, Vec<u8>) {
    (name.to_owned(), value.as_bytes().to_vec())
}

#[test]
fn a_typed_read_is_one_request() {
    let host = echo();
    let pool: Pool = Client::new(&host, "api").get("/pools/1").unwrap();
    assert_eq!(pool, Pool { name: "/pools/1".to_owned() });
    let headers = vec![header("accept", "application/json")];
    let (method, target) = ("GET".to_owned(), "/pools/1".to_owned());
    assert_eq!(only_request(&host), Request { method, target, headers, body: vec![], timeout: None });
}

#[test]
fn typed_writes_send_json() {
    type Write = fn(&Client<'_>) -> Result<Pool, Error>;
    let writes: [(&str, Write); 2] = [
        ("POST", |api| api.post("/pools", &json!({ "name": "a" }))),
        ("PUT", |api| api.put("/pools", &json!({ "name": "a" }))),
    ];
    for (method, write) in writes {
        let host = echo();
        write(&Client::new(&host, "api")).unwrap();
        let request = only_request(&host);
        assert_eq!((&*request.method, &*request.body), (method, &br#"{"name":"a"}"#[..]));
        assert!(request.headers.contains(&header("content-type", "application/json")), "{:?}", request.headers);
    }
}

#[test]
fn an_empty_answer_is_nothing() {
    let host = TestHost::default();
    host.serve_http(|_, _| Ok(empty(204)));
    let api = Client::new(&host, "api");
    api.delete::<()>("/pools/1").unwrap();
    api.delete::<IgnoredAny>("/pools/1").unwrap();
    assert_eq!(api.delete::<Option<Pool>>("/pools/1").unwrap(), None);
    api.delete::<Pool>("/pools/1").unwrap_err();
}

#[test]
fn what_holds_for_all_requests_gives_way_to_the_request() {
    let host = echo();
    let api = Client::new(&host, "api")
        .header("X-Version", "1")
        .header("x-Project", "a")
        .header("ACCEPT", "text/plain")
        .timeout(Duration::from_secs(5));
    let [plain, own] = api.join([
        RequestBuilder::get("/"),
        RequestBuilder::get("/").header("X-version", "2").timeout(Duration::from_micros(10)),
    ]);
    plain.unwrap();
    own.unwrap();
    let [(_, plain), (_, own)] = &*host.requests() else { panic!("not two requests") };
    let (version, project) = (header("x-version", "1"), header("x-project", "a"));
    assert_eq!(plain.headers, [version, project.clone(), header("accept", "text/plain")]);
    assert_eq!(own.headers, [header("x-version", "2"), project, header("accept", "text/plain")]);
    assert_eq!((plain.timeout, own.timeout), (Some(5000), Some(1)));
}

#[test]
fn what_cannot_be_json_is_not_sent_and_harms_no_other() {
    let host = echo();
    let map = std::collections::BTreeMap::from([((1, 2), 3)]);
    let [bad, good] = Client::new(&host, "api")
        .join([RequestBuilder::post("/pools?token=x").json(&map), RequestBuilder::post("/pools").json(&1)]);
    let bad = bad.unwrap_err();
    assert_eq!(bad.to_string(), "POST /pools: the body cannot be written as JSON: key must be a string");
    assert!(!bad.in_doubt());
    good.unwrap();
    assert_eq!(sent(&host), ["POST /pools"]);
}

#[test]
fn requests_side_by_side_are_answered_in_order_and_fail_alone() {
    let host = TestHost::default();
    host.serve_http(|_, request| match &*request.target {
        "/gone" => Ok(json_response(404, &json!({ "code": "NotFound" }))),
        "/number" => Ok(json_response(200, &7)),
        target => Ok(json_response(200, &json!({ "name": target }))),
    });
    let targets = ["/a", "/gone", "/number", "/b"];
    let answers = Client::new(&host, "api").send_all(targets.map(RequestBuilder::get));
    let [a, gone, number, b] = &*answers else { panic!("not four answers: {answers:?}") };
    let json = |answer: &Result<Answer, Error>| answer.as_ref().unwrap().json::<Pool>();
    assert_eq!(json(a).unwrap().name, "/a");
    assert_eq!(gone.as_ref().unwrap_err().status(), Some(404));
    assert!(matches!(json(number), Err(Error::Decode { .. })));
    assert_eq!(number.as_ref().unwrap().json::<u8>(), Ok(7));
    assert_eq!(json(b).unwrap().name, "/b");
    assert_eq!(sent(&host), targets.map(|target| format!("GET {target}")));
}

#[test]
fn no_request_is_no_call() {
    let host = TestHost::default();
    assert!(Client::new(&host, "api").send_all([]).is_empty());
    assert!(host.requests().is_empty());
}

#[test]
fn debug_shows_no_secret() {
    let request = RequestBuilder::post("/keys?token=hidden").header("x-key", "hidden").json(&"hidden");
    let text = format!("{request:?}");
    assert!(text.contains("POST /keys") && text.contains("x-key") && !text.contains("hidden"), "{text}");

    let host = TestHost::default();
    host.answer_http(Ok(json_response(200, &json!({ "key": "hidden" }))));
    let answer = Client::new(&host, "api").send(request).unwrap();
    let text = format!("{answer:?}");
    assert!(text.contains("POST /keys") && text.contains("200") && !text.contains("hidden"), "{text}");
    assert_eq!(answer.json::<Value>().unwrap()["key"], "hidden");
}
