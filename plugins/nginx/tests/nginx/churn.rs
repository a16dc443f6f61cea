//! Change under constant traffic.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use lb_provider::{
    ChangeKind, Protocol,
    testing::records::{backend, change, listener, prefix, virtual_host},
};

use crate::{
    client::{get, request, try_request},
    data_plane::{DataPlane, complete, eventually, free_port, upsert},
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
fn endpoints_come_and_go_without_a_failed_request_or_a_reload() {
    let port = free_port();
    let nginx = DataPlane::new();
    let mut servers = vec![Server::echo("e0"), Server::echo("e1")];
    let web = |servers: &[Server]| backend("default/web/80", servers.iter().map(Server::endpoint).collect());
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", vec![prefix("/", "default/web/80")])],
        vec![web(&servers)],
    ));
    let workers = nginx.workers();
    assert_eq!(workers.len(), 2);
    let traffic = Traffic::start(port, "foo.com");
    let mut draining = None;
    for generation in 2..40 {
        let name = format!("e{generation}");
        servers.push(Server::echo(&name));
        nginx.serve(upsert(vec![], vec![web(&servers)]));
        // Kubernetes takes an endpoint from the list while it still answers; it closes a while later, when no worker can
        // ask for it any more.
        let leaving = servers.remove(0);
        nginx.serve(upsert(vec![], vec![web(&servers)]));
        traffic.flow(40);
        eventually("the new endpoint serves", || get(port, "foo.com", "/").body.starts_with(&format!("{name}\n")));
        drop(draining.replace(leaving));
    }
    assert_eq!(traffic.end(), Vec::<String>::new());
    assert_eq!(nginx.workers(), workers, "no reload");
}

#[test]
fn hosts_come_and_go_without_a_failed_request() {
    let port = free_port();
    let nginx = DataPlane::new();
    let server = Server::echo("web");
    let to_web = |host: &str| virtual_host("http-80", host, vec![prefix("/", "default/web/80")]);
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![to_web("foo.com")],
        vec![backend("default/web/80", vec![server.endpoint()])],
    ));
    let traffic = Traffic::start(port, "foo.com");
    for number in 0..8 {
        let host = format!("h{number}.com");
        nginx.serve(upsert(vec![to_web(&host)], vec![]));
        eventually("the new host is served", || get(port, &host, "/").status == 200);
        let mut removed = change(ChangeKind::Incremental);
        removed.virtual_hosts.remove = vec![format!("http-80/{host}")];
        nginx.serve(removed);
        eventually("the old host is not", || get(port, &host, "/").status == 404);
        traffic.flow(10);
    }
    // A client whose connection was just accepted by a worker that ends may be asked to come again; nginx closes such
    // connections only before a request was read.
    assert_eq!(traffic.end(), Vec::<String>::new());
}

#[test]
fn a_request_in_flight_outlives_a_reload_and_its_backend() {
    let port = free_port();
    let nginx = DataPlane::new();
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(Some(gate));
    let slow = Server::new("127.0.0.1:0", move |mut stream| {
        std::io::Read::read(&mut stream, &mut [0; 4096])?;
        // The first request waits.
        let first = gate.lock().unwrap().take();
        if let Some(gate) = first {
            let _ = gate.recv();
        }
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nslow\n")
    });
    nginx.serve(complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "slow.com", vec![prefix("/", "default/slow/80")])],
        vec![backend("default/slow/80", vec![slow.endpoint()])],
    ));
    let client = thread::spawn(move || request(port, "GET / HTTP/1.1\r\nHost: slow.com\r\n", ""));
    eventually("the request is there", || slow.connections.load(Ordering::SeqCst) == 1);
    let mut gone = change(ChangeKind::Incremental);
    gone.virtual_hosts.remove = vec!["http-80/slow.com".to_owned()];
    gone.backends.remove = vec!["default/slow/80".to_owned()];
    nginx.serve(gone);
    eventually("the host is gone", || get(port, "slow.com", "/").status == 404);
    release.send(()).unwrap();
    assert_eq!(client.join().unwrap().who(), "slow");
}
