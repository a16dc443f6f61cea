use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::{Body, Bytes};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{StreamExt, future::join_all, stream};
use serde_json::json;
use tokio::{io::AsyncReadExt, net::TcpListener, sync::Barrier, time::timeout};

use super::{
    Failure, HttpClient, PASSWORD, Reason, Request, Room, client, get, grant, reason, send,
    server::{Server, answer},
    text,
};

#[tokio::test]
async fn a_request_goes_below_the_base_and_the_answer_comes_back() {
    let server = Server::echo().await;
    let client = client(&format!("{}/v2", server.url), json!({}));
    let request = Request {
        method: "POST".to_owned(),
        body: b"hello".to_vec(),
        headers: vec![("Content-Type".to_owned(), b"text/plain".to_vec())],
        ..get("/stacks?a=b%20c")
    };
    let response = send(&client, request).await.unwrap();
    assert_eq!((response.status, text(&response)), (200, "POST /v2/stacks?a=b%20c 5"));
    let rebased = send(&client, get("http://elsewhere.example.com/v2/stacks/1")).await.unwrap();
    assert_eq!(text(&rebased), "GET /v2/stacks/1 0");
}

#[tokio::test]
async fn credentials_are_added_by_the_host() {
    let server = Server::echo().await;
    let basic = json!({ "credentials": { "basic": { "username": "admin", "password": { "env": "CARGO_PKG_NAME" } } } });
    send(&client(&server.url, basic), get("/")).await.unwrap();
    send(&client(&server.url, json!({ "credentials": { "bearer": PASSWORD } })), get("/")).await.unwrap();
    let pair = STANDARD.encode(format!("admin:{}", env!("CARGO_PKG_NAME")));
    assert_eq!(server.authorizations(), [format!("Basic {pair}"), format!("Bearer {PASSWORD}")]);
    let header = json!({ "credentials": { "header": { "name": "X-Api-Key", "value": PASSWORD } } });
    let response = send(&client(&server.url, header), get("/")).await.unwrap();
    // The server returns it, the provider does not see it.
    assert!(
        !format!("{response:?}").contains(PASSWORD) && response.headers.iter().all(|(name, _)| name != "x-api-key")
    );
}

#[tokio::test]
async fn a_rotated_secret_is_used_at_once() {
    let server = Server::echo().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    fs::write(&path, "one\n").unwrap();
    let client = client(&server.url, json!({ "credentials": { "bearer": { "file": path } } }));
    send(&client, get("/")).await.unwrap();
    fs::write(directory.path().join("next"), "two").unwrap();
    fs::rename(directory.path().join("next"), &path).unwrap();
    send(&client, get("/")).await.unwrap();
    assert_eq!(server.authorizations(), ["Bearer one", "Bearer two"]);
    fs::remove_file(&path).unwrap();
    let error = send(&client, get("/")).await.unwrap_err();
    assert!(matches!(&error, Failure::Connect(text) if text.contains("cannot read")), "{error}");
    fs::write(&path, "bad\u{1}secret").unwrap();
    let error = send(&client, get("/")).await.unwrap_err();
    assert!(
        matches!(&error, Failure::Connect(text) if !text.contains("secret\u{1}") && !text.contains("bad")),
        "{error}"
    );
    assert_eq!(server.requests(), 2);
}

