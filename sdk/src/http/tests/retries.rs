use std::time::Duration;

use serde_json::json;

use super::{Client, Error, Pool, RequestBuilder, TestHost, empty, header, json_response, sent};
use crate::{Clock, HttpError, Response, http::Retry};

type Fault = fn() -> Result<Response, HttpError>;

const CONNECT: Fault = || Err(HttpError::Connect("refused".to_owned()));
const TIMEOUT: Fault = || Err(HttpError::Timeout("30 s".to_owned()));
const IO: Fault = || Err(HttpError::Io("reset".to_owned()));

fn builders() -> [(&'static str, RequestBuilder, bool); 8] {
    [
        ("get", RequestBuilder::get("/"), true),
        ("head", RequestBuilder::new("head", "/"), true),
        ("put", RequestBuilder::put("/"), false),
        ("delete", RequestBuilder::delete("/"), false),
        ("post", RequestBuilder::post("/"), false),
        ("idempotent put", RequestBuilder::put("/").idempotent(), true),
        ("idempotent delete", RequestBuilder::delete("/").idempotent(), true),
        ("idempotent post", RequestBuilder::post("/").idempotent(), true),
    ]
}

/// How often a request is sent that fails once, then succeeds.
fn attempts(request: &RequestBuilder, fault: Result<Response, HttpError>) -> usize {
    let host = TestHost::default();
    host.answer_http(fault);
    host.serve_http(|_, _| Ok(empty(200)));
    let result = Client::new(&host, "api").send(request.clone());
    let attempts = host.requests().len();
    assert_eq!(result.is_ok(), attempts == 2, "{result:?}");
    attempts
}

/// The milliseconds that a client waited for the answers to one GET, and the last word.
fn waited(host: &TestHost, retry: Retry) -> (u64, Result<(), Error>) {
    let before = host.monotonic();
    let result = Client::new(host, "api").retry(retry).get("/");
    ((host.monotonic() - before) / 1_000_000, result)
}

#[test]
fn a_request_that_did_not_get_through_is_always_sent_again() {
    for (name, request, _) in builders() {
        assert_eq!(attempts(&request, CONNECT()), 2, "{name}");
    }
}

#[test]
fn only_what_is_idempotent_is_sent_again_when_it_may_have_been_carried_out() {
    for (name, request, idempotent) in builders() {
        for fault in [TIMEOUT(), IO(), Ok(empty(429)), Ok(empty(502)), Ok(empty(503)), Ok(empty(504))] {
            assert_eq!(attempts(&request, fault.clone()), 1 + usize::from(idempotent), "{name}: {fault:?}");
        }
    }
}

#[test]
fn what_does_not_pass_is_not_sent_again() {
    let answers = [400, 401, 404, 409, 422, 500, 501].map(|status| Ok(empty(status)));
    let refusals = [HttpError::Denied, HttpError::InvalidRequest, HttpError::TooLarge];
    for fault in answers.into_iter().chain(refusals.map(|refusal| Err(refusal("no".to_owned())))) {
        assert_eq!(attempts(&RequestBuilder::get("/"), fault.clone()), 1, "{fault:?}");
    }
}

#[test]
fn a_client_may_declare_its_writes_idempotent() {
    for (request, sent) in [
        (RequestBuilder::put("/"), 2),
        (RequestBuilder::delete("/"), 2),
        (RequestBuilder::post("/"), 1),
        (RequestBuilder::new("PATCH", "/"), 1),
    ] {
        let host = TestHost::default();
        host.answer_http(TIMEOUT());
        host.serve_http(|_, _| Ok(empty(200)));
        drop(Client::new(&host, "api").idempotent_writes().send(request.clone()));
        assert_eq!(host.requests().len(), sent, "{request:?}");
    }
}

#[test]
fn attempts_are_bounded_and_pauses_grow() {
    let host = TestHost::default();
    host.serve_http(|_, _| Ok(empty(503)));
    let (waited_for, result) = waited(&host, Retry::default());
    assert_eq!(result.unwrap_err().status(), Some(503));
    assert_eq!(host.requests().len(), 3);
    assert!((100 + 200..=200 + 400).contains(&waited_for), "{waited_for} ms");

    let host = TestHost::default();
    host.serve_http(|_, _| CONNECT());
    let (waited_for, result) = waited(&host, Retry::NEVER);
    assert!(matches!(result, Err(Error::Connect(_))));
    assert_eq!((host.requests().len(), waited_for), (1, 0));
}

#[test]
fn a_pause_has_jitter() {
    let retry = Retry::default();
    let pause = |attempt, random| retry.back_off(attempt, random);
    assert_eq!(pause(1, &[0, 0]), Duration::from_millis(100));
    assert_eq!(pause(1, &[0x80, 0]), Duration::from_millis(150));
    assert!((Duration::from_millis(199)..Duration::from_millis(200)).contains(&pause(1, &[0xff, 0xff])));
    assert_eq!(pause(2, &[0, 0]), Duration::from_millis(200));
    assert_eq!(pause(3, &[0, 0]), Duration::from_millis(400));
    assert!(pause(u32::MAX, &[0xff, 0xff]) > pause(3, &[0xff, 0xff]));
}

#[test]
fn the_pauses_of_one_client_are_bounded_together() {
    let host = TestHost::default();
    host.serve_http(|_, _| Ok(empty(503)));
    let api = Client::new(&host, "api");
    for _ in 0..20 {
        api.get::<()>("/").unwrap_err();
    }
    let waited = host.monotonic() / 1_000_000;
    assert!((1_500..2_000).contains(&waited), "{waited} ms");
    let before = host.requests().len();
    api.get::<()>("/").unwrap_err();
    assert_eq!(host.requests().len(), before + 1, "patience is spent");
}

#[test]
fn nothing_is_sent_again_long_after_it_was_sent_first() {
    /// A host on which every request takes its time.
    struct Slow(TestHost, u32);
    impl crate::Http for Slow {
        fn send(&self, _: &str, _: &crate::Request) -> Result<Response, HttpError> {
            self.0.sleep(self.1);
            TIMEOUT()
        }
        fn send_all(&self, _: &str, _: &[crate::Request]) -> Vec<Result<Response, HttpError>> {
            unreachable!("one request is one `send`")
        }
    }
    for (takes, attempts) in [(5_000, 3), (15_000, 2), (30_000, 1)] {
        let slow = Slow(TestHost::default(), takes);
        let host = crate::testing::TestHost::default();
        let api = Client { http: &slow, clock: &slow.0, ..Client::new(&host, "api") };
        assert!(matches!(api.get::<()>("/"), Err(Error::Timeout(_))));
        let seconds = slow.0.monotonic() / 1_000_000_000;
        assert_eq!(seconds, u64::from(takes / 1000 * attempts), "{takes} ms each");
    }
}

#[test]
fn retry_after_is_honoured_or_the_request_is_left() {
    // The host's clock starts at 2027-01-15 08:00:00.
    for (asked, milliseconds) in [("1", 1_000), ("Fri, 15 Jan 2027 08:00:01 GMT", 1_000)] {
        let host = TestHost::default();
        host.answer_http(Ok(Response { headers: vec![header("retry-after", asked)], ..empty(429) }));
        host.serve_http(|_, _| Ok(empty(200)));
        let (waited_for, result) = waited(&host, Retry::default());
        result.unwrap();
        assert_eq!(waited_for, milliseconds, "{asked}");
    }
    for (asked, after) in [("2", 2_000), ("3600", 3_600_000), ("Fri, 15 Jan 2027 09:00:00 GMT", 3_600_000)] {
        let host = TestHost::default();
        host.serve_http(move |_, _| Ok(Response { headers: vec![header("retry-after", asked)], ..empty(503) }));
        let (waited_for, result) = waited(&host, Retry::default());
        let error = result.unwrap_err();
        assert_eq!(error.answer().unwrap().retry_after(), Some(Duration::from_millis(after)), "{asked}");
        assert_eq!((waited_for, host.requests().len()), (0, 1), "{asked}");
    }
    for past_or_no_time in ["0", "Fri, 15 Jan 2021 09:00:00 GMT", "soon", "-1"] {
        let host = TestHost::default();
        host.answer_http(Ok(Response { headers: vec![header("retry-after", past_or_no_time)], ..empty(429) }));
        host.serve_http(|_, _| Ok(empty(200)));
        let (waited_for, result) = waited(&host, Retry::default());
        result.unwrap();
        assert!((100..=200).contains(&waited_for), "{past_or_no_time}: {waited_for} ms");
    }
}

#[test]
fn only_the_failed_ones_of_several_are_sent_again() {
    let host = TestHost::default();
    let mut calls = 0;
    host.serve_http(move |_, request| {
        calls += 1;
        match (&*request.target, calls) {
            ("/gone", _) => Ok(empty(404)),
            ("/patient", _) => Ok(Response { headers: vec![header("retry-after", "60")], ..empty(503) }),
            ("/flaky" | "/write", ..=5) => TIMEOUT(),
            ("/refused", ..=8) => CONNECT(),
            (target, _) => Ok(json_response(200, &json!({ "name": target }))),
        }
    });
    let [good, gone, patient, flaky, write, refused] = Client::new(&host, "api").join([
        RequestBuilder::get("/good"),
        RequestBuilder::get("/gone"),
        RequestBuilder::get("/patient"),
        RequestBuilder::get("/flaky"),
        RequestBuilder::post("/write"),
        RequestBuilder::post("/refused"),
    ]);
    for (answer, name) in [(good, "/good"), (flaky, "/flaky"), (refused, "/refused")] {
        assert_eq!(answer.unwrap().json::<Pool>().unwrap().name, name);
    }
    assert_eq!(gone.unwrap_err().status(), Some(404));
    assert_eq!(patient.unwrap_err().status(), Some(503));
    assert!(matches!(write, Err(Error::Timeout(_))));
    let again = sent(&host).split_off(6);
    assert_eq!(again, ["GET /flaky", "POST /refused", "POST /refused"]);
}

#[test]
fn a_doubt_is_not_settled_by_an_attempt_that_did_not_get_through() {
    let host = TestHost::default();
    host.answer_http(TIMEOUT());
    host.serve_http(|_, _| CONNECT());
    let error = Client::new(&host, "api").send(RequestBuilder::put("/").idempotent()).unwrap_err();
    assert!(matches!(&error, Error::Timeout(_)) && error.in_doubt(), "{error}");
    assert_eq!(host.requests().len(), 3);

    let host = TestHost::default();
    host.answer_http(TIMEOUT());
    host.answer_http(Ok(empty(404)));
    let error = Client::new(&host, "api").send(RequestBuilder::delete("/").idempotent()).unwrap_err();
    assert_eq!(error.status(), Some(404));
}

#[test]
fn a_client_whose_calls_are_repeated_anyway_sends_again_over_a_broken_connection_alone() {
    for (fault, sent) in [(IO(), 2), (CONNECT(), 1), (TIMEOUT(), 1), (Ok(empty(429)), 1), (Ok(empty(503)), 1)] {
        let host = TestHost::default();
        host.serve_http(move |_, _| fault.clone());
        let (waited_for, result) = waited(&host, Retry::BROKEN_CONNECTION);
        result.unwrap_err();
        assert_eq!(host.requests().len(), sent);
        assert!(waited_for <= 50, "{waited_for} ms");
    }
    let host = TestHost::default();
    host.serve_http(|_, _| IO());
    Client::new(&host, "api").retry(Retry::BROKEN_CONNECTION).send(RequestBuilder::post("/")).unwrap_err();
    assert_eq!(host.requests().len(), 1, "it may have been carried out");
}
