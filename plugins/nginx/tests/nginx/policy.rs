//! What a route does beyond forwarding.

use std::thread;

use lb_provider::{
    Feature, Listener, PathMatch, PathRewrite, Policy, Protocol, Provider as _, Redirect, Retry, Rewrite, Route,
    RouteAction, SourceRanges, Timeouts,
    testing::records::{backend, exact, listener, prefix, route, virtual_host},
};

use crate::{
    client::{get, raw, request},
    data_plane::{DataPlane, complete, free_port},
    endpoints::{Server, dead},
};

fn redirect() -> Redirect {
    Redirect { scheme: None, host: None, port: None, path: None, status: 302 }
}

fn with(path: &str, policies: Vec<Policy>) -> Route {
    Route { policies, ..prefix(path, "default/web/80") }
}

/// nginx with one host, `foo.com`, and one backend, `default/web/80`.
fn serve(routes: Vec<Route>, server: &Server) -> (DataPlane, u16) {
    let port = free_port();
    let nginx = DataPlane::new();
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", routes)],
        vec![backend("default/web/80", vec![server.endpoint()])],
    ));
    (nginx, port)
}

#[test]
fn redirects_replace_what_they_name() {
    let cases: [(&str, Redirect, &str, &str); 12] = [
        ("/same", redirect(), "/same/x?q=1", "http://foo.com:81/same/x?q=1"),
        ("/https", Redirect { scheme: Some("https".to_owned()), ..redirect() }, "/https?q", "https://foo.com/https?q"),
        (
            "/usual",
            Redirect { scheme: Some("https".to_owned()), port: Some(443), ..redirect() },
            "/usual",
            "https://foo.com/usual",
        ),
        ("/port", Redirect { port: Some(8443), ..redirect() }, "/port", "http://foo.com:8443/port"),
        (
            "/host",
            Redirect { host: Some("bar.com".to_owned()), ..redirect() },
            "/host/%0d%0ax",
            "http://bar.com:81/host/%0d%0ax",
        ),
        ("/dollar", Redirect { host: Some("$host".to_owned()), ..redirect() }, "/dollar", "http://$host:81/dollar"),
        (
            "/full",
            Redirect { path: Some(PathRewrite::Full("/other$uri".to_owned())), ..redirect() },
            "/full/x?q=1",
            "http://foo.com:81/other$uri?q=1",
        ),
        (
            "/old",
            Redirect { path: Some(PathRewrite::Prefix("/new/".to_owned())), ..redirect() },
            "/old/x%20y/%C3%A9?q=1",
            "http://foo.com:81/new/x%20y/%C3%A9?q=1",
        ),
        (
            "/bare",
            Redirect { path: Some(PathRewrite::Prefix("/new".to_owned())), ..redirect() },
            "/bare",
            "http://foo.com:81/new",
        ),
        (
            "/root",
            Redirect { path: Some(PathRewrite::Prefix("/".to_owned())), ..redirect() },
            "/root/x",
            "http://foo.com:81/x",
        ),
        (
            "/top",
            Redirect { path: Some(PathRewrite::Prefix("/".to_owned())), ..redirect() },
            "/top",
            "http://foo.com:81/",
        ),
        (
            "/split",
            Redirect { path: Some(PathRewrite::Prefix("/new".to_owned())), ..redirect() },
            "/split/a%0d%0aSet-Cookie:x=1",
            "http://foo.com:81/new/a%0D%0ASet-Cookie:x=1",
        ),
    ];
    let routes = cases.iter().map(|(path, redirect, ..)| {
        route(PathMatch::Prefix((*path).to_owned()), RouteAction::Redirect(redirect.clone()))
    });
    let statuses = [301, 303, 307, 308].map(|status| {
        let action = RouteAction::Redirect(Redirect { status, ..redirect() });
        route(PathMatch::Exact(format!("/status/{status}")), action)
    });
    let server = Server::echo("web");
    let (_nginx, port) = serve(routes.chain(statuses).collect(), &server);
    for (_, _, request, location) in &cases {
        let answer = get(port, "foo.com:81", request);
        assert_eq!((answer.status, answer.header("Location")), (302, Some(*location)));
        assert_eq!(answer.header("Set-Cookie"), None);
    }
    for status in [301, 303, 307, 308] {
        assert_eq!(get(port, "foo.com", &format!("/status/{status}")).status, status);
    }
}

