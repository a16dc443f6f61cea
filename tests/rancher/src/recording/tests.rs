use serde_json::json;

use super::*;
use crate::Key;

const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----\n";

fn record(recording: &Recording, request: &Request, status: u16, answer: &Value) {
    let entry = recording.begin(Timestamp::UNIX_EPOCH, request);
    entry.served(&Response { status, body: answer.to_string().into_bytes(), ..Response::default() });
    entry.answered(status);
}

#[test]
fn requests_are_kept_in_order_with_the_name_of_the_key_only() {
    let recording = Recording::with_capacity(100);
    let key = Key { access: "A".to_owned(), secret: "very secret words".to_owned() };
    let mark = recording.mark();
    record(&recording, &Request::new("GET", "/v2-beta/stacks").with_key(&key), 200, &json!({}));
    let second = recording.mark();
    record(&recording, &Request::new("PUT", "/v2-beta/stacks/1st7"), 409, &json!({}));
    assert_eq!(recording.since(mark).len(), 2);
    assert_eq!(format!("{:?}", recording.since(second)), "Exchanges([PUT /v2-beta/stacks/1st7 -> 409])");
    assert_eq!(recording.all()[0].key.as_deref(), Some("A"));
    assert!(recording.all()[0].headers.is_empty(), "no credentials");
    assert_eq!(recording.writes().len(), 1);
    assert_eq!(recording.count("GET", "/stacks"), 1);
}

#[test]
fn secrets_are_found_whatever_their_form() {
    for text in [KEY.to_owned(), json!({"key": KEY}).to_string(), STANDARD.encode(KEY), "x MIGHAgEAMBMGByqGSM49".into()]
    {
        assert!(holds(&text, KEY), "{text}");
    }
    assert!(!holds("-----BEGIN PRIVATE KEY-----", KEY), "the armour is no secret");
    assert!(holds("the pw is short", "short") && !holds("anything", ""));
}

#[test]
fn secrets_may_be_in_bodies_of_writes_only() {
    let recording = Recording::with_capacity(100);
    let body = json!({"key": KEY});
    record(&recording, &Request::new("POST", "/v2-beta/certificates").with_json(&body), 201, &json!({"id": "1c1"}));
    assert!(recording.all().leaks(KEY).is_empty());
    assert!(recording.all().holding_outside(KEY, "WRITE", "/certificates/**").is_empty());
    record(&recording, &Request::new("PUT", "/v2-beta/stacks/1st7").with_json(&body), 200, &json!({}));
    assert_eq!(recording.all().holding_outside(KEY, "WRITE", "/certificates/**").len(), 1);
    record(&recording, &Request::new("GET", "/v2-beta/x?y=MIGHAgEAMBMGByqGSM49"), 200, &json!({}));
    record(&recording, &Request::new("GET", "/v2-beta/x").with_json(&body), 200, &json!({}));
    record(&recording, &Request::new("GET", "/v2-beta/x").with_header("X", "MIGHAgEAMBMGByqGSM49"), 200, &json!({}));
    assert_eq!(recording.all().leaks(KEY).len(), 3);
}

#[test]
fn bodies_never_show_in_debug() {
    let recording = Recording::with_capacity(100);
    record(&recording, &Request::new("POST", "/v2-beta/certificates").with_json(&json!({"key": KEY})), 201, &json!({}));
    assert!(!holds(&format!("{recording:?} {:?}", recording.all()), KEY));
}

#[test]
fn writes_outside_of_ours_are_found() {
    let recording = Recording::with_capacity(100);
    let create = Request::new("POST", "/v2-beta/loadbalancerservices").with_json(&json!({"stackId": "1st7"}));
    record(&recording, &create, 201, &json!({"id": "1s20"}));
    record(&recording, &Request::new("PUT", "/v2-beta/loadbalancerservices/1s20"), 200, &json!({"id": "1s20"}));
    let certificate = Request::new("POST", "/v2-beta/certificates").with_json(&json!({}));
    record(&recording, &certificate, 201, &json!({"id": "1c3"}));
    record(&recording, &Request::new("GET", "/v2-beta/loadbalancerservices/1s99"), 200, &json!({"id": "1s99"}));
    assert!(recording.all().writes_outside(&["1st7", "1c3"]).is_empty());
    assert_eq!(recording.all().written_ids().into_iter().collect::<Vec<_>>(), ["1c3", "1s20"]);
    record(&recording, &Request::new("POST", "/v2-beta/loadbalancerservices/1s99/?action=remove"), 202, &json!({}));
    let moved = Request::new("PUT", "/v2-beta/loadbalancerservices/1s98").with_json(&json!({"stackId": "1st7"}));
    record(&recording, &moved, 200, &json!({}));
    let outside = recording.all().writes_outside(&["1st7", "1c3"]);
    assert_eq!(outside.iter().filter_map(Exchange::id).collect::<Vec<_>>(), ["1s99", "1s98"]);
}

#[test]
fn the_peak_is_the_busiest_span() {
    let recording = Recording::with_capacity(100);
    for _ in 0..3 {
        record(&recording, &Request::new("GET", "/v2-beta"), 200, &json!({}));
    }
    let mut exchanges: Vec<Exchange> = recording.all().to_vec();
    let start = exchanges[0].arrived;
    for (exchange, milliseconds) in exchanges.iter_mut().zip([0, 900, 1000]) {
        exchange.arrived = start + Duration::from_millis(milliseconds);
    }
    let exchanges: Exchanges = exchanges.into_iter().collect();
    assert_eq!(exchanges.peak(Duration::from_secs(1)), 2);
    assert_eq!(exchanges.peak(Duration::from_secs(2)), 3);
    assert_eq!(Exchanges::default().peak(Duration::from_secs(1)), 0);
}

#[test]
fn a_summary_tells_what_happened() {
    let recording = Recording::with_capacity(100);
    let answer = json!({"type": "loadBalancerService", "id": "1s20", "name": "web", "state": "registering"});
    record(&recording, &Request::new("POST", "/v2-beta/loadbalancerservices"), 201, &answer);
    let refused = json!({"type": "error", "code": "NotUnique", "fieldName": "name"});
    record(&recording, &Request::new("POST", "/v2-beta/loadbalancerservices/1s20/?action=remove"), 422, &refused);
    let lines: Vec<String> = recording.all().iter().map(Exchange::summary).collect();
    assert_eq!(lines[0], "POST           loadBalancerService    1s20   web registering");
    assert_eq!(lines[1], "remove         loadbalancerservices/1s20 422 NotUnique name");
}

#[test]
fn the_oldest_request_is_forgotten_first_and_marks_hold() {
    let recording = Recording::with_capacity(2);
    let entry = recording.begin(Timestamp::UNIX_EPOCH, &Request::new("GET", "/v2-beta/a"));
    let mark = recording.mark();
    for target in ["/v2-beta/b", "/v2-beta/c", "/v2-beta/d"] {
        record(&recording, &Request::new("GET", target), 200, &json!({}));
    }
    entry.answered(500);
    assert!(entry.exchange().is_none());
    let targets: Vec<_> = recording.since(mark).iter().map(|exchange| exchange.target.clone()).collect();
    assert_eq!(targets, ["/v2-beta/c", "/v2-beta/d"]);
    assert!(recording.all().iter().all(|exchange| exchange.status == Some(200)));
    assert!(recording.since(recording.mark()).is_empty());
}
