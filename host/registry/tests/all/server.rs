//! A `docker-registry` of this test alone, on a port of its own.

use std::{
    fmt::Write,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lb_registry::{Digest, Reference};
use tempfile::TempDir;

/// `robot` with the password `hunter2`, as `htpasswd -B` writes it.
const HTPASSWD: &str = "robot:$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.\n";

#[derive(Default)]
pub(crate) struct Setup {
    /// Ask for `robot` and `hunter2`.
    pub(crate) password: bool,
    /// The PEM of a certificate and its key.
    pub(crate) tls: Option<(String, String)>,
}

pub(crate) struct Server {
    child: Child,
    directory: TempDir,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(Setup::default())
    }

    pub(crate) fn start_with(setup: Setup) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let mut config = format!(
            "version: 0.1\nstorage:\n  filesystem: {{ rootdirectory: {} }}\nhttp:\n  addr: 127.0.0.1:0\n",
            at("storage")
        );
        if let Some((certificate, key)) = setup.tls {
            fs::write(at("tls.crt"), certificate).unwrap();
            fs::write(at("tls.key"), key).unwrap();
            writeln!(config, "  tls: {{ certificate: {}, key: {} }}", at("tls.crt"), at("tls.key")).unwrap();
        }
        if setup.password {
            fs::write(at("htpasswd"), HTPASSWD).unwrap();
            writeln!(config, "auth:\n  htpasswd: {{ realm: test, path: {} }}", at("htpasswd")).unwrap();
        }
        fs::write(at("config.yml"), config).unwrap();
        let log = File::create(at("log")).unwrap();
        let child = Command::new("docker-registry")
            .args(["serve", &at("config.yml")])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("docker-registry is missing: apt-get install docker-registry");
        let mut server = Self { child, directory, address: ([127, 0, 0, 1], 0).into() };
        server.address = server.wait_for_address();
        server
    }

    fn wait_for_address(&mut self) -> SocketAddr {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let log = self.log();
            let said = log.split_once("listening on ").map(|(_, rest)| rest.split([',', '"']).next().unwrap());
            if let Some(Ok(address)) = said.map(str::parse) {
                return address;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "the registry ended:\n{log}");
            assert!(Instant::now() < deadline, "the registry does not listen:\n{log}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends the registry; its files stay.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A repository and a tag, or a digest, in this registry.
    pub(crate) fn reference(&self, rest: &str) -> Reference {
        Reference::parse(&format!("oci://{}/{rest}", self.address)).unwrap()
    }

    /// What it said, and each request.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// How often a blob was downloaded.
    pub(crate) fn downloads(&self, digest: Digest) -> usize {
        let log = self.log();
        log.lines().filter(|line| line.contains("\"GET ") && line.contains(&format!("/blobs/{digest} "))).count()
    }

    /// The file that holds a blob or a manifest.
    pub(crate) fn file(&self, digest: Digest) -> PathBuf {
        let hex = digest.hex();
        let blobs = self.directory.path().join("storage/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(&hex).join("data")
    }

    /// The digest that a tag has on its disk.
    pub(crate) fn tag(&self, repository: &str, tag: &str) -> Option<Digest> {
        let repositories = self.directory.path().join("storage/docker/registry/v2/repositories");
        let link = repositories.join(repository).join("_manifests/tags").join(tag).join("current/link");
        fs::read_to_string(link).ok()?.parse().ok()
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been stopped by the test; there is nobody to tell anything else.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
