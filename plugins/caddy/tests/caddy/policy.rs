//! What a route does beyond forwarding.

use lb_provider::{
    CookieAffinity, CookieMode, HeaderChanges, PathMatch, Policy, Protocol, Redirect, Retry, Rewrite, Route,
    RouteAction, SourceRanges, Timeouts,
    testing::records::{backend, exact, listener, prefix, route, virtual_host},
};

use crate::{
    client::{get, raw, request},
    data_plane::{DataPlane, complete, eventually, free_port, serve, web},
    endpoints::{Server, dead},
};

fn with(path: &str, policies: Vec<Policy>) -> Route {
    Route { policies, ..prefix(path, "default/web/80") }
}

fn ranges(allow: &[&str], deny: &[&str]) -> Vec<Policy> {
    let list = |blocks: &[&str]| blocks.iter().map(|&block| block.to_owned()).collect();
    vec![Policy::SourceRanges(SourceRanges { allow: list(allow), deny: list(deny) })]
}

#[test]
fn only_those_who_may_are_let_in() {
    let server = Server::echo("web");
    let routes = vec![
        with("/ours", ranges(&["127.0.0.0/8", "fd00::/8"], &[])),
        with("/theirs", ranges(&["10.0.0.0/8", "fd00::/8"], &[])),
        with("/not-us", ranges(&[], &["127.0.0.1"])),
        with("/not-them", ranges(&[], &["10.6.0.0/16"])),
        with("/both", ranges(&["127.0.0.0/8"], &["127.0.0.1"])),
        with("/all", ranges(&["0.0.0.0/0"], &[])),
        with("/nothing", ranges(&[], &[])),
        Route {
            policies: ranges(&["10.0.0.1"], &[]),
            ..route(PathMatch::Prefix("/gone".to_owned()), RouteAction::Respond(503))
        },
    ];
    let (_caddy, port) = serve(routes, &server);
    let cases = [
        ("/ours", 200),
        ("/theirs", 403),
        ("/not-us", 403),
        ("/not-them", 200),
        ("/both", 403),
        ("/all", 200),
        ("/nothing", 200),
        ("/gone", 403),
    ];
    for (path, status) in cases {
        let head = format!("GET {path} HTTP/1.1\r\nHost: foo.com\r\nX-Forwarded-For: 10.0.0.1\r\n");
        assert_eq!(request(port, &head, "").status, status, "{path}");
    }
}

#[test]
fn bodies_are_limited() {
    let server = Server::echo("web");
    let patient = Server::new("127.0.0.1:0", |mut stream| {
        // Answers only once it has the whole body, and this one never comes.
        std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
    });
    let port = free_port();
    let caddy = DataPlane::with(&serde_json::json!({ "body-limit-bytes": 1000 }));
    let routes = vec![
        Route { policies: vec![Policy::BodyLimit(10)], ..prefix("/patient", "default/patient/80") },
        with("/small", vec![Policy::BodyLimit(10)]),
        with("/large", vec![Policy::BodyLimit(0)]),
        with("/", vec![]),
    ];
    caddy.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", routes)],
        vec![
            backend("default/patient/80", vec![patient.endpoint()]),
            backend("default/web/80", vec![server.endpoint()]),
        ],
    ));
    let status = |path: &str, length: usize| {
        request(port, &format!("POST {path} HTTP/1.1\r\nHost: foo.com\r\n"), &"x".repeat(length)).status
    };
    let statuses = [("/small", 10), ("/small", 11), ("/large", 1 << 20), ("/", 1000), ("/", 1001)];
    assert_eq!(statuses.map(|(path, length)| status(path, length)), [200, 413, 200, 200, 413]);
    let chunked = "POST /patient HTTP/1.1\r\nHost: foo.com\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                   20\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n0\r\n\r\n";
    assert_eq!(raw(port, chunked).unwrap().status, 413);
    assert_eq!(status("/small", 10), 200, "and nobody else is harmed by it");
}

