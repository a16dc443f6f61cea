//! Who may ask, and over what connection.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, Mutex},
};

use lb_registry::{Options, Reference};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::{
    server::{Server, Setup},
    world::{Client, component, key, package, told, trust},
};

/// A docker config.json with one entry.
fn docker_config(registry: &str, user: &str, password: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let config = serde_json::json!({"auths": {registry: {"username": user, "password": password}}});
    fs::write(&path, config.to_string()).unwrap();
    (directory, path)
}

fn with_config(path: &std::path::Path) -> Client {
    Client::with(|options| options.docker_config = Some(path.to_owned()))
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_credential_lets_in_and_is_not_logged() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("trace")
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Server::start_with(Setup { password: true, tls: None });
    let reference = server.reference("team/nginx:1");
    let (_directory, path) = docker_config(reference.registry(), "robot", "hunter2");
    with_config(&path).registry.push(&reference, &package("nginx"), Some(&key("p256"))).await.unwrap();
    let client = with_config(&path);
    let pulled = client.registry.pull(&reference, Some(&trust(&["p256"]))).await.unwrap();
    assert_eq!(fs::read(pulled.path()).unwrap(), component("nginx"));
    let log = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("127.0.0.1"), "nothing was logged, so this proves nothing");
    // "robot:hunter2" in base64.
    assert!(!log.contains("hunter2") && !log.contains("cm9ib3Q6aHVudGVyMg"), "{log}");
}

#[tokio::test]
async fn who_is_refused_is_told_as_whom_it_asked() {
    let server = Server::start_with(Setup { password: true, tls: None });
    let reference = server.reference("nginx:1");
    let anonymous = told(Client::new().registry.pull(&reference, None).await);
    assert!(anonymous.contains("anonymously") && anonymous.contains("by --registry-config"), "{anonymous}");
    assert!(anonymous.contains("401 Unauthorized (UNAUTHORIZED"), "{anonymous}");

    let (_directory, path) = docker_config("other.example.com", "robot", "hunter2");
    let elsewhere = told(with_config(&path).registry.pull(&reference, None).await);
    assert!(elsewhere.contains("anonymously") && elsewhere.contains("no credential for this registry"), "{elsewhere}");

    let (_directory, path) = docker_config(reference.registry(), "robot", "hunter3");
    for wrong in [
        told(with_config(&path).registry.pull(&reference, None).await),
        told(with_config(&path).registry.push(&reference, &package("nginx"), None).await),
    ] {
        assert!(wrong.contains("as \"robot\" of") && wrong.contains(path.to_str().unwrap()), "{wrong}");
        assert!(wrong.contains("has not expired") && !wrong.contains("hunter3"), "{wrong}");
    }
    assert_eq!(server.tag("nginx", "1"), None);
}

#[tokio::test]
async fn a_credential_that_changes_is_read_anew() {
    let server = Server::start_with(Setup { password: true, tls: None });
    let reference = server.reference("nginx:1");
    let (_directory, path) = docker_config(reference.registry(), "robot", "old");
    let client = with_config(&path);
    told(client.registry.push(&reference, &package("nginx"), None).await);
    let (_new_directory, new) = docker_config(reference.registry(), "robot", "hunter2");
    fs::copy(new, &path).unwrap();
    client.registry.push(&reference, &package("nginx"), None).await.unwrap();
}

#[tokio::test]
async fn a_file_of_credentials_that_is_not_there_is_told() {
    let server = Server::start();
    let client = with_config(std::path::Path::new("/nowhere/config.json"));
    let error = told(client.registry.pull(&server.reference("nginx:1"), None).await);
    assert!(error.contains("/nowhere/config.json") && error.contains("cannot be read"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_no_absence() {
    let server = Server::start_with(Setup { password: true, tls: None });
    let reference = server.reference("nginx:1");
    let (_directory, path) = docker_config(reference.registry(), "robot", "hunter2");
    let client = with_config(&path);
    client.registry.push(&reference, &package("nginx"), None).await.unwrap();
    client.registry.pull(&reference, None).await.unwrap();
    fs::write(&path, "{}").unwrap();
    let error = told(client.registry.pull(&reference, None).await);
    assert!(error.contains("refused"), "what is cached does not stand in for a permission: {error}");
}

/// An authority, and a certificate of it for this machine.
fn certificates(names: &[&str]) -> (String, (String, String)) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    (authority.pem(), (certificate.pem(), key.serialize_pem()))
}

fn trusting(authority: &str) -> (TempDir, impl Fn(&mut Options)) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.crt");
    fs::write(&path, authority).unwrap();
    (directory, move |options: &mut Options| options.ca_file = Some(path.clone()))
}

#[tokio::test]
async fn tls_is_used_where_it_is_even_on_this_machine() {
    let (authority, certificate) = certificates(&["127.0.0.1"]);
    let server = Server::start_with(Setup { password: true, tls: Some(certificate) });
    let reference = server.reference("nginx:1");
    let (_directory, ca) = trusting(&authority);
    let (_config_directory, config) = docker_config(reference.registry(), "robot", "hunter2");
    let client = Client::with(|options| {
        ca(options);
        options.docker_config = Some(config);
    });
    client.registry.push(&reference, &package("nginx"), None).await.unwrap();
    client.registry.pull(&reference, None).await.unwrap();
    assert!(server.log().contains("HTTP/2.0") || server.log().contains("HTTP/1.1"), "{}", server.log());
}

#[tokio::test]
async fn a_certificate_that_is_not_good_is_told() {
    let (authority, certificate) = certificates(&["registry.example.com"]);
    let server = Server::start_with(Setup { password: false, tls: Some(certificate) });
    let reference = server.reference("nginx:1");
    let unknown = told(Client::new().registry.pull(&reference, None).await);
    assert!(
        unknown.contains("an authority that is not trusted here") && unknown.contains("--registry-ca"),
        "{unknown}"
    );
    let (_directory, ca) = trusting(&authority);
    let name = told(Client::with(&ca).registry.pull(&reference, None).await);
    assert!(name.contains("for another name"), "{name}");
    let (_directory, ca) = trusting("no PEM");
    let file = told(Client::with(&ca).registry.pull(&reference, None).await);
    assert!(file.contains("ca.crt") && file.contains("BEGIN CERTIFICATE"), "{file}");
}

#[tokio::test]
async fn a_registry_without_tls_has_to_be_named() {
    let server = Server::start();
    // This machine, but not by an address that is known to be.
    let registry = format!("[::ffff:127.0.0.1]:{}", server.address().port());
    let reference = Reference::parse(&format!("oci://{registry}/nginx:1")).unwrap();
    let client = Client::with(|options| options.plain_http = vec!["other.example.com".to_owned()]);
    let error = told(client.registry.push(&reference, &package("nginx"), None).await);
    assert!(error.contains("does not speak TLS") && error.contains("--registry-plain-http"), "{error}");
    let client = Client::with(|options| options.plain_http = vec![registry]);
    client.registry.push(&reference, &package("nginx"), None).await.unwrap();
    client.registry.pull(&reference, None).await.unwrap();
}

#[tokio::test]
async fn a_registry_that_is_not_there_is_told() {
    let mut server = Server::start();
    server.stop();
    let result = Client::new().registry.pull(&server.reference("nginx:1"), None).await;
    assert!(result.as_ref().unwrap_err().is_transient());
    assert!(told(result).contains("cannot be reached"));
}
