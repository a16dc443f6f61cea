use serde::Deserialize;
use serde_json::json;

use super::{Client, Error, Pool, RequestBuilder, TestHost, empty, header, json_response};
use crate::{HttpError, Response, RetryAfter, http::Retry};

/// What becomes of one answer to a POST, which is never sent again.
fn failed(answer: Result<Response, HttpError>) -> Error {
    let host = TestHost::default();
    host.answer_http(answer);
    Client::new(&host, "api").retry(Retry::NEVER).send(RequestBuilder::post("/pools?token=hidden")).unwrap_err()
}

fn text(body: impl Into<Vec<u8>>) -> Response {
    Response { status: 500, headers: vec![], body: body.into() }
}

#[test]
fn errors_of_the_host_are_told_in_its_words_and_say_whether_the_request_is_in_doubt() {
    type Kind = fn(String) -> HttpError;
    let cases: [(Kind, bool); 6] = [
        (HttpError::Denied, false),
        (HttpError::InvalidRequest, false),
        (HttpError::TooLarge, true),
        (HttpError::Timeout, true),
        (HttpError::Connect, false),
        (HttpError::Io, true),
    ];
    let told = "POST /pools (grant api): cannot connect: Connection refused";
    for (error, in_doubt) in cases {
        let error = failed(Err(error(told.to_owned())));
        assert_eq!((error.to_string().as_str(), error.in_doubt(), error.status()), (told, in_doubt, None));
    }
}

#[test]
fn a_status_keeps_what_the_api_says() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Problem {
        code: String,
        field_name: String,
    }
    let error = failed(Ok(json_response(422, &json!({ "code": "NotUnique", "fieldName": "name" }))));
    assert_eq!(
        error.to_string(),
        r#"POST /pools is answered 422 Unprocessable Content: {"code":"NotUnique","fieldName":"name"}"#
    );
    let problem = Problem { code: "NotUnique".to_owned(), field_name: "name".to_owned() };
    assert_eq!((error.status(), error.body()), (Some(422), Some(problem)));
    assert_eq!(error.body::<Vec<u8>>(), None);
    assert_eq!(error.answer().unwrap().header("Content-Type"), Some("application/json"));
    assert!(!error.in_doubt());
    assert!(failed(Ok(empty(500))).in_doubt());
    assert_eq!(failed(Ok(empty(304))).to_string(), "POST /pools is answered 304 Not Modified");
    assert_eq!(failed(Ok(empty(599))).to_string(), "POST /pools is answered 599");
}

#[test]
fn an_error_is_told_in_the_words_of_the_api_and_not_in_its_json() {
    let told = |body: serde_json::Value| failed(Ok(json_response(503, &body))).answer().unwrap().words();
    let words = "no leader\u{1b} is elected";
    for body in [
        json!({ "type": "error", "code": 7, "message": words, "detail": "x" }),
        json!({ "message": null, "detail": words }),
        json!({ "message": " ", "title": words }),
        json!({ "error": words }),
        json!({ "error": { "message": words, "status": 503 } }),
    ] {
        assert_eq!(told(body), "no leader is elected");
    }
    assert_eq!(told(json!({ "message": "m".repeat(300) })), format!("{}...", "m".repeat(197)));
    assert_eq!(told(json!(["no", "words"])), r#"["no","words"]"#);
    assert_eq!(
        failed(Ok(text("<html>no</html>"))).to_string(),
        "POST /pools is answered 500 Internal Server Error: <html>no</html>"
    );
}

#[test]
fn an_excerpt_is_one_printable_bounded_line() {
    let shown = |body: &[u8]| failed(Ok(text(body))).answer().unwrap().excerpt();
    assert_eq!(shown(b"<html>\r\n\t<b>no</b>\x1b[0m\n"), "<html> <b>no</b> [0m");
    assert_eq!(shown(b"\xffno"), "\u{fffd}no");
    assert_eq!(shown(&[b'a'; 512]), "a".repeat(512));
    assert_eq!(shown(&[b'a'; 513]), format!("{}...", "a".repeat(509)));
    let cut = shown("ü".repeat(400).as_bytes());
    assert!(cut.len() <= 512 && cut.ends_with("ü..."), "{cut}");
}

#[test]
fn an_unexpected_answer_names_the_place() {
    let decode = |body: &str| {
        let host = TestHost::default();
        host.answer_http(Ok(Response { status: 200, headers: vec![], body: body.into() }));
        Client::new(&host, "api").get::<Vec<Pool>>("/pools").unwrap_err()
    };
    let error = decode(r#"[{"name": "a"}, {"name": 1}]"#);
    assert!(matches!(&error, Error::Decode { path, .. } if path == "[1].name"), "{error}");
    assert_eq!(
        error.to_string(),
        "the answer to GET /pools is not what was expected, at `[1].name`: invalid type: integer `1`, expected a string at line 1 column 26: \
         [{\"name\": \"a\"}, {\"name\": 1}]"
    );
    let error = decode("<html>down for maintenance</html>").to_string();
    assert!(
        error.starts_with("the answer to GET /pools is not what was expected, at `.`: expected value")
            && error.contains("down"),
        "{error}"
    );
    let error = decode("[] []").to_string();
    assert!(error.contains("trailing characters"), "{error}");
    assert!(decode("").in_doubt());
}

/// The error for the controller, as `<kind> <retry-after in milliseconds>`.
fn who_acts(error: Error) -> String {
    match crate::Error::from(error) {
        crate::Error::Invalid(_) => "invalid".to_owned(),
        crate::Error::Denied(_) => "denied".to_owned(),
        crate::Error::Conflict(_) => "conflict".to_owned(),
        crate::Error::Unavailable(RetryAfter { after, .. }) => format!("unavailable {after:?}"),
    }
}

#[test]
fn every_error_says_who_must_act() {
    let cases: [(&[u16], &str); 4] = [
        (&[401, 403], "denied"),
        (&[409, 412], "conflict"),
        (&[404, 408, 410, 423, 425, 429, 500, 502, 503, 504, 599], "unavailable None"),
        (&[302, 400, 405, 413, 415, 422], "denied"),
    ];
    for (statuses, who) in cases {
        for &status in statuses {
            assert_eq!(who_acts(failed(Ok(empty(status)))), who, "{status}");
        }
    }
    let waits = Response { headers: vec![header("retry-after", "7")], ..empty(503) };
    assert_eq!(who_acts(failed(Ok(waits))), "unavailable Some(7000)");

    let why = || "why".to_owned();
    for error in [HttpError::Denied(why()), HttpError::InvalidRequest(why()), HttpError::TooLarge(why())] {
        assert_eq!(who_acts(failed(Err(error))), "denied");
    }
    for error in [HttpError::Timeout(why()), HttpError::Connect(why()), HttpError::Io(why())] {
        assert_eq!(who_acts(failed(Err(error))), "unavailable None");
    }
    let undecodable = Error::Decode { request: why(), path: why(), message: why(), excerpt: why() };
    assert_eq!(who_acts(undecodable), "unavailable None");

    let crate::Error::Denied(message) = failed(Ok(empty(401))).into() else { panic!("not denied") };
    assert_eq!(message, "POST /pools is answered 401 Unauthorized");
}
