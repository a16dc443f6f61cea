//! How requests spread over backends and endpoints.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
};

use lb_provider::{
    Affinity, Backend, BackendProtocol, ChangeKind, CookieAffinity, CookieMode, Endpoint, PathMatch, Policy, Protocol,
    Route, RouteAction, WeightedBackend,
    testing::records::{backend, change, endpoint, listener, prefix, route, virtual_host},
};

use crate::{
    client::{Answer, get, raw, request, try_request},
    data_plane::{DataPlane, complete, eventually, free_port, upsert},
    endpoints::{Server, dead},
};

/// nginx with one host, `foo.com`, whose every path goes to `default/web/80`.
fn serve(web: Backend, policies: Vec<Policy>) -> (DataPlane, u16) {
    let port = free_port();
    let nginx = DataPlane::new();
    let web_route = Route { policies, ..prefix("/", "default/web/80") };
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", vec![web_route])],
        vec![web],
    ));
    (nginx, port)
}

fn servers(count: usize) -> Vec<Server> {
    (0..count).map(|number| Server::echo(&format!("e{number}"))).collect()
}

fn endpoints(servers: &[Server]) -> Vec<Endpoint> {
    servers.iter().map(Server::endpoint).collect()
}

/// How often each answered.
fn count(requests: usize, mut send: impl FnMut() -> Answer) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        *counts.entry(send().who().to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn replicas_are_hit_evenly() {
    let servers = servers(10);
    let (_nginx, port) = serve(backend("default/web/80", endpoints(&servers)), vec![]);
    let counts = count(200, || get(port, "foo.com", "/"));
    assert_eq!(counts.len(), 10, "{counts:?}");
    // Two workers take turns of their own, so each endpoint may be ahead by one turn of each.
    assert!(counts.values().all(|count| (18..=22).contains(count)), "{counts:?}");
}

#[test]
fn weights_are_kept() {
    let servers = servers(3);
    let port = free_port();
    let shares = [("a", 3), ("b", 1), ("c", 0)];
    let share = |&(name, weight): &(&str, u32)| WeightedBackend { backend: format!("default/{name}/80"), weight };
    let action = RouteAction::Forward(shares.iter().map(share).collect());
    let none = RouteAction::Forward(vec![share(&("c", 0))]);
    let nginx = DataPlane::new();
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host(
            "http-80",
            "foo.com",
            vec![route(PathMatch::Prefix("/none".to_owned()), none), route(PathMatch::Prefix("/".to_owned()), action)],
        )],
        ["a", "b", "c"]
            .iter()
            .zip(&servers)
            .map(|(name, it)| backend(&format!("default/{name}/80"), vec![it.endpoint()]))
            .collect(),
    ));
    let counts = count(400, || get(port, "foo.com", "/"));
    assert!((240..=360).contains(&counts["e0"]), "three quarters of 400: {counts:?}");
    assert_eq!(counts["e0"] + counts["e1"], 400, "a weight of 0 gets nothing");
    assert_eq!(get(port, "foo.com", "/none").status, 503);
}

#[test]
fn ipv6_endpoints_are_reached() {
    let server = Server::echo_at("six", "[::1]:0");
    let (_nginx, port) = serve(backend("default/web/80", vec![server.endpoint()]), vec![]);
    assert_eq!(get(port, "foo.com", "/").who(), "six");
}

#[test]
fn terminating_endpoints_get_new_clients_only_while_there_is_nobody_else() {
    let servers = servers(2);
    let ending = Endpoint { terminating: true, ..servers[0].endpoint() };
    let web = |endpoints| backend("default/web/80", endpoints);
    let (nginx, port) = serve(web(vec![ending.clone(), servers[1].endpoint()]), vec![]);
    assert_eq!(count(20, || get(port, "foo.com", "/")), BTreeMap::from([("e1".to_owned(), 20)]));
    nginx.serve(upsert(vec![], vec![web(vec![ending])]));
    eventually("the last one standing serves", || get(port, "foo.com", "/").body.starts_with("e0\n"));
}

#[test]
fn an_endpoint_that_refuses_is_passed_over() {
    let server = Server::echo("alive");
    let (_nginx, port) = serve(backend("default/web/80", vec![dead(), server.endpoint(), dead()]), vec![]);
    for _ in 0..30 {
        assert_eq!(get(port, "foo.com", "/").who(), "alive");
        assert_eq!(request(port, "POST / HTTP/1.1\r\nHost: foo.com\r\n", "body").who(), "alive", "it was not sent yet");
    }
}

#[test]
fn what_may_have_been_done_is_not_done_twice() {
    // Reads the request, then closes without an answer.
    let broken = Server::new("127.0.0.1:0", |mut stream| stream.read(&mut [0; 4096]).map(drop));
    let server = Server::echo("alive");
    let endpoints = vec![broken.endpoint(), server.endpoint()];
    let (_nginx, port) = serve(backend("default/web/80", endpoints), vec![]);
    let statuses = |method: &str| -> Vec<u16> {
        let head = format!("{method} / HTTP/1.1\r\nHost: foo.com\r\n");
        (0..10).map(|_| request(port, &head, "").status).collect()
    };
    assert_eq!(statuses("GET"), [200; 10], "a GET may be sent again");
    let posts = statuses("POST");
    assert!(posts.contains(&502) && posts.contains(&200), "a POST is not: {posts:?}");
}

