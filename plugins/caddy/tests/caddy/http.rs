//! Which endpoint gets a request, and what of it.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
};

use lb_provider::{
    Affinity, Backend, BackendProtocol, Endpoint, Files as _, Host as _, HostMatch, Listener, PathMatch, Protocol,
    RouteAction, VirtualHost,
    testing::records::{backend, exact, listener, prefix, route, virtual_host},
};

use crate::{
    client::{connect, get, request},
    data_plane::{DataPlane, complete, eventually, free_port, serve},
    endpoints::Server,
};

fn echoes(names: &[&str]) -> Vec<Server> {
    names.iter().map(|name| Server::echo(name)).collect()
}

fn backends(servers: &[Server], names: &[&str]) -> Vec<Backend> {
    let pairs = servers.iter().zip(names);
    pairs.map(|(server, name)| backend(&format!("default/{name}/80"), vec![server.endpoint()])).collect()
}

fn one_host(routes: Vec<lb_provider::Route>, names: &[&str]) -> (DataPlane, u16, Vec<Server>) {
    let servers = echoes(names);
    let port = free_port();
    let caddy = DataPlane::new();
    caddy.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", routes)],
        backends(&servers, names),
    ));
    (caddy, port, servers)
}

#[test]
fn hosts_are_told_apart() {
    let names = ["any", "deep", "exact", "wild"];
    let servers = echoes(&names);
    let port = free_port();
    let caddy = DataPlane::new();
    let host = |host: &str, name: &str| virtual_host("http-80", host, vec![prefix("/", &format!("default/{name}/80"))]);
    caddy.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![host("*", "any"), host("*.foo.com", "wild"), host("*.a.foo.com", "deep"), host("a.foo.com", "exact")],
        backends(&servers, &names),
    ));
    let who = |host: &str| get(port, host, "/").who().to_owned();
    assert_eq!(who("a.foo.com"), "exact");
    assert_eq!(who("A.Foo.com:81"), "exact");
    assert_eq!(who("b.foo.com"), "wild");
    assert_eq!(who("b.a.foo.com"), "deep");
    assert_eq!(who("c.b.a.foo.com"), "any", "a wildcard is one label");
    assert_eq!(who("foo.com"), "any");
    assert_eq!(who("a.foo.com.evil"), "any");
    assert_eq!(who("127.0.0.1"), "any");
    assert_eq!(request(port, "GET / HTTP/1.0\r\n", "").who(), "any", "no host at all");
    assert_eq!(get(port, "bar.com", "/").who(), "any");
}

#[test]
fn hosts_and_paths_that_nobody_asked_for_are_not_found() {
    let (_caddy, port, _servers) = one_host(vec![prefix("/foo", "default/web/80")], &["web"]);
    for (host, path) in [("bar.com", "/foo"), ("foo.com", "/"), ("foo.com", "/foobar"), ("", "/foo")] {
        let answer = get(port, host, path);
        assert_eq!((answer.status, answer.body.as_str()), (404, "404 page not found\n"), "{host}{path}");
    }
}

#[test]
fn paths_are_told_apart() {
    let names = ["deep", "exact", "foo", "root", "slash"];
    let routes = vec![
        exact("/foo/exact", "default/exact/80"),
        exact("/only/", "default/slash/80"),
        prefix("/foo/bar/", "default/deep/80"),
        prefix("/a%20b/caf%C3%A9", "default/deep/80"),
        prefix("/foo", "default/foo/80"),
        prefix("/", "default/root/80"),
    ];
    let (_caddy, port, _servers) = one_host(routes, &names);
    let who = |path: &str| get(port, "foo.com", path).who().to_owned();
    let cases = [
        ("/", "root"),
        ("/foo/exact", "exact"),
        ("/foo/exact?a=/b", "exact"),
        ("/foo/exact/", "foo"),
        ("/foo", "foo"),
        ("/foo/", "foo"),
        ("/foo/x", "foo"),
        ("/foobar", "root"),
        ("/Foo", "root"),
        ("/foo/bar", "deep"),
        ("/foo/bar/", "deep"),
        ("/foo/barn", "foo"),
        ("/%66oo/bar", "deep"),
        ("/foo//bar/../bar", "deep"),
        ("/a%20b/caf%C3%A9/x", "deep"),
        ("/only/", "slash"),
        ("/only", "root"),
        ("/x/../foo", "foo"),
        ("/foo/../x", "root"),
    ];
    for (path, name) in cases {
        assert_eq!(who(path), name, "{path}");
    }
}

