//! What is spoken with clients besides plain HTTP/1.1, and on which ports.

use anyhow::{Context, Result, ensure};
use hyper::Version;
use lb_tests::{Client, Request, World, certificates::self_signed, eventually, ingress, ports, prefix};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_over_tls() -> Result<()> {
    let world = World::start("http2").await?;
    let _shop = world.workload("shop", 1).await?;
    let certificate = self_signed(&["shop.test"])?;
    world.tls_secret("shop", &certificate).await?;
    world.apply(ingress("shop").tls(&["shop.test"], "shop").rule("shop.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    let response = eventually("HTTP/2 is served", async || {
        let response = controller.client.send(&Request::http2("shop.test", "/a?b=c")).await?;
        response.service()?;
        Ok(response)
    })
    .await?;
    assert_eq!(response.version, Version::HTTP_2);
    assert_eq!(response.certificate.as_deref(), Some(&*certificate.der));
    let echo = response.echo()?;
    assert_eq!((&echo["host"], &echo["path"]), (&"shop.test".into(), &"/a?b=c".into()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_stays_open_through_endpoint_changes_and_reloads() -> Result<()> {
    lb_tests::skip_with!("caddy", "Caddy 2.6 ends upgraded connections whenever its configuration changes");
    let world = World::start("websocket").await?;
    let mut shop = world.workload("shop", 1).await?;
    world.apply(ingress("shop").rule("shop.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/", "shop").await?;
    let mut stream = TcpStream::connect(controller.client.http).await?;
    let request = "GET /chat HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut header = Vec::new();
    while !header.ends_with(b"\r\n\r\n") {
        header.push(stream.read_u8().await.context("the answer to the upgrade ends early")?);
    }
    let header = String::from_utf8(header)?;
    ensure!(header.starts_with("HTTP/1.1 101 "), "no upgrade: {header}");
    let mut exchange = async |message: &[u8]| -> Result<()> {
        stream.write_all(message).await?;
        let mut answer = vec![0; message.len()];
        stream.read_exact(&mut answer).await?;
        ensure!(answer == message, "the message came back changed");
        Ok(())
    };
    exchange(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").await?;
    shop.add().await?;
    // A new host makes nginx reload; the old worker keeps the connection.
    world.apply(ingress("new").rule("new.test", [prefix("/", "shop")])).await?;
    controller.serves("new.test", "/", "shop").await?;
    exchange(&vec![0x5a; 70_000]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_choose_the_ports() -> Result<()> {
    let world = World::start("ports-annotation").await?;
    let _shop = world.workload("shop", 1).await?;
    let certificate = self_signed(&["shop.test"])?;
    world.tls_secret("shop", &certificate).await?;
    let own = Client::new(ports::free()?, ports::free()?);
    let moved = ingress("moved")
        .annotation("http.port", &own.http.port().to_string())
        .annotation("https.port", &own.https.port().to_string())
        .tls(&["shop.test"], "shop")
        .rule("shop.test", [prefix("/", "shop")]);
    world.apply(moved).await?;
    let controller = world.controller().start().await?;
    eventually("the ports of the annotations are served", async || {
        let plain = own.send(&Request::http("shop.test", "/")).await?.service()?;
        let secure = own.send(&Request::https("shop.test", "/")).await?.service()?;
        ensure!((plain.as_str(), secure.as_str()) == ("shop", "shop"), "{plain} and {secure} answered");
        Ok(())
    })
    .await?;
    let usual = controller.client.send(&Request::http("shop.test", "/")).await;
    ensure!(usual.is_err() || usual.is_ok_and(|response| response.status == 404), "the usual port serves it too");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_can_be_switched_off() -> Result<()> {
    let world = World::start("no-http").await?;
    let _shop = world.workload("shop", 1).await?;
    world.tls_secret("shop", &self_signed(&["shop.test"])?).await?;
    let rules = ingress("shop").annotation("allow.http", "false").tls(&["shop.test"], "shop");
    world.apply(rules.rule("shop.test", [prefix("/", "shop")])).await?;
    world.apply(ingress("open").rule("open.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("open.test", "/", "shop").await?;
    let service = controller.client.send(&Request::https("shop.test", "/")).await?.service()?;
    assert_eq!(service, "shop");
    assert_eq!(controller.client.get("shop.test", "/").await?.status, 404);
    Ok(())
}