#[test]
fn all_endpoints_dead_is_a_bad_gateway() {
    let (_nginx, port) = serve(backend("default/web/80", vec![dead(), dead()]), vec![]);
    assert_eq!(get(port, "foo.com", "/").status, 502);
}

#[test]
fn a_client_stays_by_its_address() {
    let servers = servers(5);
    let web = |servers: &[Server]| Backend {
        affinity: Affinity::ClientIp(10_800),
        ..backend("default/web/80", endpoints(servers))
    };
    let port = free_port();
    let mut behind_proxy = listener("http-80", port, Protocol::Http);
    behind_proxy.proxy_protocol = true;
    let nginx = DataPlane::new();
    nginx.serve(complete(
        vec![behind_proxy],
        vec![virtual_host("http-80", "foo.com", vec![prefix("/", "default/web/80")])],
        vec![web(&servers)],
    ));
    let who = |client: usize| {
        let head = format!("PROXY TCP4 192.0.2.{client} 127.0.0.1 1234 80\r\n");
        let answer = raw(port, &format!("{head}GET / HTTP/1.1\r\nHost: foo.com\r\nConnection: close\r\n\r\n")).unwrap();
        assert_eq!(
            answer.forwarded("X-Real-IP"),
            Some(format!("192.0.2.{client}").as_str()),
            "the PROXY header is read"
        );
        answer.who().to_owned()
    };
    let all = || (1..=60).map(who).collect::<Vec<_>>();
    let before = all();
    assert_eq!(all(), before);
    let hit: std::collections::BTreeSet<_> = before.iter().collect();
    assert_eq!(hit.len(), 5, "clients spread: {before:?}");

    nginx.serve(upsert(vec![], vec![web(&servers[..4])]));
    eventually("the endpoint that went gets no client", || !all().contains(&"e4".to_owned()));
    for (now, then) in all().iter().zip(&before).filter(|(_, then)| *then != "e4") {
        assert_eq!(now, then, "who was at another endpoint stays there");
    }
}

fn cookie() -> CookieAffinity {
    CookieAffinity {
        name: None,
        cookie: Some("stay".to_owned()),
        domain: None,
        path: None,
        mode: CookieMode::Insert,
        indirect: false,
        no_cache: false,
        post_only: false,
        max_age: None,
        secure: false,
    }
}

fn with_cookie(cookie: CookieAffinity) -> Vec<Policy> {
    vec![Policy::CookieAffinity(cookie)]
}

#[test]
fn a_client_stays_by_its_cookie() {
    let servers = servers(4);
    let web = |servers: &[Server]| backend("default/web/80", endpoints(servers));
    let (nginx, port) = serve(web(&servers), with_cookie(cookie()));
    let first = get(port, "foo.com", "/");
    let set = first.header("Set-Cookie").unwrap().to_owned();
    let (value, attributes) = set.split_once(';').unwrap();
    assert_eq!(attributes, " Path=/; HttpOnly");
    assert!(!value.contains("127.0.0.1"), "it tells nothing of the endpoint: {value}");
    let again = || request(port, &format!("GET / HTTP/1.1\r\nHost: foo.com\r\nCookie: a=1; {value}; b=2\r\n"), "");
    for _ in 0..20 {
        let answer = again();
        assert_eq!(answer.who(), first.who());
        assert_eq!(answer.header("Set-Cookie"), None, "it is set once");
        assert_eq!(answer.forwarded("Cookie"), Some(format!("a=1; {value}; b=2").as_str()));
    }
    let spread = count(40, || get(port, "foo.com", "/"));
    assert_eq!(spread.len(), 4, "clients without it spread: {spread:?}");

    // Its endpoint shuts down: those that know it stay, others do not come.
    let place: usize = first.who()[1..].parse().unwrap();
    let mut ending = web(&servers);
    ending.endpoints[place].terminating = true;
    nginx.serve(upsert(vec![], vec![ending]));
    eventually("no new clients", || !count(20, || get(port, "foo.com", "/")).contains_key(first.who()));
    assert_eq!(again().who(), first.who());

    let mut gone = web(&servers);
    gone.endpoints.remove(place);
    nginx.serve(upsert(vec![], vec![gone]));
    eventually("a new endpoint and a new cookie", || {
        let answer = again();
        answer.who() != first.who() && answer.header("Set-Cookie").is_some()
    });
}

