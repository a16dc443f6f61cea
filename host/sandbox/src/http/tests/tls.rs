use std::net::SocketAddr;

use axum::serve::Listener;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Failure, HttpClient, client, get, grant, send, text};
use crate::http::test_authority::Authority;

async fn serve(authority: &Authority, host: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let listener = TlsListener { listener, acceptor: authority.acceptor(host) };
    let router = axum::Router::new().fallback(|request: axum::extract::Request| async move {
        format!("{:?} {}", request.version(), request.uri().path())
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("https://localhost:{port}")
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            // A client that does not trust it goes away.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

#[tokio::test]
async fn the_granted_ca_is_trusted_and_no_other() {
    let (ours, other) = (Authority::new(), Authority::new());
    let url = serve(&ours, "localhost").await;
    let trusted = client(&url, json!({ "ca-file": ours.ca_file() }));
    assert_eq!(text(&send(&trusted, get("/x")).await.unwrap()), "HTTP/2.0 /x");
    for untrusted in [json!({ "ca-file": other.ca_file() }), json!({})] {
        // Without CA certificates on the system, the second is refused at load.
        let Ok(untrusted) = HttpClient::new("api", grant(&url, untrusted)) else { continue };
        let error = send(&untrusted, get("/x")).await.unwrap_err();
        assert!(matches!(&error, Failure::Connect(text) if text.contains("set `ca-file`")), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_told() {
    let authority = Authority::new();
    let url = serve(&authority, "other.example.com").await;
    let error = send(&client(&url, json!({ "ca-file": authority.ca_file() })), get("/")).await.unwrap_err();
    assert!(matches!(&error, Failure::Connect(text) if text.contains("for another name")), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_told() {
    let server = super::server::Server::echo().await;
    let url = server.url.replace("http://127.0.0.1", "https://localhost");
    let authority = Authority::new();
    let error = send(&client(&url, json!({ "ca-file": authority.ca_file() })), get("/")).await.unwrap_err();
    assert!(matches!(&error, Failure::Connect(text) if text.contains("does not speak TLS")), "{error}");
}

#[test]
fn a_ca_file_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    let load = || HttpClient::new("api", grant("https://api.example.com", json!({ "ca-file": path })));
    let missing = load().err().unwrap().to_string();
    assert!(missing.starts_with("`grants.http.api.ca-file`: cannot read "), "{missing}");
    for (content, named) in [
        ("no PEM", "holds no certificate"),
        ("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n", "is no PEM file"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be used"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = load().err().unwrap().to_string();
        assert!(error.starts_with("`grants.http.api.ca-file`: ") && error.contains(named), "{error}");
    }
}
