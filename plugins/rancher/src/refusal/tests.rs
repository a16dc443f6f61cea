use lb_provider::{
    HttpError, Response,
    http::{Client, Retry},
    testing::{TestHost, json_response},
};
use serde_json::{Value, json};

use super::*;

/// What becomes of an answer to a read of the stacks: who acts, and the words.
fn told(answer: Result<Response, HttpError>) -> (&'static str, String) {
    let host = TestHost::default();
    host.answer_http(answer);
    let read = Client::new(&host, "rancher").retry(Retry::NEVER).get::<Vec<Value>>("/stacks?name=secret");
    match of(read.unwrap_err()) {
        Error::Denied(text) => ("denied", text),
        Error::Conflict(text) => ("conflict", text),
        Error::Unavailable(retry) => ("unavailable", retry.message),
        Error::Invalid(rejections) => panic!("{rejections:?}"),
    }
}

fn answered(status: u16, fields: &Value) -> (&'static str, String) {
    let mut body = json!({ "id": "1", "type": "error", "links": {}, "status": status, "code": null, "detail": null });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    told(Ok(json_response(status, &body)))
}

#[test]
fn an_answer_is_told_in_one_sentence_without_its_json() {
    let long = "no database\u{1b}[31m ".repeat(30);
    let (who, text) = answered(503, &json!({ "message": long }));
    assert_eq!(who, "unavailable");
    let beginning = "the Rancher API answers 503 Service Unavailable to GET /stacks: no database [31m no";
    assert!(text.starts_with(beginning), "{text}");
    assert!(text.len() <= beginning.len() + 200 && !text.contains(['{', '\u{1b}']), "{text}");
    for (status, fields, expected) in [
        (500, json!({ "code": "InternalError" }), "500 Internal Server Error to GET /stacks: InternalError"),
        (404, json!({ "code": "Not Found", "message": "Not Found" }), "404 Not Found to GET /stacks: Not Found"),
        (429, json!({}), "429 Too Many Requests to GET /stacks"),
    ] {
        let expected = format!("the Rancher API answers {expected}");
        assert_eq!(answered(status, &fields), ("unavailable", expected));
    }
    // What is not Rancher's is not quoted.
    let page = Response { status: 502, headers: vec![], body: b"<html>nginx</html>".to_vec() };
    let expected = "the Rancher API answers 502 Bad Gateway to GET /stacks".to_owned();
    assert_eq!(told(Ok(page)), ("unavailable", expected));
    let (who, text) = answered(400, &json!({ "code": "InvalidBodyContent" }));
    assert_eq!((who, &*text), ("denied", "the Rancher API answers 400 Bad Request to GET /stacks: InvalidBodyContent"));
}

#[test]
fn a_missing_answer_is_told_once_with_what_to_do() {
    let request = "GET /stacks (grant rancher)";
    let refused = format!("{request}: cannot connect: Connection refused (os error 111)");
    let expected = format!("{refused}; check CATTLE_URL, and that Rancher is up");
    assert_eq!(told(Err(HttpError::Connect(refused))), ("unavailable", expected));
    let late = format!("{request}: no complete answer within 30000 ms");
    assert_eq!(told(Err(HttpError::Timeout(late.clone()))), ("unavailable", format!("Rancher did not answer: {late}")));
    let denied = format!("{request}: the path is not granted");
    assert_eq!(told(Err(HttpError::Denied(denied.clone()))), ("denied", denied));
    let (who, text) = told(Ok(Response { status: 200, headers: vec![], body: b"<html>log in</html>".to_vec() }));
    assert_eq!(who, "unavailable");
    assert!(text.starts_with("what answers GET /stacks is not Rancher's API, at `.`: expected value"), "{text}");
    assert!(text.ends_with("; check CATTLE_URL") && !text.contains("html"), "{text}");
}

#[test]
fn what_rancher_says_of_a_field_is_told() {
    let (who, text) = answered(422, &json!({ "code": "InvalidReference", "fieldName": "imageUuid" }));
    let expected = "Rancher cannot use the image of the setting `image` (422 InvalidReference of imageUuid)";
    assert_eq!((who, &*text), ("denied", expected));
    let (who, text) = answered(409, &json!({ "code": "Conflict", "message": "busy" }));
    assert_eq!(
        (who, &*text),
        ("conflict", "Rancher could not do that in the state that it found (409 Conflict: busy)")
    );
}
