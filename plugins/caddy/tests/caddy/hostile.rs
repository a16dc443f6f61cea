//! Strings that mean something to Caddy, in every place where Kubernetes can put them.

use lb_provider::{
    HeaderChanges, HostMatch, PathMatch, Policy, Route, VirtualHost,
    testing::records::{exact, prefix, virtual_host},
};

use crate::{
    client::{get, request},
    data_plane::{eventually, serve, web},
    endpoints::Server,
};

const HOSTILE: [&str; 14] = [
    "{env.PATH}",
    "\\{env.PATH\\}",
    "\\\\{env.PATH}",
    "{http.request.uri}",
    "{{http.request.uri}}",
    "{http.vars.x",
    "x}",
    "\\}",
    "{}",
    "*",
    "(?i)x|.*",
    "\",\"@id\":\"mine",
    ", \"@id\": 7",
    "{system.hostname}}{",
];

/// The path as a client that means it literally sends it.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02X}"))
}

#[test]
fn a_path_is_only_ever_itself() {
    let server = Server::echo("web");
    let routes = |text: &str| {
        vec![exact(&format!("/{text}"), "default/web/80"), prefix(&format!("/p/{text}"), "default/web/80")]
    };
    let (caddy, port) = serve(routes("x"), &server);
    for text in HOSTILE {
        caddy.serve(web(port, routes(&text.replace('?', "%3F")), &server));
        let path = encoded(text);
        eventually("the change is served", || get(port, "foo.com", &format!("/{path}")).status == 200);
        for path in [format!("/{path}"), format!("/p/{path}"), format!("/p/{path}/below")] {
            assert_eq!(get(port, "foo.com", &path).status, 200, "{text}: {path}");
        }
        for path in ["/", "/x", "/X", "/p", "/p/x", "/p/anything", "/usr/bin"] {
            assert_eq!(get(port, "foo.com", path).status, 404, "{text}: {path}");
        }
    }
}

#[test]
fn a_header_is_only_ever_itself() {
    let server = Server::echo("web");
    let pairs: Vec<_> =
        HOSTILE.iter().enumerate().map(|(index, text)| (format!("X-H{index}"), (*text).to_owned())).collect();
    let changes = || HeaderChanges { remove: vec![], set: pairs.clone(), add: vec![] };
    let policies = vec![Policy::RequestHeaders(changes()), Policy::ResponseHeaders(changes())];
    let (_caddy, port) = serve(vec![Route { policies, ..prefix("/", "default/web/80") }], &server);
    let answer = get(port, "foo.com", "/");
    for (name, text) in &pairs {
        assert_eq!(answer.forwarded(name), Some(text.as_str()), "to the endpoint");
        assert_eq!(answer.header(name), Some(text.as_str()), "to the client");
    }
}

/// Random strings of the characters that matter, so that no order of them is forgotten.
#[test]
fn no_string_of_braces_and_backslashes_is_anything_else() {
    let server = Server::echo("web");
    let random = |_: usize| -> String { (0..9).map(|_| *fastrand::choice(b"{}\\a.").unwrap() as char).collect() };
    let values: Vec<_> = (0..400).map(random).enumerate().map(|(index, text)| (format!("X-H{index}"), text)).collect();
    let policies = vec![Policy::RequestHeaders(HeaderChanges { remove: vec![], set: values.clone(), add: vec![] })];
    let (_caddy, port) = serve(vec![Route { policies, ..prefix("/", "default/web/80") }], &server);
    let answer = get(port, "foo.com", "/");
    for (name, text) in &values {
        assert_eq!(answer.forwarded(name), Some(text.as_str()), "{name}");
    }
}

#[test]
fn a_name_that_is_none_is_refused_alone() {
    let server = Server::echo("web");
    let (caddy, port) = serve(vec![prefix("/", "default/web/80")], &server);
    for text in HOSTILE {
        let mut change = web(port, vec![prefix("/", "default/web/80")], &server);
        let changes = |set: &[(&str, &str)], remove: &[&str]| HeaderChanges {
            remove: remove.iter().map(|&name| name.to_owned()).collect(),
            set: set.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            add: vec![],
        };
        let bad = [changes(&[(text, "x")], &[]), changes(&[], &[text]), changes(&[("X", "a\r\nSet-Cookie: b")], &[])];
        let routes = bad
            .map(|changes| Route { policies: vec![Policy::ResponseHeaders(changes)], ..prefix("/", "default/web/80") });
        change.virtual_hosts.upsert.push(virtual_host("http-80", "bad.com", routes.to_vec()));
        change.virtual_hosts.upsert.push(VirtualHost {
            host: HostMatch::Exact(text.to_owned()),
            ..virtual_host("http-80", "odd", vec![prefix("/", "default/web/80")])
        });
        let method = Route { method: Some(text.to_owned()), ..prefix("/method", "default/web/80") };
        change.virtual_hosts.upsert.push(virtual_host("http-80", "method.com", vec![method]));
        let outcome = caddy.apply(change);
        assert_eq!(outcome.rejections.len(), 4, "{text}: {outcome:?}");
        assert!(outcome.rejections.iter().all(|it| !it.message.chars().any(char::is_control)), "{outcome:?}");
        eventually("the change is served", || get(port, "bad.com", "/").status == 503);
        assert_eq!(get(port, "method.com", "/method").status, 404, "{text}");
        assert_eq!(get(port, "foo.com", "/").who(), "web");
    }
}

#[test]
fn what_clients_send_is_not_replaced() {
    let server = Server::echo("web");
    let (_caddy, port) = serve(vec![prefix("/", "default/web/80")], &server);
    let answer =
        request(port, "GET /{env.PATH}?{env.PATH} HTTP/1.1\r\nHost: foo.com\r\nX-{env.PATH}: {env.PATH}\r\n", "");
    assert!(!answer.body.contains("/bin"), "{answer:?}");
}

#[test]
fn a_path_that_cannot_be_matched_is_refused_alone() {
    let server = Server::echo("web");
    let (caddy, port) = serve(vec![prefix("/", "default/web/80")], &server);
    let regex = Route { path: PathMatch::Regex("/r.*".to_owned()), ..prefix("/", "default/web/80") };
    let routes = vec![
        prefix("/%FF", "default/web/80"),
        exact("/a/../..", "default/web/80"),
        regex,
        prefix("/", "default/web/80"),
    ];
    let outcome = caddy.apply(web(port, routes, &server));
    assert_eq!(outcome.rejections.len(), 3, "{outcome:?}");
    assert_eq!(get(port, "foo.com", "/").who(), "web");
}
