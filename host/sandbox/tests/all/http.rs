use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::Request, http::StatusCode, response::IntoResponse};
use base64::Engine as _;
use lb_model::{
    provider::{Breach, Provider},
    types::Readiness,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Barrier};

use crate::{
    events::Events,
    world::{World, breach, change, eventually},
};

const PASSWORD: &str = "hunter2-hunter2";

/// A server that answers with what it was asked, and waits at `/together` for two.
async fn server() -> (String, Arc<AtomicUsize>) {
    let (requests, two) = (Arc::<AtomicUsize>::default(), Arc::new(Barrier::new(2)));
    let counted = requests.clone();
    let router = Router::new().fallback(move |request: Request| {
        counted.fetch_add(1, Ordering::SeqCst);
        let two = two.clone();
        async move {
            match request.uri().path() {
                "/v1/together" => {
                    two.wait().await;
                }
                "/v1/never" => futures::future::pending().await,
                _ => {}
            }
            let has = |name: &str| request.headers().contains_key(name);
            let body = format!("{} {} {}", request.uri(), has("authorization"), has("x-guest"));
            (StatusCode::CREATED, [("set-cookie", "a=b"), ("x-name", "value")], body).into_response()
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, requests)
}

fn configuration(url: &str, calls: Value, limits: Value) -> Value {
    json!({
        "settings": { "calls": calls },
        "grants": { "http": { "api": {
            "base-url": url,
            "allow-addresses": ["loopback"],
            "credentials": { "basic": { "username": "admin", "password": PASSWORD } },
        } } },
        "limits": limits,
    })
}

/// What the guest tells of its calls.
async fn answers(world: &World, url: &str, calls: Value) -> Value {
    let configuration = configuration(url, calls, json!({}));
    let plugin = world.load(&lb_guests::component("http"), configuration).await.unwrap();
    let outcome = plugin.apply(change("lb")).await.unwrap();
    let Readiness::Pending(told) = outcome.readiness else { panic!("{outcome:?}") };
    serde_json::from_str(&told).unwrap()
}

#[tokio::test]
async fn a_guest_reaches_the_api_and_sees_no_credential() {
    let (world, events) = (World::new(), Events::collect());
    let (url, _) = server().await;
    let calls = json!([
        { "grant": "api", "send": "GET /stacks?a=b" },
        { "grant": "api", "send-all": ["GET /together", "GET /settings", "DELETE /stacks", "GET /together"] },
        { "grant": "api", "send-all": [] },
    ]);
    let answers = answers(&world, &url, calls).await;
    let ok = |body: &str| json!({ "status": 201, "headers": ["x-name", "content-length", "date"], "body": body });
    assert_eq!(answers[0].as_object().unwrap()["body"], "/v1/stacks?a=b true true");
    assert!(!answers.to_string().contains("set-cookie") && !answers.to_string().contains(PASSWORD), "{answers}");
    // The order is that of the requests, and the two wait for each other.
    assert_eq!(answers[1][0]["body"], ok("/v1/together true true")["body"]);
    assert_eq!(answers[1][1]["body"], "/v1/settings true true");
    let denied = "DELETE /stacks (grant api): the method is not among those granted: GET";
    assert_eq!(answers[1][2], json!({ "denied": denied }));
    assert_eq!(answers[1][3]["status"], 201);
    assert_eq!(answers[2], json!([]));
    for line in [
        "lb_provider_http_requests_total{provider=\"http\",grant=\"api\",method=\"GET\",outcome=\"2xx\"} 4",
        "lb_provider_http_requests_total{provider=\"http\",grant=\"api\",method=\"other\",outcome=\"denied\"} 1",
        "lb_provider_http_refusals_total{provider=\"http\",grant=\"api\",reason=\"method\"} 1",
        "lb_provider_http_request_duration_seconds_count{provider=\"http\",grant=\"api\"} 5",
    ] {
        let counted = world.counted();
        assert!(counted.lines().any(|it| it == line), "{line} is not in\n{counted}");
    }
    let logged = events.of("lb_sandbox::grants::http");
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].starts_with("WARN ") && logged[0].contains(denied), "{logged:?}");
    assert!(!events.all().iter().any(|line| line.contains(PASSWORD)));
}

