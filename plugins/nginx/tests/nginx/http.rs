//! Which backend answers, and what it is told.

use std::io::{Read, Write};

use lb_provider::{
    PathMatch, Protocol, RouteAction,
    testing::records::{backend, exact, listener, prefix, route, virtual_host},
};

use crate::{
    client::{connect, curl, get, raw, request},
    data_plane::{DataPlane, complete, free_port},
    endpoints::Server,
};

/// Servers of these names, each the only endpoint of `default/<name>/80`.
fn backends(servers: &[Server], names: &[&str]) -> Vec<lb_provider::Backend> {
    names
        .iter()
        .zip(servers)
        .map(|(name, server)| backend(&format!("default/{name}/80"), vec![server.endpoint()]))
        .collect()
}

fn echoes(names: &[&str]) -> Vec<Server> {
    names.iter().map(|name| Server::echo(name)).collect()
}

#[test]
fn the_host_decides_exact_before_wildcard_before_any() {
    let names = ["exact", "wildcard", "any"];
    let servers = echoes(&names);
    let port = free_port();
    let nginx = DataPlane::new();
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![
            virtual_host("http-80", "*", vec![prefix("/", "default/any/80")]),
            virtual_host("http-80", "*.foo.com", vec![prefix("/", "default/wildcard/80")]),
            virtual_host("http-80", "bar.foo.com", vec![prefix("/only", "default/exact/80")]),
        ],
        backends(&servers, &names),
    ));
    let who = |host: &str| get(port, host, "/").who().to_owned();
    assert_eq!(get(port, "bar.foo.com", "/only").who(), "exact");
    assert_eq!(get(port, "BAR.Foo.com.:8080", "/only").who(), "exact", "case, final dot and port mean nothing");
    assert_eq!(get(port, "bar.foo.com", "/").status, 404, "a host's own routes are all that it has");
    assert_eq!(who("a.foo.com"), "wildcard");
    assert_eq!(who("a.b.foo.com"), "any", "a wildcard is one label");
    assert_eq!(who("foo.com"), "any");
    assert_eq!(who("xfoo.com"), "any");
    assert_eq!(raw(port, "GET / HTTP/1.0\r\n\r\n").unwrap().who(), "any", "no host at all");
}

#[test]
fn unknown_hosts_and_paths_are_not_found() {
    let servers = echoes(&["web"]);
    let port = free_port();
    let nginx = DataPlane::new();
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", vec![prefix("/foo", "default/web/80")])],
        backends(&servers, &["web"]),
    ));
    for answer in
        [get(port, "bar.com", "/foo"), get(port, "foo.com", "/"), raw(port, "GET / HTTP/1.0\r\n\r\n").unwrap()]
    {
        assert_eq!((answer.status, answer.body.as_str()), (404, "404 page not found\n"));
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        assert_eq!(answer.header("server"), Some("nginx"), "no version");
    }
    assert_eq!(get(port, "foo.com", "/foo").who(), "web");
    let by_ipv6 = curl(&["-g", "-H", "Host: foo.com", &format!("http://[::1]:{port}/foo")]).unwrap();
    assert!(by_ipv6.starts_with("web\n"), "{by_ipv6}");
}

#[test]
fn the_path_decides_as_ingress_says() {
    let names = ["root", "foo", "exact", "deep", "slash"];
    let servers = echoes(&names);
    let port = free_port();
    let nginx = DataPlane::new();
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![
            virtual_host(
                "http-80",
                "foo.com",
                vec![
                    exact("/foo", "default/exact/80"),
                    exact("/only/", "default/slash/80"),
                    prefix("/foo/bar/", "default/deep/80"),
                    prefix("/foo", "default/foo/80"),
                    prefix("/a%20b/caf%C3%A9", "default/deep/80"),
                    prefix("/", "default/root/80"),
                ],
            ),
            virtual_host(
                "http-80",
                "bare.com",
                vec![exact("/only/", "default/slash/80"), exact("/", "default/root/80")],
            ),
        ],
        backends(&servers, &names),
    ));
    let who = |path: &str| get(port, "foo.com", path).who().to_owned();
    assert_eq!(who("/foo"), "exact");
    assert_eq!(who("/foo?q=1"), "exact");
    assert_eq!(who("/foo/"), "foo");
    assert_eq!(who("/foo/x"), "foo");
    assert_eq!(who("/foobar"), "root");
    assert_eq!(who("/Foo"), "root", "case matters");
    assert_eq!(who("/foo/bar"), "deep");
    assert_eq!(who("/foo/bar/"), "deep");
    assert_eq!(who("/foo/barn"), "foo");
    assert_eq!(who("/%66oo/bar"), "deep", "encoded or not");
    assert_eq!(who("/foo//bar/../bar"), "deep", "the normalised path is matched");
    assert_eq!(who("/a%20b/caf%C3%A9/x"), "deep");
    assert_eq!(who("/only/"), "slash");
    assert_eq!(who("/only"), "root", "an exact path with a slash is not its bare self, nor a redirect to it");
    assert_eq!(get(port, "bare.com", "/only").status, 404);
    assert_eq!(get(port, "bare.com", "/only/").who(), "slash");
    assert_eq!(get(port, "bare.com", "/").who(), "root");
    assert_eq!(get(port, "bare.com", "/x").status, 404);
}

