//! Ports that are not HTTP.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{Ipv4Addr, UdpSocket},
    time::Duration,
};

use lb_provider::{
    Affinity, Backend, BackendProtocol, ChangeKind, Endpoint, Listener, Protocol,
    testing::records::{backend, change, listener, passthrough, prefix, targets, virtual_host},
};

use crate::{
    client::{connect, curl, get},
    data_plane::{DataPlane, complete, eventually, free_port, upsert},
    endpoints::{Server, udp_echo},
    tls,
};

/// A server that says its name and closes.
fn speaker(name: &'static str) -> Server {
    Server::new("127.0.0.1:0", move |mut stream| stream.write_all(name.as_bytes()))
}

/// What the port says until the connection ends; empty if it is closed at once.
fn hear(port: u16) -> String {
    let mut said = Vec::new();
    // A connection that is refused ends with a reset.
    let _ = connect(port).read_to_end(&mut said);
    String::from_utf8(said).unwrap()
}

fn tcp(id: &str, endpoints: Vec<Endpoint>) -> Backend {
    Backend { protocol: BackendProtocol::Tcp, ..backend(id, endpoints) }
}

fn to(listener: Listener, backends: &[&str]) -> Listener {
    Listener { targets: targets(backends), ..listener }
}

#[test]
fn tcp_connections_reach_every_endpoint() {
    let (one, two, three) = (speaker("one"), speaker("two"), speaker("three"));
    let (port, empty) = (free_port(), free_port());
    let nginx = DataPlane::new();
    nginx.serve(complete(
        vec![
            to(listener("tcp-1", port, Protocol::Tcp), &["default/db/1"]),
            to(listener("tcp-2", empty, Protocol::Tcp), &["default/none/1"]),
        ],
        vec![],
        vec![tcp("default/db/1", vec![one.endpoint(), two.endpoint()]), tcp("default/none/1", vec![])],
    ));
    let heard: BTreeSet<_> = (0..60).map(|_| hear(port)).collect();
    assert_eq!(heard, BTreeSet::from(["one".to_owned(), "two".to_owned()]));
    assert_eq!(hear(empty), "", "nobody is there");

    let workers = nginx.workers();
    nginx.serve(upsert(vec![], vec![tcp("default/db/1", vec![three.endpoint()])]));
    for _ in 0..10 {
        assert_eq!(hear(port), "three", "the next connection goes where the endpoints are now");
    }
    assert_eq!(nginx.workers(), workers, "without a reload");
}

#[test]
fn a_tcp_client_stays_by_its_address() {
    let speakers = [speaker("one"), speaker("two"), speaker("three"), speaker("four")];
    let port = free_port();
    let nginx = DataPlane::new();
    let endpoints = speakers.iter().map(Server::endpoint).collect();
    nginx.serve(complete(
        vec![to(listener("tcp-1", port, Protocol::Tcp), &["default/db/1"])],
        vec![],
        vec![Backend { affinity: Affinity::ClientIp(60), ..tcp("default/db/1", endpoints) }],
    ));
    let heard: BTreeSet<_> = (0..20).map(|_| hear(port)).collect();
    assert_eq!(heard.len(), 1, "{heard:?}");
}

#[test]
fn udp_datagrams_go_there_and_back() {
    let port = free_port();
    let nginx = DataPlane::new();
    let names = Backend { protocol: BackendProtocol::Udp, ..backend("default/dns/53", vec![udp_echo("dns")]) };
    nginx.serve(complete(vec![to(listener("udp-53", port, Protocol::Udp), &["default/dns/53"])], vec![], vec![names]));
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    for question in ["who", "what"] {
        socket.send_to(question.as_bytes(), (Ipv4Addr::LOCALHOST, port)).unwrap();
        let mut answer = [0; 100];
        let count = socket.recv(&mut answer).unwrap();
        assert_eq!(String::from_utf8_lossy(&answer[..count]), format!("dns {question}"));
    }
}

#[test]
fn tls_is_passed_on_unopened_by_its_name() {
    let (exact, wild) = (tls::echo_server("exact"), tls::echo_server("wild"));
    let port = free_port();
    let nginx = DataPlane::new();
    nginx.serve(complete(
        vec![listener("tls-443", port, Protocol::Tls)],
        vec![
            passthrough("tls-443", "*.foo.com", &["default/wild/443"]),
            passthrough("tls-443", "default", &["default/exact/443"]),
            passthrough("tls-443", "foo.com", &["default/exact/443"]),
        ],
        vec![tcp("default/exact/443", vec![exact.endpoint()]), tcp("default/wild/443", vec![wild.endpoint()])],
    ));
    let who = |host: &str| {
        let resolve = format!("{host}:{port}:127.0.0.1");
        curl(&["-k", "--resolve", &resolve, &format!("https://{host}:{port}/")])
            .map(|it| it.lines().next().unwrap().to_owned())
    };
    assert_eq!(who("foo.com").as_deref(), Ok("exact"));
    assert_eq!(who("FOO.com").as_deref(), Ok("exact"));
    assert_eq!(who("default").as_deref(), Ok("exact"), "a name that nginx gives a meaning to");
    assert_eq!(who("a.foo.com").as_deref(), Ok("wild"));
    assert!(who("a.b.foo.com").is_err(), "a wildcard is one label");
    assert!(who("bar.com").is_err());

    let mut others = change(ChangeKind::Incremental);
    others.virtual_hosts.remove = vec!["tls-443/foo.com".to_owned()];
    others.virtual_hosts.upsert = vec![passthrough("tls-443", "*", &["default/wild/443"])];
    nginx.serve(others);
    eventually("everybody else has a place", || who("bar.com").as_deref() == Ok("wild"));
    assert_eq!(who("foo.com").as_deref(), Ok("wild"));
}

#[test]
fn stream_modules_are_loaded_only_when_needed() {
    let (web, db) = (Server::echo("web"), speaker("db"));
    let (http, port) = (free_port(), free_port());
    let nginx = DataPlane::new();
    nginx.serve(complete(
        vec![listener("http-80", http, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", vec![prefix("/", "default/web/80")])],
        vec![backend("default/web/80", vec![web.endpoint()])],
    ));
    let files = |nginx: &DataPlane| lb_provider::Files::list(nginx.host.directory(), "live/modules").unwrap();
    assert_eq!(files(&nginx), Vec::<String>::new());

    let mut added = change(ChangeKind::Incremental);
    added.listeners.upsert = vec![to(listener("tcp-1", port, Protocol::Tcp), &["default/db/1"])];
    added.backends.upsert = vec![tcp("default/db/1", vec![db.endpoint()])];
    nginx.serve(added);
    eventually("the port is open", || hear(port) == "db");
    assert_eq!(files(&nginx), ["stream.conf"]);

    let mut removed = change(ChangeKind::Incremental);
    removed.listeners.remove = vec!["tcp-1".to_owned()];
    removed.backends.remove = vec!["default/db/1".to_owned()];
    nginx.serve(removed);
    assert_eq!(files(&nginx), Vec::<String>::new());
    eventually("the port is closed", || std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    assert_eq!(get(http, "foo.com", "/").who(), "web");
}