#[test]
fn a_cookie_has_the_attributes_that_were_asked_for() {
    let server = Server::echo("web");
    let asked = CookieAffinity {
        domain: Some("foo.com".to_owned()),
        path: Some("/app".to_owned()),
        indirect: true,
        no_cache: true,
        post_only: true,
        max_age: Some(60),
        secure: true,
        ..cookie()
    };
    let (_nginx, port) = serve(backend("default/web/80", vec![server.endpoint()]), with_cookie(asked));
    assert_eq!(get(port, "foo.com", "/").header("Set-Cookie"), None, "only on answers to POST");
    let answer = request(port, "POST / HTTP/1.1\r\nHost: foo.com\r\n", "x");
    let (value, attributes) = answer.header("Set-Cookie").unwrap().split_once(';').unwrap();
    assert_eq!(attributes, " Path=/app; Domain=foo.com; Max-Age=60; Secure; HttpOnly");
    assert_eq!(answer.header("Cache-Control"), Some("private, no-cache"));
    let told = |cookies: &str| {
        let answer = request(port, &format!("GET / HTTP/1.1\r\nHost: foo.com\r\nCookie: {cookies}\r\n"), "");
        answer.forwarded("Cookie").map(str::to_owned)
    };
    assert_eq!(told(&format!("a=1; {value}; b=2")).as_deref(), Some("a=1; b=2"), "it is not passed on");
    assert_eq!(told(value), None);
}

#[test]
fn a_cookie_that_means_nothing_is_replaced() {
    let server = Server::echo("web");
    let (_nginx, port) = serve(backend("default/web/80", vec![server.endpoint()]), with_cookie(cookie()));
    for value in ["", "x", "../../etc/passwd", "%00", "\"", "=="] {
        let head = format!("GET / HTTP/1.1\r\nHost: foo.com\r\nCookie: stay={value}\r\n");
        let answer = try_request(port, &head, "").unwrap();
        assert_eq!(answer.who(), "web");
        assert!(answer.header("Set-Cookie").is_some(), "{value}");
    }
}

#[test]
fn backends_of_a_route_may_speak_different_protocols() {
    let plain = Server::echo("plain");
    let tls = crate::tls::echo_server("tls");
    let port = free_port();
    let nginx = DataPlane::new();
    let over_tls = Backend { protocol: BackendProtocol::Https, ..backend("default/tls/443", vec![tls.endpoint()]) };
    let both = RouteAction::Forward(lb_provider::testing::records::targets(&["default/plain/80", "default/tls/443"]));
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host(
            "http-80",
            "foo.com",
            vec![prefix("/tls", "default/tls/443"), route(PathMatch::Prefix("/".to_owned()), both)],
        )],
        vec![backend("default/plain/80", vec![plain.endpoint()]), over_tls],
    ));
    for _ in 0..10 {
        assert_eq!(get(port, "foo.com", "/tls").who(), "tls");
    }
    let counts = count(60, || get(port, "foo.com", "/"));
    assert_eq!(counts.len(), 2, "{counts:?}");
}

#[test]
fn a_backend_may_change_its_protocol() {
    let plain = Server::echo("plain");
    let tls = crate::tls::echo_server("tls");
    let (nginx, port) = serve(backend("default/web/80", vec![plain.endpoint()]), vec![]);
    assert_eq!(get(port, "foo.com", "/").who(), "plain");
    let over_tls = Backend { protocol: BackendProtocol::Https, ..backend("default/web/80", vec![tls.endpoint()]) };
    let mut only_backend = change(ChangeKind::Incremental);
    only_backend.backends.upsert = vec![over_tls];
    nginx.serve(only_backend);
    eventually("the route speaks TLS", || get(port, "foo.com", "/").body.starts_with("tls\n"));
}

#[test]
fn protocols_that_nginx_does_not_speak_are_told_to_the_service() {
    let server = Server::echo("web");
    let grpc = Backend { protocol: BackendProtocol::Grpc, ..backend("default/web/80", vec![server.endpoint()]) };
    let port = free_port();
    let nginx = DataPlane::new();
    let outcome = nginx.apply(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", vec![prefix("/", "default/web/80")])],
        vec![grpc.clone()],
    ));
    assert_eq!(outcome.rejections.len(), 1);
    assert_eq!(outcome.rejections[0].object, grpc.service);
    assert_eq!(get(port, "foo.com", "/").status, 503);
}

#[test]
fn an_endless_list_of_endpoints_is_served() {
    let server = Server::echo("last");
    let mut endpoints: Vec<_> =
        (0..10_000).map(|n| endpoint(&format!("127.1.{}.{}", n / 250, n % 250 + 1), 1)).collect();
    let (nginx, port) = serve(backend("default/web/80", endpoints.clone()), vec![]);
    assert_eq!(get(port, "foo.com", "/").status, 502, "none of them is there");
    endpoints.truncate(1);
    endpoints.push(server.endpoint());
    nginx.serve(upsert(vec![], vec![backend("default/web/80", endpoints)]));
    eventually("the new list is read", || get(port, "foo.com", "/").status == 200);
}

#[test]
fn a_keepalive_connection_serves_many_requests() {
    let server = Server::echo("web");
    let (_nginx, port) = serve(backend("default/web/80", vec![server.endpoint()]), vec![]);
    let mut stream = crate::client::connect(port);
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: foo.com\r\n\r\n").unwrap();
        let mut answer = String::new();
        let mut buffer = [0; 4096];
        while !answer.contains("X-Request-ID: ") {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "{answer}");
            answer.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
        assert!(answer.contains("Connection: keep-alive"), "{answer}");
    }
}