#[test]
fn the_first_of_two_routes_wins() {
    let names = ["first", "second"];
    let servers = echoes(&names);
    let port = free_port();
    let nginx = DataPlane::new();
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![
            virtual_host(
                "http-80",
                "same.com",
                vec![prefix("/x", "default/first/80"), prefix("/x/", "default/second/80")],
            ),
            virtual_host(
                "http-80",
                "hidden.com",
                vec![prefix("/", "default/first/80"), exact("/x", "default/second/80")],
            ),
        ],
        backends(&servers, &names),
    ));
    assert_eq!(get(port, "same.com", "/x").who(), "first");
    assert_eq!(get(port, "same.com", "/x/y").who(), "first");
    assert_eq!(get(port, "hidden.com", "/x").who(), "first");
}

#[test]
fn the_endpoint_is_sent_what_the_client_sent() {
    let servers = echoes(&["web"]);
    let port = free_port();
    let nginx = DataPlane::new();
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", vec![prefix("/", "default/web/80")])],
        backends(&servers, &["web"]),
    ));
    let head = "POST /a%2Fb//../c?x=%20&y HTTP/1.1\r\nHost: foo.com:8080\r\nX-Forwarded-For: 6.6.6.6\r\nX-Mine: 1\r\nProxy: x\r\n";
    let answer = request(port, head, "body");
    assert_eq!(answer.body.lines().nth(1), Some("POST /a%2Fb//../c?x=%20&y HTTP/1.1"), "the path as it was sent");
    assert_eq!(answer.forwarded("Host"), Some("foo.com:8080"));
    assert_eq!(answer.forwarded("X-Forwarded-Host"), Some("foo.com:8080"));
    assert_eq!(answer.forwarded("X-Forwarded-For"), Some("127.0.0.1"), "what the client says is replaced");
    assert_eq!(answer.forwarded("X-Real-IP"), Some("127.0.0.1"));
    assert_eq!(answer.forwarded("X-Forwarded-Proto"), Some("http"));
    assert_eq!(answer.forwarded("X-Forwarded-Port"), Some(port.to_string().as_str()));
    assert_eq!(answer.forwarded("X-Mine"), Some("1"));
    assert_eq!(answer.forwarded("Proxy"), None);
    assert_eq!(answer.forwarded("X-Request-ID").map(str::len), Some(32));

    let named = request(port, "GET / HTTP/1.1\r\nHost: foo.com\r\nX-Request-ID: mine\r\n", "");
    assert_eq!(named.forwarded("X-Request-ID"), Some("mine"));
    let absolute = request(port, "GET http://foo.com/x HTTP/1.1\r\nHost: evil.com\r\n", "");
    assert_eq!(absolute.forwarded("Host"), Some("foo.com"), "the host that the request was routed by");
}

#[test]
fn connections_are_upgraded_and_kept() {
    let servers = echoes(&["web"]);
    let port = free_port();
    let nginx = DataPlane::new();
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", vec![prefix("/", "default/web/80")])],
        backends(&servers, &["web"]),
    ));
    let mut stream = connect(port);
    stream
        .write_all(b"GET /ws HTTP/1.1\r\nHost: foo.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream.write_all(b"there and back").unwrap();
    let mut echoed = [0; 14];
    stream.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"there and back");

    let before = servers[0].connections.load(std::sync::atomic::Ordering::SeqCst);
    for _ in 0..50 {
        get(port, "foo.com", "/");
    }
    let opened = servers[0].connections.load(std::sync::atomic::Ordering::SeqCst) - before;
    assert!(opened <= 4, "connections to endpoints are kept: {opened} for 50 requests");
}

#[test]
fn a_service_that_is_not_there_is_unavailable() {
    let port = free_port();
    let nginx = DataPlane::new();
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host(
            "http-80",
            "foo.com",
            vec![
                route(PathMatch::Prefix("/gone".to_owned()), RouteAction::Respond(503)),
                prefix("/empty", "default/empty/80"),
                route(PathMatch::Prefix("/none".to_owned()), RouteAction::Forward(vec![])),
            ],
        )],
        vec![backend("default/empty/80", vec![])],
    ));
    for path in ["/gone", "/empty", "/none"] {
        assert_eq!(get(port, "foo.com", path).status, 503, "{path}");
    }
}

#[test]
fn a_host_of_longest_name_among_many_is_served() {
    let servers = echoes(&["web"]);
    let port = free_port();
    let label = "a".repeat(61);
    let long = |number: usize| format!("{number:04}.{label}.{label}.{label}.{label}");
    assert_eq!(long(0).len(), 252);
    let hosts = (0..600).map(|number| virtual_host("http-80", &long(number), vec![prefix("/", "default/web/80")]));
    let nginx = DataPlane::new();
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        hosts.collect(),
        backends(&servers, &["web"]),
    ));
    assert_eq!(get(port, &long(599), "/").who(), "web");
    assert_eq!(get(port, &long(600), "/").status, 404);
}
