//! A directory, an nginx, and the provider that drives it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use lb_plugin_nginx::Nginx;
use lb_provider::{
    Backend, Certificate, ChangeKind, ChangeSet, Error, Host as _, Listener, Outcome, Readiness, VirtualHost,
    testing::{Directory, Program, Programs, TestHost, apply, records},
};
use serde::Deserialize;

/// Where the tests' nginx listens: on this machine only.
pub(crate) const SETTINGS: &str = r#"{
    "listen-addresses": ["127.0.0.1", "[::1]"],
    "worker-processes": 2,
    "worker-connections": 512,
    "connect-timeout-milliseconds": 2000,
    "worker-shutdown-timeout-seconds": 5
}"#;

/// One nginx, which ends with this.
pub(crate) struct DataPlane {
    pub(crate) host: TestHost,
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
        let sidecar: Sidecar = serde_saphyr::from_str(include_str!("../../nginx.yaml")).unwrap();
        let program = sidecar.grants.services["nginx"].clone();
        let directory = Directory::temporary();
        let programs = Programs::new(directory.path(), "nginx", program);
        Self { host: TestHost::new(directory, programs) }
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
        apply::<Nginx>(SETTINGS, change, &self.host)
    }

    /// The process of nginx's master.
    pub(crate) fn master(&self) -> u32 {
        let pid = fs::read_to_string(self.host.directory().path().join("nginx.pid")).unwrap();
        pid.trim().parse().unwrap()
    }

    /// The processes of the two workers, once those of an older configuration are gone: others after a reload.
    pub(crate) fn workers(&self) -> BTreeSet<u32> {
        let mut workers = BTreeSet::new();
        eventually("there are two workers", || {
            workers = self.children();
            workers.len() == 2
        });
        workers
    }

    fn children(&self) -> BTreeSet<u32> {
        let master = self.master().to_string();
        let processes =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let is_child = |process: &u32| {
            let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { return false };
            // `<pid> (<name>) <state> <parent> ...`
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.split(' ').nth(1) == Some(master.as_str()))
        };
        processes.filter(is_child).collect()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.host.services().running("nginx").unwrap()
    }
}

/// A complete change-set.
pub(crate) fn complete(listeners: Vec<Listener>, virtual_hosts: Vec<VirtualHost>, backends: Vec<Backend>) -> ChangeSet {
    let mut change = records::change(ChangeKind::Complete);
    change.listeners.upsert = listeners;
    change.virtual_hosts.upsert = virtual_hosts;
    change.backends.upsert = backends;
    change
}

/// An incremental change-set.
pub(crate) fn upsert(virtual_hosts: Vec<VirtualHost>, backends: Vec<Backend>) -> ChangeSet {
    ChangeSet { kind: ChangeKind::Incremental, ..complete(vec![], virtual_hosts, backends) }
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
        let address = (Ipv4Addr::LOCALHOST, port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
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
