use std::cell::Cell;

use serde_json::json;

use crate::{
    Host, HttpError, Request, Response,
    testing::{TestHost, json_response},
};

fn request(target: &str) -> Request {
    Request { method: "GET".to_owned(), target: target.to_owned(), headers: vec![], body: vec![], timeout: None }
}

#[test]
fn prepared_answers_come_before_those_of_the_closure() {
    let host = TestHost::default();
    let unanswered = host.http().send("api", &request("/a"));
    assert!(matches!(unanswered, Err(HttpError::Connect(why)) if why.contains("/a")));

    let calls = Cell::new(0);
    host.serve_http(move |grant, request| {
        calls.set(calls.get() + 1);
        Ok(json_response(200, &json!([grant, request.target, calls.get()])))
    });
    host.answer_http(Err(HttpError::Io("reset".to_owned())));
    let answers = host.http().send_all("api", &[request("/b"), request("/c"), request("/d")]);
    let served = |json: &str| {
        let headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
        Ok(Response { status: 200, headers, body: json.into() })
    };
    let reset = Err(HttpError::Io("reset".to_owned()));
    assert_eq!(answers, [reset, served(r#"["api","/c",1]"#), served(r#"["api","/d",2]"#)]);
    assert_eq!(host.requests(), ["/a", "/b", "/c", "/d"].map(|target| ("api".to_owned(), request(target))));
}
