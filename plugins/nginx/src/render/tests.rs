use std::fmt::Write as _;

use lb_provider::{
    ChangeKind, CookieAffinity, CookieMode, HostService, Listener, PathMatch, PathRewrite, Policy, Protocol, Redirect,
    Retry, Route, RouteAction, SourceRanges, Timeouts, VirtualHost, WeightedBackend,
    testing::records::{
        backend, certificate, change, endpoint, exact, listener, object, passthrough, prefix, route, targets,
        virtual_host,
    },
};

use super::*;
use crate::plan::Content;

/// The files of a plan that depend on the change.
fn show(change: &ChangeSet) -> String {
    let plan = plan(&Settings::default(), change, &Exclusions::default());
    let constant = ["nginx.conf", "http/http.conf", "lua/balancer.lua", "lua/response.lua", "njs/stream.js"];
    let mut shown = String::new();
    for (path, content) in plan.files.iter().filter(|(path, _)| !constant.contains(&path.as_str())) {
        match content {
            Content::Bytes(bytes) => writeln!(shown, "==> {path}\n{}", String::from_utf8_lossy(bytes)).unwrap(),
            Content::PrivateKey(id) => writeln!(shown, "==> {path}\nthe private key of {id}\n").unwrap(),
        }
    }
    for rejection in plan.rejections.into_vec() {
        writeln!(shown, "rejected: {} {}: {}", rejection.object.kind, rejection.object.name, rejection.message)
            .unwrap();
    }
    shown
}

fn with(path: &str, policies: Vec<Policy>) -> Route {
    Route { policies, ..prefix(path, "default/web/80") }
}

#[test]
fn the_main_file_is_made_of_the_settings() {
    let plan = plan(&Settings::default(), &change(ChangeKind::Complete), &Exclusions::default());
    let Some(Content::Bytes(main)) = plan.files.get("nginx.conf") else { panic!("no main file") };
    insta::assert_snapshot!(String::from_utf8_lossy(main));
}

#[test]
fn an_http_port_with_its_hosts() {
    let mut change = change(ChangeKind::Complete);
    change.listeners.upsert =
        vec![Listener { sources: vec![object("Ingress", "web")], ..listener("http-80", 80, Protocol::Http) }];
    change.virtual_hosts.upsert = vec![
        virtual_host("http-80", "*", vec![prefix("/", "default/web/80")]),
        virtual_host("http-80", "*.foo.com", vec![exact("/only/", "default/web/80")]),
        virtual_host("http-80", "foo.com", vec![exact("/a b", "default/web/80"), prefix("/foo/", "default/web/80")]),
    ];
    change.backends.upsert = vec![backend("default/web/80", vec![endpoint("10.0.0.1", 80)])];
    insta::assert_snapshot!(show(&change));
}

#[test]
fn an_https_port_with_its_certificates() {
    let mut change = change(ChangeKind::Complete);
    let (default, own) = ("d".repeat(64), "c".repeat(64));
    change.listeners.upsert = vec![
        Listener { redirect_to_https: Some(443), proxy_protocol: true, ..listener("http-80", 80, Protocol::Http) },
        Listener { default_certificate: Some(default.clone()), ..listener("https-443", 443, Protocol::Https) },
        listener("https-8443", 8443, Protocol::Https),
    ];
    let host = virtual_host("https-443", "foo.com", vec![]);
    change.virtual_hosts.upsert = vec![VirtualHost { certificate: Some(own.clone()), ..host }];
    change.certificates.upsert =
        vec![certificate(&own, "own", "OWN CHAIN\n"), certificate(&default, "default", "DEFAULT CHAIN\n")];
    insta::assert_snapshot!(show(&change));
}

#[test]
fn what_routes_can_do() {
    let redirect = Redirect {
        scheme: Some("https".to_owned()),
        host: Some("$bar.com".to_owned()),
        port: Some(8443),
        path: Some(PathRewrite::Prefix("/new".to_owned())),
        status: 301,
    };
    let cookie = CookieAffinity {
        name: None,
        cookie: None,
        domain: Some("foo.com".to_owned()),
        path: None,
        mode: CookieMode::Insert,
        indirect: true,
        no_cache: true,
        post_only: false,
        max_age: Some(60),
        secure: true,
    };
    let weighted = vec![
        WeightedBackend { backend: "default/web/80".to_owned(), weight: 3 },
        WeightedBackend { backend: "default/canary/80".to_owned(), weight: 1 },
    ];
    let ranges =
        SourceRanges { allow: vec!["10.1.2.3/8".to_owned(), "::1".to_owned()], deny: vec!["10.0.0.0/30".to_owned()] };
    let timeouts = Timeouts { connect: Some(0), idle: Some(1500), request: Some(9) };
    let mut change = change(ChangeKind::Incremental);
    change.virtual_hosts.upsert = vec![virtual_host(
        "http-80",
        "foo.com",
        vec![
            route(PathMatch::Prefix("/away".to_owned()), RouteAction::Redirect(redirect)),
            route(PathMatch::Prefix("/gone".to_owned()), RouteAction::Respond(503)),
            route(PathMatch::Exact("/weighted".to_owned()), RouteAction::Forward(weighted)),
            with("/cookie", vec![Policy::CookieAffinity(cookie.clone())]),
            with("/prefixed", vec![Policy::CookieAffinity(CookieAffinity { mode: CookieMode::Prefix, ..cookie })]),
            with("/limits", vec![Policy::Timeouts(timeouts), Policy::BodyLimit(u64::MAX)]),
            with("/retry", vec![Policy::Retry(Retry { attempts: 2, non_idempotent: true })]),
            with("/ranges", vec![Policy::SourceRanges(ranges)]),
            with("/", vec![]),
            with("/hidden", vec![]),
        ],
    )];
    insta::assert_snapshot!(show(&change));
}

#[test]
fn ports_that_are_not_http() {
    let mut change = change(ChangeKind::Complete);
    change.listeners.upsert = vec![
        Listener { targets: targets(&["default/db/1", "default/spare/1"]), ..listener("tcp-1", 1, Protocol::Tcp) },
        Listener { proxy_protocol: true, ..listener("tls-443", 443, Protocol::Tls) },
        Listener { targets: targets(&["default/dns/53"]), ..listener("udp-53", 53, Protocol::Udp) },
    ];
    let none = VirtualHost { service: HostService::Passthrough(vec![]), ..passthrough("tls-443", "none.com", &[]) };
    change.virtual_hosts.upsert = vec![
        passthrough("tls-443", "*", &["default/web/443"]),
        passthrough("tls-443", "*.foo.com", &["default/web/443"]),
        passthrough("tls-443", "foo.com", &["default/web/443"]),
        none,
    ];
    insta::assert_snapshot!(show(&change));
}
