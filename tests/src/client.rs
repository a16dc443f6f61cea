//! A client that chooses address, host name and TLS name by itself.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{StatusCode, Version, body::Incoming, header::HOST};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Talks to one load balancer.
#[derive(Clone, Copy)]
pub struct Client {
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// Where HTTPS is served.
    pub https: SocketAddr,
}

/// What to ask for.
#[derive(Clone)]
pub struct Request<'a> {
    host: &'a str,
    path: &'a str,
    server_name: Option<&'a str>,
    http2: bool,
    method: &'static str,
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// What was spoken.
    pub version: Version,
    /// Its headers.
    pub headers: hyper::HeaderMap,
    /// Its body.
    pub body: String,
    /// The certificate that the server showed, DER.
    pub certificate: Option<Vec<u8>>,
}

impl<'a> Request<'a> {
    /// HTTP/1.1 without TLS.
    pub fn http(host: &'a str, path: &'a str) -> Self {
        Self { host, path, server_name: None, http2: false, method: "GET" }
    }

    /// HTTP/1.1 over TLS, the host as SNI.
    pub fn https(host: &'a str, path: &'a str) -> Self {
        Self { server_name: Some(host), ..Self::http(host, path) }
    }

    /// HTTP/2 over TLS, the host as SNI.
    pub fn http2(host: &'a str, path: &'a str) -> Self {
        Self { http2: true, ..Self::https(host, path) }
    }

    /// POST without a body instead of GET.
    #[must_use]
    pub fn post(self) -> Self {
        Self { method: "POST", ..self }
    }

    /// Another SNI than the host.
    #[must_use]
    pub fn server_name(self, name: &'a str) -> Self {
        Self { server_name: Some(name), ..self }
    }
}

impl Response {
    /// What the echo backend saw; an error if no backend answered.
    pub fn echo(&self) -> Result<Value> {
        if self.status != StatusCode::OK {
            bail!("status {}: {}", self.status, self.body.trim());
        }
        serde_json::from_str(&self.body).with_context(|| format!("not the answer of a backend: {}", self.body.trim()))
    }

    /// The name of the backend that answered.
    pub fn pod(&self) -> Result<String> {
        Ok(self.echo()?["pod"].as_str().context("a backend tells its name")?.to_owned())
    }

    /// The Service whose backend answered.
    pub fn service(&self) -> Result<String> {
        let pod = self.pod()?;
        let (service, _) = pod.rsplit_once('-').context("a backend is named <service>-<number>")?;
        Ok(service.to_owned())
    }
}

impl Client {
    /// For the ports of one load balancer on this machine.
    pub fn new(http: u16, https: u16) -> Self {
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { http: address(http), https: address(https) }
    }

    /// GET over HTTP/1.1.
    pub async fn get(&self, host: &str, path: &str) -> Result<Response> {
        self.send(&Request::http(host, path)).await
    }

    /// Sends a request on a connection of its own.
    pub async fn send(&self, request: &Request<'_>) -> Result<Response> {
        let exchange = self.exchange(request);
        let answer = tokio::time::timeout(TIMEOUT, exchange).await.context("no answer in time")?;
        answer.with_context(|| format!("{} {}{}", request.method, request.host, request.path))
    }

    async fn exchange(&self, request: &Request<'_>) -> Result<Response> {
        let Some(name) = request.server_name else {
            let stream = TcpStream::connect(self.http).await.context("cannot connect")?;
            return over(stream, request, "http").await;
        };
        let stream = tls(self.https, name, request.http2).await?;
        let certificate = peer_certificate(&stream)?;
        let response = over(stream, request, "https").await?;
        Ok(Response { certificate: Some(certificate), ..response })
    }
}

async fn over<S>(stream: S, request: &Request<'_>, scheme: &str) -> Result<Response>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(stream);
    let builder = hyper::Request::builder().method(request.method).uri(if request.http2 {
        format!("{scheme}://{}{}", request.host, request.path)
    } else {
        request.path.to_owned()
    });
    let response = if request.http2 {
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
        tokio::spawn(connection);
        sender.send_request(builder.body(Empty::<Bytes>::new())?).await?
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
        tokio::spawn(connection);
        sender.send_request(builder.header(HOST, request.host).body(Empty::<Bytes>::new())?).await?
    };
    read(response).await
}

async fn read(response: hyper::Response<Incoming>) -> Result<Response> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.context("the answer was cut off")?.to_bytes();
    Ok(Response {
        status: parts.status,
        version: parts.version,
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
        certificate: None,
    })
}

/// A TLS connection that takes whatever certificate it is shown.
pub async fn tls(address: SocketAddr, server_name: &str, http2: bool) -> Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut configuration = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    configuration.alpn_protocols = vec![if http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
    let name = ServerName::try_from(server_name.to_owned()).context("not a TLS name")?;
    let stream = TcpStream::connect(address).await.context("cannot connect")?;
    Ok(TlsConnector::from(Arc::new(configuration)).connect(name, stream).await?)
}

/// The certificate that the server showed, DER.
pub fn peer_certificate(stream: &TlsStream<TcpStream>) -> Result<Vec<u8>> {
    let (_, session) = stream.get_ref();
    let certificate =
        session.peer_certificates().and_then(|chain| chain.first()).context("a server shows a certificate")?;
    Ok(certificate.to_vec())
}

/// The tests compare the certificate themselves.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