#[test]
fn a_listener_sends_everybody_to_https() {
    let server = Server::echo("web");
    let port = free_port();
    let nginx = DataPlane::new();
    nginx.serve(complete(
        vec![Listener { redirect_to_https: Some(8443), ..listener("http-80", port, Protocol::Http) }],
        vec![virtual_host("http-80", "foo.com", vec![prefix("/", "default/web/80")])],
        vec![backend("default/web/80", vec![server.endpoint()])],
    ));
    for host in ["foo.com", "unknown.com"] {
        let answer = get(port, &format!("{host}:81"), "/a%2Fb?q=1");
        assert_eq!(answer.status, 308);
        assert_eq!(answer.header("Location"), Some(format!("https://{host}:8443/a%2Fb?q=1").as_str()));
    }
}

#[test]
fn only_those_who_may_are_let_in() {
    let ranges = |allow: &[&str], deny: &[&str]| {
        let list = |blocks: &[&str]| blocks.iter().map(|&block| block.to_owned()).collect();
        vec![Policy::SourceRanges(SourceRanges { allow: list(allow), deny: list(deny) })]
    };
    let guarded = RouteAction::Redirect(Redirect { host: Some("secret.com".to_owned()), ..redirect() });
    let server = Server::echo("web");
    let port = free_port();
    let nginx = DataPlane::new();
    let mut behind_proxy = listener("http-80", port, Protocol::Http);
    behind_proxy.proxy_protocol = true;
    nginx.serve(complete(
        vec![behind_proxy],
        vec![virtual_host(
            "http-80",
            "foo.com",
            vec![
                with("/ours", ranges(&["10.1.2.3/8", "fd00::/8"], &[])),
                with("/not-them", ranges(&[], &["10.6.0.0/16"])),
                with("/both", ranges(&["10.0.0.0/8"], &["10.6.0.0/16"])),
                with("/one", ranges(&["10.0.0.1"], &[])),
                with("/all", ranges(&["0.0.0.0/0"], &[])),
                Route { policies: ranges(&["10.0.0.1"], &[]), ..route(PathMatch::Prefix("/away".to_owned()), guarded) },
            ],
        )],
        vec![backend("default/web/80", vec![server.endpoint()])],
    ));
    let status = |client: &str, path: &str| {
        let family = if client.contains(':') { "TCP6" } else { "TCP4" };
        let head = format!("PROXY {family} {client} {client} 1 80\r\n");
        raw(port, &format!("{head}GET {path} HTTP/1.1\r\nHost: foo.com\r\nConnection: close\r\n\r\n")).unwrap().status
    };
    assert_eq!([status("10.9.9.9", "/ours"), status("11.0.0.1", "/ours"), status("fd00::1", "/ours")], [200, 403, 200]);
    assert_eq!([status("10.6.1.1", "/not-them"), status("11.0.0.1", "/not-them")], [403, 200]);
    assert_eq!(
        [status("10.6.1.1", "/both"), status("10.7.1.1", "/both"), status("11.0.0.1", "/both")],
        [403, 200, 403]
    );
    assert_eq!([status("10.0.0.1", "/one"), status("10.0.0.2", "/one"), status("10.0.0.2", "/all")], [200, 403, 200]);
    assert_eq!([status("10.0.0.1", "/away"), status("10.0.0.2", "/away")], [302, 403], "a redirect is guarded too");
}

#[test]
fn bodies_and_times_are_limited() {
    let slow = Server::new("127.0.0.1:0", |stream| {
        // Takes the request and never answers.
        let mut stream = stream;
        std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
    });
    let echo = Server::echo("web");
    let port = free_port();
    let nginx = DataPlane::new();
    let idle = vec![
        Policy::Timeouts(Timeouts { connect: Some(0), idle: Some(200), request: None }),
        Policy::Retry(Retry { attempts: 1, non_idempotent: false }),
    ];
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host(
            "http-80",
            "foo.com",
            vec![
                with("/small", vec![Policy::BodyLimit(10)]),
                with("/large", vec![Policy::BodyLimit(0)]),
                Route { policies: idle, ..prefix("/slow", "default/slow/80") },
            ],
        )],
        vec![backend("default/slow/80", vec![slow.endpoint()]), backend("default/web/80", vec![echo.endpoint()])],
    ));
    let status = |path: &str, length: usize| {
        request(port, &format!("POST {path} HTTP/1.1\r\nHost: foo.com\r\n"), &"x".repeat(length)).status
    };
    assert_eq!([status("/small", 10), status("/small", 11), status("/large", 1 << 20)], [200, 413, 200]);
    assert_eq!(get(port, "foo.com", "/slow").status, 504);
}