#[test]
fn credentials_that_are_missing_are_named_and_none_is_shown() {
    for (credentials, named) in [
        (json!({ "bearer": { "env": "LB_SANDBOX_NOT_SET" } }), "credentials.bearer`: the environment variable LB_"),
        (json!({ "bearer": { "file": "/nonexistent" } }), "credentials.bearer`: cannot read /nonexistent"),
        (json!({ "basic": { "username": "a", "password": { "env": "LB_SANDBOX_NOT_SET" } } }), "basic.password`"),
        (json!({ "basic": { "username": "a:b", "password": PASSWORD } }), "credentials`: the user name"),
        (json!({ "header": { "name": "x y", "value": PASSWORD } }), "header.name`: `x y`"),
        (json!({ "header": { "name": "Cookie", "value": PASSWORD } }), "header.name`: `cookie`"),
        (json!({ "bearer": format!("{PASSWORD}\u{7}") }), "credentials`: the credentials hold a character"),
    ] {
        let grant = grant("http://api.example.com", json!({ "credentials": credentials }));
        assert!(!format!("{grant:?}").contains(PASSWORD), "{grant:?}");
        let error = HttpClient::new("api", grant).err().unwrap().to_string();
        assert!(error.contains("grants.http.api.") && error.contains(named), "{error}");
        assert!(!error.contains(PASSWORD), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_granted_never_leaves_the_host() {
    let server = Server::echo().await;
    let client = client(&server.url, json!({ "paths": ["/stacks"], "request-max-bytes": 4 }));
    let with = |change: fn(&mut Request)| {
        let mut request = get("/stacks");
        change(&mut request);
        request
    };
    for (request, expected) in [
        (with(|request| request.method = "DELETE".to_owned()), Reason::Method),
        (with(|request| request.method = "get".to_owned()), Reason::Method),
        (with(|request| request.method = "GET / HTTP/1.1\r\nx:".to_owned()), Reason::Method),
        (with(|request| request.target = "/settings".to_owned()), Reason::Path),
        (with(|request| request.target = "/stacks/../settings".to_owned()), Reason::Path),
        (with(|request| request.headers = vec![("Host".to_owned(), b"evil".to_vec())]), Reason::Header),
        (with(|request| request.headers = vec![("a".to_owned(), b"\n".to_vec())]), Reason::Malformed),
        (with(|request| request.body = vec![0; 5]), Reason::Size),
    ] {
        assert_eq!(reason(send(&client, request).await), expected);
    }
    assert_eq!(server.requests(), 0);
    send(&client, with(|request| request.body = vec![0; 4])).await.unwrap();
}

#[tokio::test]
async fn an_answer_is_cut_where_it_becomes_too_large() {
    let server = Server::start(|request| async move {
        match request.uri().path() {
            "/announced" => answer(200, &[], "x".repeat(101)),
            "/exact" => answer(200, &[], "x".repeat(100)),
            // Without end: only a reader that stops is answered.
            _ => {
                let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(b"0123456789")));
                answer(200, &[], Body::from_stream(endless))
            }
        }
    })
    .await;
    let client = client(&server.url, json!({ "response-max-bytes": 100 }));
    for target in ["/announced", "/endless"] {
        let error = send(&client, get(target)).await.unwrap_err();
        assert!(matches!(&error, Failure::TooLarge(text) if text.contains("100 bytes")), "{target}: {error}");
    }
    assert_eq!(send(&client, get("/exact")).await.unwrap().body.len(), 100);
    let room = Room::new(250);
    let answers = join_all((0..4).map(|_| client.exchange(get("/exact"), &room))).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.len(), 2, "{answers:?}");
    assert!(matches!(refused[0], Failure::TooLarge(text) if text.contains("limits.bytes")), "{answers:?}");
}

#[tokio::test]
async fn answers_are_passed_on_as_they_are() {
    let server = Server::start(|_| async {
        let headers =
            [("Content-Encoding", "gzip"), ("Set-Cookie", "a=b"), ("WWW-Authenticate", "Basic"), ("X-B", "1")];
        answer(418, &headers, &b"no gzip"[..])
    })
    .await;
    let response = send(&client(&server.url, json!({})), get("/")).await.unwrap();
    assert_eq!((response.status, text(&response)), (418, "no gzip"));
    let names: Vec<_> = response.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-encoding", "x-b", "content-length", "date"]);
}

#[tokio::test]
async fn the_shorter_time_holds() {
    let server = Server::start(|_| futures::future::pending()).await;
    let slow = client(&server.url, json!({ "timeout-ms": 40 }));
    for (wanted, named) in [(None, "within 40 "), (Some(60_000), "within 40 "), (Some(30), "within 30 ")] {
        let error = send(&slow, Request { timeout: wanted, ..get("/") }).await.unwrap_err();
        assert!(matches!(&error, Failure::Timeout(text) if text.contains(named)), "{error}");
    }
    // The wait for a turn counts.
    let narrow = client(&server.url, json!({ "timeout-ms": 40, "requests-per-second": 1, "burst": 1 }));
    let requests = server.requests();
    for _ in 0..3 {
        assert!(matches!(send(&narrow, get("/")).await.unwrap_err(), Failure::Timeout(_)));
    }
    assert_eq!(server.requests() - requests, 1, "one token, one request");
}