#[test]
fn the_first_of_two_routes_wins_and_methods_choose() {
    let get_only = lb_provider::Route { method: Some("GET".to_owned()), ..prefix("/m", "default/first/80") };
    let routes = vec![
        get_only,
        prefix("/m", "default/second/80"),
        prefix("/x", "default/first/80"),
        exact("/x", "default/second/80"),
    ];
    let (_caddy, port, _servers) = one_host(routes, &["first", "second"]);
    assert_eq!(get(port, "foo.com", "/x").who(), "first");
    assert_eq!(get(port, "foo.com", "/m").who(), "first");
    assert_eq!(request(port, "POST /m HTTP/1.1\r\nHost: foo.com\r\n", "x").who(), "second");
}

#[test]
fn the_endpoint_is_sent_what_the_client_sent() {
    let (_caddy, port, _servers) = one_host(vec![prefix("/", "default/web/80")], &["web"]);
    let head = "POST /a%2Fb//../c?x=%20&y HTTP/1.1\r\nHost: foo.com:8080\r\nX-Forwarded-For: 6.6.6.6\r\nX-Mine: {env.PATH}\r\n";
    let answer = request(port, head, "body");
    assert_eq!(answer.body.lines().nth(1), Some("POST /a%2Fb//../c?x=%20&y HTTP/1.1"), "the path as it was sent");
    assert_eq!(answer.forwarded("Host"), Some("foo.com:8080"));
    assert_eq!(answer.forwarded("X-Forwarded-Host"), Some("foo.com:8080"));
    assert_eq!(answer.forwarded("X-Forwarded-For"), Some("127.0.0.1"), "what the client says is replaced");
    assert_eq!(answer.forwarded("X-Real-IP"), Some("127.0.0.1"));
    assert_eq!(answer.forwarded("X-Forwarded-Proto"), Some("http"));
    assert_eq!(answer.forwarded("X-Forwarded-Port"), Some(port.to_string().as_str()));
    assert_eq!(answer.forwarded("X-Mine"), Some("{env.PATH}"));
    assert_eq!(answer.header("Server"), None, "the endpoint says none");
    assert_eq!(answer.forwarded("Accept-Encoding"), None, "nothing is asked for that the client did not ask for");
}

#[test]
fn connections_are_upgraded() {
    let (_caddy, port, _servers) = one_host(vec![prefix("/", "default/web/80")], &["web"]);
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
}

#[test]
fn a_service_that_is_not_there_is_unavailable() {
    let port = free_port();
    let caddy = DataPlane::new();
    let respond = |path: &str| route(PathMatch::Prefix(path.to_owned()), RouteAction::Respond(503));
    let none = route(PathMatch::Prefix("/none".to_owned()), RouteAction::Forward(vec![]));
    caddy.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", vec![respond("/gone"), prefix("/empty", "default/empty/80"), none])],
        vec![backend("default/empty/80", vec![])],
    ));
    for path in ["/gone", "/empty", "/none"] {
        assert_eq!(get(port, "foo.com", path).status, 503, "{path}");
    }
}

#[test]
fn endpoints_take_turns_and_those_that_end_get_nobody_new() {
    let names = ["one", "two", "three"];
    let servers = echoes(&names);
    let port = free_port();
    let caddy = DataPlane::new();
    let ending = |server: &Server| Endpoint { terminating: true, ..server.endpoint() };
    let take_turns = |endpoints: Vec<Endpoint>, expected: &[&str]| {
        caddy.serve(complete(
            vec![listener("http-80", port, Protocol::Http)],
            vec![virtual_host("http-80", "foo.com", vec![prefix("/", "default/web/80")])],
            vec![backend("default/web/80", endpoints)],
        ));
        eventually("these endpoints take turns", || {
            let seen: BTreeSet<_> = (0..12).map(|_| get(port, "foo.com", "/").who().to_owned()).collect();
            seen.iter().eq(expected)
        });
    };
    take_turns(servers.iter().map(Server::endpoint).collect(), &["one", "three", "two"]);
    take_turns(vec![servers[0].endpoint(), ending(&servers[1])], &["one"]);
    // There is nobody else.
    take_turns(vec![ending(&servers[1]), ending(&servers[2])], &["three", "two"]);
}