/// The guest tells all that it got, and then searches all of its memory. The API sends the provider to another host, and
/// asks for credentials in ways that repeat them.
#[tokio::test]
async fn no_credential_is_ever_in_the_memory_of_a_guest() {
    let stranger = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = format!("http://{}/steal", stranger.local_addr().unwrap());
    let basic = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(format!("admin:{PASSWORD}")));
    let bearer = format!("Bearer {PASSWORD}");
    for (credentials, header, expected) in [
        (json!({ "basic": { "username": "admin", "password": PASSWORD } }), "authorization", basic.as_str()),
        (json!({ "bearer": PASSWORD }), "authorization", bearer.as_str()),
        (json!({ "header": { "name": "x-api-key", "value": PASSWORD } }), "x-api-key", PASSWORD),
    ] {
        let (sent, away) = (Arc::<AtomicUsize>::default(), away.clone());
        let (counted, expected) = (sent.clone(), expected.to_owned());
        let wanted = expected.clone();
        let router = Router::new().fallback(move |request: Request| {
            let (counted, away, wanted) = (counted.clone(), away.clone(), wanted.clone());
            async move {
                let given = request.headers().get(header).and_then(|value| value.to_str().ok()).unwrap_or_default();
                if given == wanted {
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                let names: Vec<_> = request.headers().keys().map(ToString::to_string).collect();
                let repeated = [
                    ("www-authenticate", given.to_owned()),
                    ("set-cookie", format!("session={given}")),
                    ("authentication-info", given.to_owned()),
                    ("x-api-key", PASSWORD.to_owned()),
                ];
                // Only the header that carries the credentials is withheld by its name.
                let kept = if header == "x-api-key" { 4 } else { 3 };
                let headers = axum::response::AppendHeaders(repeated.into_iter().take(kept));
                if request.uri().path() == "/v1/away" {
                    return (StatusCode::FOUND, [("location", away)], headers, String::new()).into_response();
                }
                (StatusCode::OK, [("x-here", "found by the search")], headers, names.join(" ")).into_response()
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await });

        let backwards = |text: &str| text.chars().rev().collect::<String>();
        let encoded = expected.rsplit(' ').next().unwrap();
        let calls = json!([
            { "grant": "api", "send": "GET /" },
            { "grant": "api", "send": "GET /away" },
            { "count": backwards(encoded) },
            { "count": backwards(PASSWORD) },
            { "count": backwards("found by the search") },
        ]);
        let mut configuration = configuration(&url, calls, json!({}));
        configuration["grants"]["http"]["api"]["credentials"] = credentials;
        configuration["grants"]["http"]["api"]["redirects"] = 3.into();
        let world = World::new();
        let plugin = world.load(&lb_guests::component("http"), configuration).await.unwrap();
        let outcome = plugin.apply(change("lb")).await.unwrap();
        let Readiness::Pending(told) = outcome.readiness else { panic!("{outcome:?}") };
        assert!(!told.contains(PASSWORD) && !told.contains(encoded), "{told}");
        let answers: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(sent.load(Ordering::SeqCst), 2, "the API got them with each request: {told}");
        assert!(answers[0]["body"].as_str().unwrap().contains(header), "{told}");
        assert!(answers[1]["denied"].is_string(), "no other host is followed to: {told}");
        assert_eq!((&answers[2], &answers[3]), (&json!(0), &json!(0)), "in the memory of the guest");
        assert!(answers[4].as_u64().unwrap() > 0, "the search finds what is there: {told}");
        server.abort();
    }
    let nobody = futures::FutureExt::now_or_never(stranger.accept());
    assert!(nobody.is_none(), "the other host was connected to");
}

#[tokio::test]
async fn refusals_are_logged_once_for_each_call_and_reason() {
    let (world, events) = (World::new(), Events::collect());
    let (url, requests) = server().await;
    let calls = json!([
        { "grant": "api", "send-all": ["GET /../a", "GET /b//c", "GET http://169.254.169.254/latest?secret"] },
        { "grant": "metadata", "send": "GET /latest" },
        { "grant": "metadata", "send-all": ["GET /latest", "GET /latest"] },
        { "grant": "api\nERROR forged", "send": "GET /" },
    ]);
    let answers = answers(&world, &url, calls).await;
    assert_eq!(requests.load(Ordering::SeqCst), 0);
    assert_eq!(answers[1], json!({ "denied": "grant metadata: there is no such HTTP grant; granted: api" }));
    assert!(answers[3]["denied"].as_str().unwrap().starts_with("grant api\\nERROR forged: "), "{answers}");
    let logged = events.of("lb_sandbox::grants::http");
    assert_eq!(logged.len(), 2, "one for the path, one for the grant: {logged:?}");
    assert!(!format!("{logged:?}{answers}").contains("secret"), "{logged:?}");
    let counted = world.counted();
    for line in [
        "lb_provider_http_refusals_total{provider=\"http\",grant=\"api\",reason=\"path\"} 3",
        "lb_provider_http_refusals_total{provider=\"http\",grant=\"\",reason=\"grant\"} 4",
    ] {
        assert!(counted.lines().any(|it| it == line), "{line} is not in\n{counted}");
    }
}

#[tokio::test]
async fn waiting_for_an_answer_is_wall_time_and_no_computing() {
    let world = World::new();
    let (url, requests) = server().await;
    let calls = json!([{ "grant": "api", "send": "GET /never" }]);
    let limits = json!({ "wall-ms": 2000, "compute-ms": 500 });
    let plugin = world.load(&lb_guests::component("http"), configuration(&url, calls, limits)).await.unwrap();
    let (kind, message) = breach(plugin.apply(change("lb")).await.unwrap_err());
    assert_eq!(kind, Breach::WallDeadline, "{message}");
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn each_request_is_a_call_of_the_host() {
    let world = World::new();
    let (url, requests) = server().await;
    let calls = json!([{ "grant": "api", "send-all": vec!["GET /"; 11] }]);
    let configuration = configuration(&url, calls, json!({ "host-calls": 10 }));
    let plugin = world.load(&lb_guests::component("http"), configuration).await.unwrap();
    assert_eq!(breach(plugin.apply(change("lb")).await.unwrap_err()).0, Breach::HostCalls);
    assert_eq!(requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_grant_of_another_name_is_not_enough() {
    let world = World::new();
    let mut other = configuration("http://localhost", json!([]), json!({}));
    other["grants"]["http"] = json!({ "other": { "base-url": "http://localhost" } });
    let error = world.load(&lb_guests::component("http"), other).await.err().unwrap().to_string();
    assert!(error.contains("was not granted: http (api)"), "{error}");
    assert!(error.contains("grants:\n  http:\n    api:  # Talks to the API.\n      base-url: <url>\n"), "{error}");
}

#[tokio::test]
async fn what_the_grant_refers_to_must_be_there() {
    let world = World::new();
    let load = async |pointer: &str, value: Value| {
        let mut configuration = configuration("http://localhost", json!([]), json!({}));
        *configuration.pointer_mut(pointer).unwrap() = value;
        world.load(&lb_guests::component("http"), configuration).await.err().unwrap().to_string()
    };
    let error = load("/grants/http/api/base-url", json!({ "env": "LB_SANDBOX_NOT_SET" })).await;
    assert!(error.contains("`grants.http.api.base-url`") && error.contains("LB_SANDBOX_NOT_SET is not set"), "{error}");
    let password = "/grants/http/api/credentials/basic/password";
    let error = load(password, json!({ "file": "/nonexistent" })).await;
    assert!(error.contains("`grants.http.api.credentials.basic.password`: cannot read /nonexistent"), "{error}");
    let bearer = json!({ "bearer": format!("{PASSWORD}\u{1}") });
    let error = load("/grants/http/api/credentials", bearer).await;
    assert!(error.contains("`grants.http.api.credentials`") && !error.contains(PASSWORD), "{error}");
}

#[tokio::test]
async fn a_subscription_lives_as_long_as_its_plugin() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut configuration = configuration(&format!("http://{}", listener.local_addr().unwrap()), json!([]), json!({}));
    configuration["grants"]["subscriptions"] = json!({ "events": { "http": "api", "path": "/subscribe" } });
    let plugin = world.load(&lb_guests::component("http"), configuration).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
    tokio::time::timeout(Duration::from_mins(1), plugin.woken()).await.expect("connected");
    let connected = |up: u8| format!("lb_subscription_connected{{provider=\"http\",subscription=\"events\"}} {up}");
    assert!(world.counted().contains(&connected(1)));
    plugin.shutdown().await;
    eventually("the end of the subscription", || world.counted().contains(&connected(0))).await;
    let end = futures::StreamExt::next(&mut socket).await;
    assert!(!matches!(end, Some(Ok(message)) if message.is_text()));
}

#[tokio::test]
async fn a_subscription_that_is_refused_is_told_once() {
    let (world, events) = (World::new(), Events::collect());
    let attempts = Arc::<AtomicUsize>::default();
    let counted = attempts.clone();
    let router = Router::new().fallback(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async { StatusCode::BAD_GATEWAY }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut configuration = configuration(&format!("http://{}", listener.local_addr().unwrap()), json!([]), json!({}));
    tokio::spawn(async move { axum::serve(listener, router).await });
    configuration["grants"]["subscriptions"] = json!({ "events": { "http": "api", "path": "/subscribe?key=secret" } });
    let _plugin = world.load(&lb_guests::component("http"), configuration).await.unwrap();
    eventually("a third attempt", || attempts.load(Ordering::SeqCst) >= 3).await;
    let logged = events.of("lb_sandbox::subscription");
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].starts_with("WARN ") && logged[0].contains("502 Bad Gateway"), "{logged:?}");
    assert!(!events.all().iter().any(|line| line.contains(PASSWORD) || line.contains("secret")), "{:?}", events.all());
}
