//! TCP, UDP and TLS passthrough, from the configuration file.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use lb_tests::{
    World, certificates::self_signed, client, eventually, ingress, objects::Port, ports, prefix, workload::Workload,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpStream, UdpSocket},
};

/// The name that a stream backend greets with, after it sent some bytes back.
async fn greeting(stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<String> {
    let mut stream = BufReader::new(stream);
    let mut name = String::new();
    stream.read_line(&mut name).await?;
    stream.write_all(b"ping").await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    ensure!(&answer == b"ping", "it sent {answer:?} back");
    Ok(name.trim().to_owned())
}

async fn tcp_greets(address: SocketAddr, pod: &str) -> Result<()> {
    eventually(format!("{pod} greets"), async || {
        let name = greeting(TcpStream::connect(address).await?).await?;
        ensure!(name == pod, "{name} greeted");
        Ok(())
    })
    .await
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn tcp_follows_its_endpoints() -> Result<()> {
    lb_tests::skip_with!("caddy", "Caddy serves HTTP and HTTPS only");
    let world = World::start("tcp").await?;
    let mut database = Workload::start(&world, "database", &[Port("db", 5432, "TCP")]).await?;
    let first = database.add_tcp().await?;
    let (by_number, by_name) = (ports::free()?, ports::free()?);
    let service = format!("{}/database", world.namespace);
    let controller = world
        .controller()
        .config(format!(
            "streams:\n\
             - {{port: {by_number}, protocol: tcp, service: {service}, service-port: 5432}}\n\
             - {{port: {by_name}, protocol: tcp, service: {service}, service-port: db}}\n"
        ))
        .start()
        .await?;
    tcp_greets(local(by_number), &first).await?;
    tcp_greets(local(by_name), &first).await?;
    let workers = controller.nginx_workers()?;
    let second = database.add_tcp().await?;
    drop(database.remove(&first).await?);
    tcp_greets(local(by_number), &second).await?;
    tcp_greets(local(by_name), &second).await?;
    assert_eq!(controller.nginx_workers()?, workers, "endpoint changes must not reload nginx");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn udp_follows_its_endpoints() -> Result<()> {
    lb_tests::skip_with!("caddy", "Caddy serves HTTP and HTTPS only");
    let world = World::start("udp").await?;
    let mut names = Workload::start(&world, "names", &[Port("dns", 53, "UDP")]).await?;
    let first = names.add_udp().await?;
    let port = ports::free()?;
    let stream = format!("{{port: {port}, protocol: udp, service: {}/names, service-port: dns}}", world.namespace);
    let controller = world.controller().config(format!("streams: [{stream}]")).start().await?;
    let answers = async |pod: &str| {
        eventually(format!("{pod} answers"), async || {
            // A new socket is a new client, which is given a backend of its own.
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            socket.send_to(b"who", local(port)).await?;
            let mut buffer = [0; 512];
            let limit = std::time::Duration::from_secs(1);
            let (length, _) =
                tokio::time::timeout(limit, socket.recv_from(&mut buffer)).await.context("no answer")??;
            let answer = String::from_utf8_lossy(&buffer[..length]);
            ensure!(answer == format!("{pod}:who"), "the answer is {answer}");
            Ok(())
        })
        .await
    };
    answers(&first).await?;
    let workers = controller.nginx_workers()?;
    let second = names.add_udp().await?;
    drop(names.remove(&first).await?);
    answers(&second).await?;
    assert_eq!(controller.nginx_workers()?, workers, "endpoint changes must not reload nginx");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_passed_through_by_server_name() -> Result<()> {
    lb_tests::skip_with!("caddy", "Caddy serves HTTP and HTTPS only");
    let world = World::start("passthrough").await?;
    let (one, two) = (self_signed(&["one.test"])?, self_signed(&["two.test"])?);
    let tls = [Port("tls", 443, "TCP")];
    let mut first = Workload::start(&world, "first", &tls).await?;
    let mut second = Workload::start(&world, "second", &tls).await?;
    let first_pod = first.add_tls(&one).await?;
    let second_pod = second.add_tls(&two).await?;
    let port = ports::free()?;
    let namespace = &world.namespace;
    let controller = world
        .controller()
        .config(format!(
            "streams:\n\
             - {{port: {port}, protocol: tls, host: one.test, service: {namespace}/first, service-port: tls}}\n\
             - {{port: {port}, protocol: tls, host: '*.two.test', service: {namespace}/second, service-port: tls}}\n"
        ))
        .start()
        .await?;
    for (name, certificate, pod) in [("one.test", &one, &first_pod), ("any.two.test", &two, &second_pod)] {
        eventually(format!("{name} reaches {pod}"), async || {
            let stream = client::tls(local(port), name, false).await?;
            ensure!(client::peer_certificate(&stream)? == certificate.der, "{name} shows another certificate");
            let greeted = greeting(stream).await?;
            ensure!(&greeted == pod, "{greeted} greeted");
            Ok(())
        })
        .await?;
    }
    let stranger = client::tls(local(port), "stranger.test", false).await;
    ensure!(stranger.is_err(), "a name that nobody has must not reach a backend");
    drop(controller);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_ingresses_live_side_by_side() -> Result<()> {
    lb_tests::skip_with!("caddy", "Caddy serves HTTP and HTTPS only");
    let world = World::start("mixed").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let mut database = Workload::start(&world, "database", &[Port("db", 5432, "TCP")]).await?;
    let pod = database.add_tcp().await?;
    let port = ports::free()?;
    let stream = format!("{{port: {port}, protocol: tcp, service: {}/database, service-port: db}}", world.namespace);
    let controller = world.controller().config(format!("streams: [{stream}]")).start().await?;
    controller.serves("shop.test", "/", "shop").await?;
    tcp_greets(local(port), &pod).await
}
