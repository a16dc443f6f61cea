//! Change under constant traffic.

use std::{
    io::{BufRead, BufReader, Read, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use lb_provider::{
    Protocol, VirtualHost,
    testing::records::{backend, listener, prefix, virtual_host},
};

use crate::{
    client::{connect, get, try_request},
    data_plane::{DataPlane, complete, eventually, free_port, web},
    endpoints::Server,
};

/// Clients that send requests until told to stop.
struct Traffic {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Traffic {
    fn start(port: u16, host: &'static str) -> Self {
        let mut traffic = Self { stop: Arc::default(), sent: Arc::default(), failed: Arc::default(), clients: vec![] };
        for method in ["GET", "POST", "GET", "POST"] {
            let (stop, sent, failed) =
                (Arc::clone(&traffic.stop), Arc::clone(&traffic.sent), Arc::clone(&traffic.failed));
            traffic.clients.push(thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let answer = try_request(port, &format!("{method} / HTTP/1.1\r\nHost: {host}\r\n"), "x");
                    sent.fetch_add(1, Ordering::SeqCst);
                    if !answer.as_ref().is_ok_and(|answer| answer.status == 200) {
                        failed.lock().unwrap().push(format!("{method}: {answer:?}"));
                    }
                }
            }));
        }
        traffic
    }

    /// Waits until more requests were answered.
    fn flow(&self, requests: usize) {
        let goal = self.sent.load(Ordering::SeqCst) + requests;
        eventually("requests are answered", || self.sent.load(Ordering::SeqCst) >= goal);
    }

    /// Every request that did not end well.
    fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        let failed = self.failed.lock().unwrap();
        failed.clone()
    }
}

#[test]
fn endpoints_come_and_go_without_a_failed_request() {
    let port = free_port();
    let caddy = DataPlane::new();
    let mut servers = vec![Server::echo("e0"), Server::echo("e1")];
    let serve = |servers: &[Server]| {
        caddy.serve(complete(
            vec![listener("http-80", port, Protocol::Http)],
            vec![virtual_host("http-80", "foo.com", vec![prefix("/", "default/web/80")])],
            vec![backend("default/web/80", servers.iter().map(Server::endpoint).collect())],
        ));
    };
    serve(&servers);
    let traffic = Traffic::start(port, "foo.com");
    let mut draining = None;
    for generation in 2..102 {
        let name = format!("e{generation}");
        servers.push(Server::echo(&name));
        serve(&servers);
        // Kubernetes takes an endpoint from the list while it still answers; it closes a while later.
        let leaving = servers.remove(0);
        serve(&servers);
        traffic.flow(40);
        eventually("the new endpoint serves", || get(port, "foo.com", "/").body.starts_with(&format!("{name}\n")));
        drop(draining.replace(leaving));
    }
    assert_eq!(caddy.loads(), (1, 201), "the ports are left alone");
    let requests = traffic.sent.load(Ordering::SeqCst);
    assert_eq!(traffic.end(), Vec::<String>::new(), "of {requests} requests");
    println!("{requests} requests over {} configurations, none failed", caddy.loads().1);
}

#[test]
fn hosts_come_and_go_without_a_failed_request() {
    let port = free_port();
    let caddy = DataPlane::new();
    let server = Server::echo("web");
    let to_web = |host: &str| virtual_host("http-80", host, vec![prefix("/", "default/web/80")]);
    let serve = |hosts: Vec<VirtualHost>| {
        caddy.serve(complete(
            vec![listener("http-80", port, Protocol::Http)],
            hosts,
            vec![backend("default/web/80", vec![server.endpoint()])],
        ));
    };
    serve(vec![to_web("foo.com")]);
    let traffic = Traffic::start(port, "foo.com");
    for number in 0..20 {
        let host = format!("h{number}.com");
        serve(vec![to_web("foo.com"), to_web(&host)]);
        eventually("the new host is served", || get(port, &host, "/").status == 200);
        serve(vec![to_web("foo.com")]);
        eventually("the old host is not", || get(port, &host, "/").status == 404);
        traffic.flow(10);
    }
    assert_eq!(traffic.end(), Vec::<String>::new());
}

#[test]
fn a_connection_that_is_kept_open_is_served_through_every_change() {
    let port = free_port();
    let caddy = DataPlane::new();
    let server = Server::echo("web");
    caddy.serve(web(port, vec![], &server));
    let mut stream = BufReader::new(connect(port));
    for round in 0..40 {
        let path = format!("/{round}");
        caddy.serve(web(port, vec![prefix(&path, "default/web/80")], &server));
        eventually("the change is served", || get(port, "foo.com", &path).status == 200);
        write!(stream.get_mut(), "GET {path} HTTP/1.1\r\nHost: foo.com\r\n\r\n").unwrap();
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let start = head.len();
            assert_ne!(stream.read_line(&mut head).unwrap(), 0, "the connection ended: {head}");
            if let Some(value) = head[start..].strip_prefix("Content-Length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
        stream.read_exact(&mut vec![0; length]).unwrap();
    }
}

#[test]
fn a_request_in_flight_is_finished_with_the_old_configuration() {
    let port = free_port();
    let caddy = DataPlane::new();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(Some(wait));
    let slow = Server::new("127.0.0.1:0", move |mut stream| {
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer)?;
        // The first request waits.
        let gate = gate.lock().unwrap().take();
        gate.map_or(Ok(()), |gate| gate.recv()).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow")
    });
    let fast = Server::echo("fast");
    caddy.serve(web(port, vec![prefix("/", "default/web/80")], &slow));
    let mut stream = connect(port);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: foo.com\r\nConnection: close\r\n\r\n").unwrap();
    eventually("the request is on its way", || slow.connections.load(Ordering::SeqCst) == 1);
    caddy.serve(web(port, vec![prefix("/", "default/web/80")], &fast));
    eventually("the change is served", || get(port, "foo.com", "/").body.starts_with("fast"));
    go.send(()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("slow"), "{answer}");
}

/// What README.md says of Caddy 2.6: should it end, so should the words.
#[test]
fn an_upgraded_connection_ends_with_its_configuration() {
    let port = free_port();
    let caddy = DataPlane::new();
    let server = Server::echo("web");
    caddy.serve(web(port, vec![prefix("/", "default/web/80")], &server));
    let mut stream = connect(port);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: foo.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n").unwrap();
    let mut buffer = [0; 4096];
    let length = stream.read(&mut buffer).unwrap();
    assert!(buffer[..length].starts_with(b"HTTP/1.1 101 "));
    caddy.serve(web(port, vec![prefix("/x", "default/web/80")], &server));
    let mut rest = vec![];
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.starts_with(&[0x88, 2, 3, 0xe9]), "a websocket is told that the server goes away: {rest:?}");
}