#[test]
fn attempts_are_as_many_as_asked_for() {
    let alive = Server::echo("alive");
    let broken = Server::new("127.0.0.1:0", |mut stream| std::io::Read::read(&mut stream, &mut [0; 4096]).map(drop));
    let port = free_port();
    let nginx = DataPlane::new();
    let retry = |attempts, non_idempotent| vec![Policy::Retry(Retry { attempts, non_idempotent })];
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host(
            "http-80",
            "foo.com",
            vec![
                Route { policies: retry(1, false), ..exact("/once", "default/dead/80") },
                Route { policies: retry(2, false), ..exact("/twice", "default/dead/80") },
                Route { policies: retry(2, true), ..exact("/again", "default/broken/80") },
            ],
        )],
        vec![
            backend("default/broken/80", vec![broken.endpoint(), alive.endpoint()]),
            backend("default/dead/80", vec![dead(), alive.endpoint()]),
        ],
    ));
    let statuses = |method: &str, path: &str| -> Vec<u16> {
        (0..8).map(|_| request(port, &format!("{method} {path} HTTP/1.1\r\nHost: foo.com\r\n"), "").status).collect()
    };
    let once = statuses("GET", "/once");
    assert!(once.contains(&502) && once.contains(&200), "{once:?}");
    assert_eq!(statuses("GET", "/twice"), [200; 8]);
    assert_eq!(statuses("POST", "/again"), [200; 8], "when asked for, what may have been done is done again");
}

#[test]
fn what_is_not_supported_is_closed_and_told() {
    let server = Server::echo("web");
    let port = free_port();
    let nginx = DataPlane::new();
    let rewrite = vec![Policy::Rewrite(Rewrite { host: Some("x".to_owned()), path: None })];
    let request_timeout = vec![Policy::Timeouts(Timeouts { connect: None, idle: None, request: Some(1000) })];
    let bad_range =
        vec![Policy::SourceRanges(SourceRanges { allow: vec!["10.0.0.0/8; allow all".to_owned()], deny: vec![] })];
    let outcome = nginx.apply(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host(
            "http-80",
            "foo.com",
            vec![
                with("/rewrite", rewrite),
                with("/range", bad_range),
                with("/time", request_timeout),
                route(PathMatch::Regex("/r.*".to_owned()), RouteAction::Respond(200)),
                Route { method: Some("GET".to_owned()), ..with("/method", vec![]) },
                with("/", vec![]),
            ],
        )],
        vec![backend("default/web/80", vec![server.endpoint()])],
    ));
    let messages: Vec<_> = outcome.rejections.iter().map(|rejection| rejection.message.as_str()).collect();
    let parts = [
        "rewriting host or path",
        "is not a block of addresses",
        "request timeout",
        "regular expressions",
        "not by method",
    ];
    for part in parts {
        assert!(messages.iter().any(|message| message.contains(part)), "{part}: {messages:?}");
    }
    assert_eq!(messages.len(), 5);
    assert_eq!([get(port, "foo.com", "/rewrite").status, get(port, "foo.com", "/range").status], [503, 503]);
    assert_eq!(get(port, "foo.com", "/time").who(), "web");
    assert_eq!(get(port, "foo.com", "/method").who(), "web", "it is as if the route were not there");
    assert!(!lb_plugin_nginx::Nginx::describe().features.contains(&Feature::Rewrite));
}

#[test]
fn many_clients_at_once_are_served() {
    let server = Server::echo("web");
    let (_nginx, port) = serve(vec![prefix("/", "default/web/80")], &server);
    let clients: Vec<_> = (0..8)
        .map(|_| thread::spawn(move || (0..50).filter(|_| get(port, "foo.com", "/").status == 200).count()))
        .collect();
    assert_eq!(clients.into_iter().map(|client| client.join().unwrap()).sum::<usize>(), 400);
}