#[test]
fn headers_are_removed_set_and_added_in_this_order() {
    let server = Server::echo("web");
    let list =
        |pairs: &[(&str, &str)]| pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let changes = HeaderChanges {
        remove: vec!["X-Gone".to_owned(), "X-Both".to_owned()],
        set: list(&[("X-Set", "new"), ("X-Both", "set"), ("Content-Type", "text/x")]),
        add: list(&[("X-Both", "added"), ("X-More", "1"), ("X-More", "2")]),
    };
    let policies = vec![Policy::RequestHeaders(changes.clone()), Policy::ResponseHeaders(changes)];
    let (_caddy, port) = serve(vec![with("/", policies)], &server);
    let head = "GET / HTTP/1.1\r\nHost: foo.com\r\nX-Gone: 1\r\nX-Both: old\r\nX-Set: old\r\nX-Kept: yes\r\n";
    let answer = request(port, head, "");
    let lines: Vec<_> = answer.body.lines().collect();
    for line in ["X-Both: set", "X-Both: added", "X-Set: new", "X-More: 1", "X-More: 2", "X-Kept: yes"] {
        assert_eq!(lines.iter().filter(|known| **known == line).count(), 1, "{line}: {lines:?}");
    }
    assert!(!answer.body.contains("X-Gone") && !answer.body.contains("old"), "{lines:?}");
    assert_eq!(answer.headers("X-Both").collect::<Vec<_>>(), ["set", "added"]);
    assert_eq!(answer.headers("X-More").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(answer.header("Content-Type"), Some("text/x"));
}

#[test]
fn attempts_are_as_many_as_asked_for() {
    let alive = Server::echo("alive");
    let broken = Server::new("127.0.0.1:0", |mut stream| std::io::Read::read(&mut stream, &mut [0; 4096]).map(drop));
    let port = free_port();
    let caddy = DataPlane::new();
    let retry = |attempts, non_idempotent| vec![Policy::Retry(Retry { attempts, non_idempotent })];
    caddy.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host(
            "http-80",
            "foo.com",
            vec![
                Route { policies: retry(1, false), ..exact("/once", "default/dead/80") },
                Route { policies: retry(2, false), ..exact("/twice", "default/dead/80") },
                Route { policies: retry(2, true), ..exact("/again", "default/broken/80") },
                Route { policies: retry(2, false), ..exact("/never-again", "default/broken/80") },
                exact("/usual", "default/dead/80"),
            ],
        )],
        vec![
            backend("default/broken/80", vec![broken.endpoint(), alive.endpoint()]),
            backend("default/dead/80", vec![dead(), alive.endpoint()]),
        ],
    ));
    let statuses = |method: &str, path: &str, body: &str| -> Vec<u16> {
        (0..8).map(|_| request(port, &format!("{method} {path} HTTP/1.1\r\nHost: foo.com\r\n"), body).status).collect()
    };
    let once = statuses("GET", "/once", "");
    assert!(once.contains(&502) && once.contains(&200), "{once:?}");
    assert_eq!(statuses("GET", "/twice", ""), [200; 8]);
    assert_eq!(statuses("POST", "/twice", ""), [200; 8], "nobody took it, so it is safe");
    assert_eq!(statuses("GET", "/usual", ""), [200; 8]);
    let with_body = statuses("POST", "/usual", "x");
    assert!(
        with_body.contains(&502),
        "what README.md says of Caddy 2.6; should it end, declare retries: {with_body:?}"
    );
    assert_eq!(statuses("POST", "/again", ""), [200; 8], "when asked for, what may have been done is done again");
    let never = statuses("POST", "/never-again", "");
    assert!(never.contains(&502), "{never:?}");
}

#[test]
fn what_is_not_supported_is_closed_and_told() {
    let server = Server::echo("web");
    let (caddy, port) = serve(vec![prefix("/", "default/web/80")], &server);
    let rewrite = vec![Policy::Rewrite(Rewrite { host: Some("x".to_owned()), path: None })];
    let timeouts = vec![Policy::Timeouts(Timeouts { connect: Some(1), idle: Some(1), request: Some(1) })];
    let cookie = CookieAffinity {
        name: None,
        cookie: None,
        domain: None,
        path: None,
        mode: CookieMode::Insert,
        indirect: false,
        no_cache: false,
        post_only: false,
        max_age: None,
        secure: false,
    };
    let redirect = Redirect { scheme: None, host: None, port: None, path: None, status: 302 };
    let mut two = prefix("/two", "default/web/80");
    two.action = RouteAction::Forward(lb_provider::testing::records::targets(&["default/web/80", "default/other/80"]));
    let header = lb_provider::NamedMatch { name: "x".to_owned(), value: lb_provider::ValueMatch::Present };
    let mut change = web(
        port,
        vec![
            with("/rewrite", rewrite),
            with("/range", ranges(&["10.0.0.0/8; allow all"], &[])),
            with("/time", timeouts),
            with("/cookie", vec![Policy::CookieAffinity(cookie)]),
            route(PathMatch::Prefix("/redirect".to_owned()), RouteAction::Redirect(redirect)),
            route(PathMatch::Prefix("/status".to_owned()), RouteAction::Respond(99)),
            two,
            Route { headers: vec![header], ..with("/header", vec![]) },
            with("/", vec![]),
        ],
        &server,
    );
    change.backends.upsert.insert(0, backend("default/other/80", vec![server.endpoint()]));
    let outcome = caddy.apply(change);
    let messages: Vec<_> = outcome.rejections.iter().map(|rejection| rejection.message.as_str()).collect();
    let parts =
        ["rewriting", "block of addresses", "timeouts", "cookie", "redirects", "status", "several", "by header"];
    for part in parts {
        assert!(messages.iter().any(|message| message.contains(part)), "{part}: {messages:?}");
    }
    assert_eq!(messages.len(), parts.len(), "{messages:?}");
    eventually("the change is served", || get(port, "foo.com", "/rewrite").status == 503);
    for path in ["/range", "/redirect", "/status", "/two"] {
        assert_eq!(get(port, "foo.com", path).status, 503, "{path}");
    }
    for path in ["/time", "/cookie", "/header", "/"] {
        assert_eq!(get(port, "foo.com", path).who(), "web", "{path}");
    }
}