#[tokio::test]
async fn so_many_are_in_flight_and_no_more() {
    let (flying, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let three = Arc::new(Barrier::new(3));
    let seen = most.clone();
    let server = Server::start(move |_| {
        let (flying, most, three) = (flying.clone(), most.clone(), three.clone());
        async move {
            most.fetch_max(flying.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            three.wait().await;
            flying.fetch_sub(1, Ordering::SeqCst);
            answer(200, &[], "")
        }
    })
    .await;
    let client = client(&server.url, json!({ "concurrency": 3 }));
    let answers = join_all((0..12).map(|_| send(&client, get("/")))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(seen.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_dropped_exchange_ends_and_frees_its_place() {
    struct Gone(Arc<AtomicBool>);

    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let (gone, started) = (Arc::<AtomicBool>::default(), Arc::new(tokio::sync::Notify::new()));
    let (flag, begun) = (gone.clone(), started.clone());
    let server = Server::start(move |request| {
        let (flag, begun) = (flag.clone(), begun.clone());
        async move {
            if request.uri().path() == "/quick" {
                return answer(200, &[], "");
            }
            let _gone = Gone(flag);
            begun.notify_one();
            futures::future::pending().await
        }
    })
    .await;
    let client = client(&server.url, json!({ "concurrency": 1 }));
    {
        let exchange = std::pin::pin!(send(&client, get("/slow")));
        futures::future::select(exchange, std::pin::pin!(started.notified())).await;
    }
    send(&client, get("/quick")).await.unwrap();
    let ended = async {
        while !gone.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_mins(1), ended).await.expect("the server sees that nobody waits");
}

#[tokio::test]
async fn redirects_are_checked_as_requests_are() {
    let server = Server::start(|request| async move {
        let location = match request.uri().path() {
            "/v2/a" => "/v2/b?x=1",
            "/v2/b" => "c#part",
            "/v2/outside" => "/settings",
            "/v2/climb" => "/v2/../settings",
            "/v2/ungranted" => "http://169.254.169.254/latest/meta-data",
            "/v2/upgrade" => "https://api.example.com/v2/upgrade",
            "/v2/loop1" => "/v2/loop2",
            "/v2/loop2" => "/v2/loop1",
            "/v2/broken" => "http://[",
            path => return answer(200, &[], path.to_owned()),
        };
        answer(302, &[("location", location)], "")
    })
    .await;
    let url = format!("{}/v2", server.url);
    let following = client(&url, json!({ "redirects": 2, "credentials": { "bearer": PASSWORD } }));
    assert_eq!(text(&send(&following, get("/a")).await.unwrap()), "/v2/c");
    assert_eq!(server.authorizations(), vec![format!("Bearer {PASSWORD}"); 3]);
    for target in ["/outside", "/climb", "/ungranted", "/upgrade", "/broken"] {
        let before = server.requests();
        assert_eq!(reason(send(&following, get(target)).await), Reason::Redirect, "{target}");
        assert_eq!(server.requests(), before + 1, "{target}");
    }
    let error = send(&following, get("/upgrade")).await.unwrap_err().to_string();
    assert!(error.contains("https://api.example.com") && error.contains("set `base-url`"), "{error}");
    assert_eq!(send(&following, get("/loop1")).await.unwrap().status, 302);
    let post = Request { method: "POST".to_owned(), ..get("/a") };
    assert_eq!(send(&following, post).await.unwrap().status, 302);
    assert_eq!(send(&client(&url, json!({})), get("/a")).await.unwrap().status, 302);
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_connection_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = send(&client(&format!("http://{address}"), json!({})), get("/?key=hidden")).await.unwrap_err();
    assert!(
        matches!(&error, Failure::Connect(text) if text.starts_with("cannot connect: Connection refused")),
        "{error}"
    );
    assert!(!error.to_string().contains("hidden"), "{error}");

    let error = send(&client("http://nowhere.invalid", json!({})), get("/")).await.unwrap_err();
    assert!(
        matches!(&error, Failure::Connect(text) if text.starts_with("cannot connect: cannot resolve nowhere.invalid: ")),
        "{error}"
    );
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Has read something of the request, and answers nothing.
            stream.read_u8().await.unwrap();
        }
    });
    let error = send(&client(&url, json!({})), get("/")).await.unwrap_err();
    assert!(matches!(&error, Failure::Io(_)), "{error}");
}

#[tokio::test]
async fn this_machine_is_reached_only_if_that_is_granted() {
    let server = Server::echo().await;
    let port = server.url.rsplit_once(':').unwrap().1;
    let named = format!("http://localhost:{port}");
    let refusal = send(&client(&named, json!({ "allow-addresses": [] })), get("/")).await;
    let Err(Failure::Refused(refusal)) = refusal else { panic!("{refusal:?}") };
    assert_eq!(refusal.reason, Reason::Address);
    assert!(
        refusal.message.contains("localhost resolves to") && refusal.message.contains("add `loopback`"),
        "{refusal}"
    );
    assert_eq!(server.requests(), 0);
    send(&client(&named, json!({})), get("/")).await.unwrap();
    for literal in
        ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "0.0.0.0"]
    {
        let grant = grant(&format!("http://{literal}:{port}"), json!({ "allow-addresses": ["link-local"] }));
        let error = HttpClient::new("api", grant).err().unwrap().to_string();
        assert!(error.starts_with("`grants.http.api.base-url`: names "), "{literal}: {error}");
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::<AtomicUsize>::default();
    let counted = connections.clone();
    tokio::spawn(async move {
        let listener = axum::serve::ListenerExt::tap_io(listener, move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        axum::serve(listener, axum::Router::new().fallback(|| async { "ok" })).await
    });
    let client = client(&url, json!({}));
    stream::iter(0..5).for_each(|_| async { drop(send(&client, get("/")).await.unwrap()) }).await;
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}