#[test]
fn a_client_stays_at_one_endpoint_by_its_address() {
    let servers = echoes(&["one", "two", "three"]);
    let port = free_port();
    let caddy = DataPlane::new();
    let endpoints = servers.iter().map(Server::endpoint).collect();
    caddy.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", vec![prefix("/", "default/web/80")])],
        vec![Backend { affinity: Affinity::ClientIp(60), ..backend("default/web/80", endpoints) }],
    ));
    let first = get(port, "foo.com", "/").who().to_owned();
    assert!((0..12).all(|_| get(port, "foo.com", "/").who() == first));
}

#[test]
fn endpoints_are_spoken_to_in_http2_where_asked_for() {
    // Another Caddy, which says what it was spoken to in.
    let upstream = DataPlane::new();
    let address = free_port();
    let config = serde_json::json!({
        "admin": { "listen": upstream.admin.to_string(), "config": { "persist": false } },
        "apps": { "http": { "servers": { "it": {
            "listen": [format!("127.0.0.1:{address}")],
            "protocols": ["h1", "h2c"],
            "automatic_https": { "disable": true },
            "routes": [{ "handle": [{ "handler": "static_response", "body": "{http.request.proto}" }] }],
        } } } },
    });
    upstream.host.directory().put("edge/caddy.json", config.to_string().as_bytes()).unwrap();
    upstream.host.services().start("edge").unwrap();
    let port = free_port();
    let caddy = DataPlane::new();
    let speaking = |id: &str, protocol| {
        let endpoint = lb_provider::testing::records::endpoint("127.0.0.1", address);
        Backend { protocol, ..backend(id, vec![endpoint]) }
    };
    let outcome = caddy.apply(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host(
            "http-80",
            "foo.com",
            vec![prefix("/new", "default/new/80"), prefix("/old", "default/old/80"), prefix("/rpc", "default/rpc/80")],
        )],
        vec![
            speaking("default/new/80", BackendProtocol::H2c),
            speaking("default/old/80", BackendProtocol::Http),
            speaking("default/rpc/80", BackendProtocol::Grpc),
        ],
    ));
    assert_eq!(get(port, "foo.com", "/new").body, "HTTP/2.0");
    assert_eq!(get(port, "foo.com", "/old").body, "HTTP/1.1");
    assert_eq!(get(port, "foo.com", "/rpc").status, 503);
    assert_eq!(outcome.rejections.len(), 1, "{outcome:?}");
}

#[test]
fn a_redirect_to_https_is_for_everybody() {
    let server = Server::echo("web");
    let (port, usual) = (free_port(), free_port());
    let caddy = DataPlane::new();
    let to =
        |name: &str, port, https| Listener { redirect_to_https: Some(https), ..listener(name, port, Protocol::Http) };
    caddy.serve(complete(
        vec![to("http-80", port, 8443), to("http-81", usual, 443)],
        vec![virtual_host("http-80", "foo.com", vec![prefix("/", "default/web/80")])],
        vec![backend("default/web/80", vec![server.endpoint()])],
    ));
    for host in ["foo.com", "unknown.com"] {
        let answer = get(port, &format!("{host}:81"), "/a%2Fb?q={env.PATH}");
        assert_eq!(answer.status, 308);
        assert_eq!(answer.header("Location"), Some(format!("https://{host}:8443/a%2Fb?q={{env.PATH}}").as_str()));
        assert_eq!(get(usual, host, "/").header("Location"), Some(format!("https://{host}/").as_str()));
    }
}

#[test]
fn ports_that_caddy_cannot_serve_are_told() {
    let server = Server::echo("web");
    let (caddy, port) = serve(vec![prefix("/", "default/web/80")], &server);
    let mut change = crate::data_plane::web(port, vec![prefix("/", "default/web/80")], &server);
    let asked = |name: &str, protocol| Listener {
        sources: vec![lb_provider::testing::records::object("Ingress", name)],
        ..listener(name, free_port(), protocol)
    };
    change.listeners.upsert.extend([
        asked("tcp", Protocol::Tcp),
        asked("udp", Protocol::Udp),
        asked("tls", Protocol::Tls),
        Listener { proxy_protocol: true, ..asked("proxied", Protocol::Http) },
    ]);
    let odd =
        VirtualHost { host: HostMatch::Exact("a_b.com".to_owned()), ..virtual_host("http-80", "odd.com", vec![]) };
    change.virtual_hosts.upsert.push(odd);
    let outcome = caddy.apply(change);
    let told: Vec<_> = outcome.rejections.iter().map(|rejection| rejection.object.name.as_str()).collect();
    assert_eq!(told, ["tcp", "udp", "tls", "proxied"]);
    assert_eq!(get(port, "foo.com", "/").who(), "web");
}
