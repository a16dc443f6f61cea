//! A directory, a Caddy, and the provider that drives it.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use lb_plugin_caddy::Caddy;
use lb_provider::{
    Backend, Certificate, ChangeKind, ChangeSet, Error, Host as _, Listener, Observed, Outcome, Protocol, Readiness,
    Route, VirtualHost,
    testing::{
        Directory, Program, Programs, TestHost, apply, observe,
        records::{self, backend, listener, virtual_host},
    },
};
use serde::Deserialize;
use serde_json::json;

use crate::{admin, endpoints::Server};

/// One Caddy, which ends with this.
pub(crate) struct DataPlane {
    pub(crate) host: TestHost,
    pub(crate) settings: String,
    /// Where the edge takes orders.
    pub(crate) admin: SocketAddr,
    /// Where the router does.
    pub(crate) router: SocketAddr,
}

#[derive(Deserialize)]
struct Sidecar {
    grants: Grants,
}

#[derive(Deserialize)]
struct Grants {
    services: BTreeMap<String, Program>,
}

impl DataPlane {
    pub(crate) fn new() -> Self {
        Self::with(&json!({}))
    }

    /// With settings beside where it listens: on this machine only.
    pub(crate) fn with(settings: &serde_json::Value) -> Self {
        let sidecar: Sidecar = serde_saphyr::from_str(include_str!("../../caddy.yaml")).unwrap();
        let program = |name: &str| sidecar.grants.services[name].clone();
        let directory = Directory::temporary();
        let programs = Programs::new(directory.path(), "edge", program("edge")).and("router", program("router"));
        let host = TestHost::new(directory, programs);
        let [admin, router] = [(); 2].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        host.serve_http(move |grant, request| match grant {
            "edge" => admin::forward(admin, request),
            "router" => admin::forward(router, request),
            other => panic!("{other} is not granted"),
        });
        let mut all = json!({
            "edge-admin-address": admin.to_string(),
            "router-admin-address": router.to_string(),
            "listen-addresses": ["127.0.0.1", "::1"],
            "connect-timeout-milliseconds": 2000,
            "grace-period-seconds": 5,
        });
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        Self { host, settings: all.to_string(), admin, router }
    }

    /// Applies a change that the provider must not fail at.
    pub(crate) fn apply(&self, change: ChangeSet) -> Outcome {
        self.try_apply(change).unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Applies a change that must be served as a whole.
    pub(crate) fn serve(&self, change: ChangeSet) {
        let outcome = self.apply(change);
        assert_eq!(outcome, Outcome { readiness: Readiness::Ready, addresses: vec![], rejections: vec![] });
    }

    pub(crate) fn try_apply(&self, change: ChangeSet) -> Result<Outcome, Error> {
        apply::<Caddy>(&self.settings, change, &self.host)
    }

    pub(crate) fn observe(&self) -> Vec<Observed> {
        observe::<Caddy>(&self.settings, &self.host).unwrap()
    }

    pub(crate) fn is_running(&self) -> bool {
        ["edge", "router"].iter().any(|service| self.host.services().running(service).unwrap())
    }

    /// How many configurations edge and router were sent so far.
    pub(crate) fn loads(&self) -> (usize, usize) {
        let requests = self.host.requests();
        let count = |tier: &str| requests.iter().filter(|(grant, it)| grant == tier && it.target == "/load").count();
        (count("edge"), count("router"))
    }
}

/// A Caddy with one host, `foo.com`, and one backend, `default/web/80`.
pub(crate) fn serve(routes: Vec<Route>, server: &Server) -> (DataPlane, u16) {
    let port = free_port();
    let caddy = DataPlane::new();
    caddy.serve(web(port, routes, server));
    (caddy, port)
}

/// One host, `foo.com`, and one backend, `default/web/80`.
pub(crate) fn web(port: u16, routes: Vec<Route>, server: &Server) -> ChangeSet {
    complete(
        vec![listener("http-80", port, Protocol::Http)],
        vec![virtual_host("http-80", "foo.com", routes)],
        vec![backend("default/web/80", vec![server.endpoint()])],
    )
}

/// A complete change-set.
pub(crate) fn complete(listeners: Vec<Listener>, virtual_hosts: Vec<VirtualHost>, backends: Vec<Backend>) -> ChangeSet {
    let mut change = records::change(ChangeKind::Complete);
    change.listeners.upsert = listeners;
    change.virtual_hosts.upsert = virtual_hosts;
    change.backends.upsert = backends;
    change
}

pub(crate) fn with_certificates(mut change: ChangeSet, certificates: Vec<Certificate>) -> ChangeSet {
    change.certificates.upsert = certificates;
    change
}

/// A port that nobody uses, below those that the system gives to clients.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() * 61 % 10_000).unwrap();
    loop {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Waits until something holds; fails the test if it never does.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
