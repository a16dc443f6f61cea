//! Backends that tell who they are and what they were asked.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::ready,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONNECTION, HOST, UPGRADE},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::{AbortHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use crate::certificates::Certificate;

/// Where backends listen.
pub fn backend_address() -> Result<IpAddr> {
    match std::env::var("LB_TEST_BACKEND_ADDRESS") {
        Ok(text) => text.parse().with_context(|| format!("LB_TEST_BACKEND_ADDRESS {text:?} is no IP address")),
        Err(_) => Ok(Ipv4Addr::LOCALHOST.into()),
    }
}

/// One backend. It is gone, with its connections, when this is dropped.
pub struct Echo {
    /// Where it listens.
    pub address: SocketAddr,
    task: AbortHandle,
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Echo {
    /// HTTP/1.1. Answers 200 with JSON; a request for an upgrade is granted, and every byte from then on sent back.
    pub async fn http(pod: &str, address: IpAddr) -> Result<Self> {
        let pod: Arc<str> = pod.into();
        Self::connections(address, move |stream| {
            let pod = Arc::clone(&pod);
            async move {
                let service = service_fn(move |request| ready(Ok::<_, Infallible>(answer(&pod, request))));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // A client that goes away is no failure of the backend.
                let _ = connection.with_upgrades().await;
            }
        })
        .await
    }

    /// TCP: greets with its name and a newline, then sends every byte back.
    pub async fn tcp(pod: &str, address: IpAddr) -> Result<Self> {
        let greeting = format!("{pod}\n");
        Self::connections(address, move |mut stream| {
            let greeting = greeting.clone();
            async move {
                if stream.write_all(greeting.as_bytes()).await.is_ok() {
                    send_back(stream).await;
                }
            }
        })
        .await
    }

    /// TLS with this certificate: greets with its name and a newline, then sends every byte back.
    pub async fn tls(pod: &str, address: IpAddr, certificate: &Certificate) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let configuration = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der.clone().into()],
                PrivateKeyDer::from_pem_slice(certificate.key.as_bytes())?,
            )?;
        let acceptor = TlsAcceptor::from(Arc::new(configuration));
        let greeting = format!("{pod}\n");
        Self::connections(address, move |stream| {
            let (acceptor, greeting) = (acceptor.clone(), greeting.clone());
            async move {
                if let Ok(mut stream) = acceptor.accept(stream).await
                    && stream.write_all(greeting.as_bytes()).await.is_ok()
                {
                    send_back(stream).await;
                }
            }
        })
        .await
    }

    /// UDP: answers each datagram with its name, a colon, and the datagram.
    pub async fn udp(pod: &str, address: IpAddr) -> Result<Self> {
        let socket = UdpSocket::bind((address, 0)).await.context("cannot bind a backend")?;
        let address = socket.local_addr()?;
        let name = format!("{pod}:");
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; 65_536];
            while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
                let answer = [name.as_bytes(), &buffer[..length]].concat();
                // The client may be gone; the next datagram is another one's.
                let _ = socket.send_to(&answer, client).await;
            }
        });
        Ok(Self { address, task: task.abort_handle() })
    }

    async fn connections<F, S>(address: IpAddr, serve: S) -> Result<Self>
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener =
            TcpListener::bind((address, 0)).await.with_context(|| format!("cannot bind a backend to {address}"))?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, task: task.abort_handle() })
    }
}

fn answer(pod: &str, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.headers().contains_key(UPGRADE) {
        let upgrade = hyper::upgrade::on(&mut request);
        let protocol = request.headers()[UPGRADE].clone();
        tokio::spawn(async move {
            if let Ok(stream) = upgrade.await {
                send_back(TokioIo::new(stream)).await;
            }
        });
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(CONNECTION, hyper::header::HeaderValue::from_static("upgrade"));
        response.headers_mut().insert(UPGRADE, protocol);
        return response;
    }
    let headers: BTreeMap<String, String> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    let answer = json!({
        "pod": pod,
        "method": request.method().as_str(),
        "path": request.uri().to_string(),
        "host": headers.get(HOST.as_str()),
        "headers": headers,
    });
    Response::new(Full::new(answer.to_string().into()))
}

async fn send_back(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
    let mut buffer = vec![0; 8192];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
