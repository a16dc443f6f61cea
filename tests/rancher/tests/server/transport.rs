//! Addresses, TLS, proxies, clocks, and a server that comes and goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use lb_rancher_double::{
    Clock, Delays, Identity, Latency, Options, Proxy, Rancher, Server, ServerError, ServerOptions,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::world::{PROJECT, World, eventually, send_over, send_plain, within};

#[tokio::test]
async fn requests_reach_the_core_and_answers_the_client() -> Result<()> {
    let world = World::start().await;
    let created = world.create_stack("web").await?;
    assert_eq!(created.status, 201);
    assert!(created.headers.contains_key("x-api-schemas"));
    assert!(world.has_stack("web"));
    let link = created.json()?["links"]["self"].as_str().unwrap_or_default().to_owned();
    assert!(link.starts_with(&format!("{}/stacks/", world.server.base(PROJECT))), "{link}");
    let refused = send_plain(world.server.address(), "GET", "/v2-beta/stacks", &Value::Null).await?;
    assert_eq!(refused.status, 401);
    assert!(refused.headers.contains_key("www-authenticate"));
    Ok(())
}

#[tokio::test]
async fn everything_is_recorded_in_order() -> Result<()> {
    let world = World::start().await;
    world.create_stack("web").await?;
    let mark = world.server.recording().mark();
    world.get("/stacks?name=web").await?;
    let all = world.server.recording().all();
    assert_eq!(
        format!("{all:?}"),
        format!(
            "Exchanges([POST /v2-beta/projects/{PROJECT}/stacks -> 201, GET /v2-beta/projects/{PROJECT}/stacks?name=web -> 200])"
        )
    );
    assert_eq!(all[0].key.as_deref(), Some(world.key.access.as_str()));
    assert_eq!(all[0].json()["name"], "web");
    assert_eq!(world.server.recording().writes().len(), 1);
    assert_eq!(world.server.recording().since(mark).len(), 1);
    assert!(all.leaks(&world.key.secret).is_empty());
    Ok(())
}

#[tokio::test]
async fn links_may_name_another_host_than_the_clients() -> Result<()> {
    let proxy = Proxy { link_host: Some("rancher.example:8080".to_owned()), lower_case: true, ..Proxy::default() };
    let world = World::with(ServerOptions { proxy, ..ServerOptions::default() }).await;
    let list = world.get("/loadBalancerServices").await?;
    let link = list["links"]["self"].as_str().unwrap_or_default();
    assert!(link.starts_with("http://rancher.example:8080/v2-beta/projects/1a5/loadbalancerservices"), "{link}");
    let sent = &world.server.recording().all()[0].target;
    assert!(sent.ends_with("/loadBalancerServices"), "recorded as sent: {sent}");
    Ok(())
}

async fn https_link(proxy: Proxy) -> Result<String> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
    let identity = Identity { chain: cert.pem(), key: signing_key.serialize_pem() };
    let world = World::with(ServerOptions { tls: Some(identity), proxy, ..ServerOptions::default() }).await;
    assert!(world.server.url().starts_with("https://"));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(cert.der().to_vec()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(world.server.address()).await?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let stream = connector.connect(ServerName::try_from("localhost")?, stream).await?;
    let answer = send_over(stream, &world.request("GET", "/stacks", &Value::Null)?).await?;
    Ok(answer.json()?["links"]["self"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn https_is_served_with_the_given_certificate() -> Result<()> {
    let link = https_link(Proxy::default()).await?;
    assert!(link.starts_with("https://"), "{link}");
    let link = https_link(Proxy { http_links: true, ..Proxy::default() }).await?;
    assert!(link.starts_with("http://"), "{link}");
    Ok(())
}

#[tokio::test]
async fn a_stopped_server_is_unreachable_until_it_is_back_on_its_port() -> Result<()> {
    let world = World::start().await;
    world.create_stack("web").await?;
    let mut open = TcpStream::connect(world.server.address()).await?;
    world.server.stop().await;
    assert!(TcpStream::connect(world.server.address()).await.is_err());
    let closed = within("the end of an open connection", tokio::io::AsyncReadExt::read(&mut open, &mut [0])).await;
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    world.server.stop().await;
    world.server.restart().await?;
    assert_eq!(world.get("/stacks?name=web").await?["data"][0]["name"], "web");
    world.server.restart().await?;
    world.get("/stacks").await?;
    Ok(())
}

#[tokio::test]
async fn dropped_connections_are_reset_and_new_ones_served() -> Result<()> {
    let world = World::start().await;
    let mut open = TcpStream::connect(world.server.address()).await?;
    // A second connection's answer shows that the first was accepted: they are taken in order.
    world.get("/stacks").await?;
    world.server.drop_connections().await;
    let read = within("the reset", tokio::io::AsyncReadExt::read(&mut open, &mut [0])).await;
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    world.get("/stacks").await?;
    Ok(())
}

#[tokio::test]
async fn latency_comes_before_each_answer() -> Result<()> {
    let world = World::start().await;
    let fixed = Duration::from_millis(30);
    world.server.set_latency(Latency { fixed, jitter: Duration::from_millis(5) });
    let begun = Instant::now();
    world.get("/stacks").await?;
    assert!(begun.elapsed() >= fixed);
    Ok(())
}

fn slow_world() -> Rancher {
    Rancher::new(Options { delays: Delays::uniform(Duration::from_hours(1)), ..Options::default() })
}

#[tokio::test]
async fn a_running_clock_moves_the_core_and_a_stepped_one_does_not() -> Result<()> {
    let rancher = slow_world();
    let begun = rancher.now();
    let server = Server::start(rancher.clone(), ServerOptions::with_speed(3_600_000.0)).await?;
    let settled = begun.checked_add(Duration::from_hours(10))?;
    eventually("ten hours of the server", async || rancher.now() >= settled).await;
    drop(server);

    let rancher = slow_world();
    let begun = rancher.now();
    let options = ServerOptions { clock: Clock::Stepped, ..ServerOptions::default() };
    let server = Server::start(rancher.clone(), options).await?;
    send_plain(server.address(), "GET", "/v2-beta", &Value::Null).await?;
    assert_eq!(rancher.now(), begun);
    rancher.advance(Duration::from_secs(5));
    assert_eq!(rancher.now(), begun.checked_add(Duration::from_secs(5))?);
    Ok(())
}

#[tokio::test]
async fn unusable_options_are_refused() {
    let start = |options| Server::start(slow_world(), options);
    assert!(matches!(start(ServerOptions::with_speed(0.0)).await, Err(ServerError::Speed(_))));
    assert!(matches!(start(ServerOptions::with_speed(f64::NAN)).await, Err(ServerError::Speed(_))));
    let taken = start(ServerOptions::default()).await.unwrap();
    let address = taken.address();
    let refused = start(ServerOptions { address, ..ServerOptions::default() }).await.unwrap_err();
    assert!(matches!(refused, ServerError::Listen { .. }), "{refused}");
    let identity = Identity { chain: "none".to_owned(), key: "none".to_owned() };
    let refused = start(ServerOptions { tls: Some(identity), ..ServerOptions::default() }).await.unwrap_err();
    assert!(matches!(refused, ServerError::Identity(_)), "{refused}");
}
