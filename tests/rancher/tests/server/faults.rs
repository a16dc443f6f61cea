//! What goes wrong, as the client sees it, and what the server has stored then.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lb_rancher_double::{Chaos, Fault};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::world::{World, authorization, eventually, within};

/// Long enough for a client with any patience, and never waited for.
const FOREVER: Duration = Duration::from_hours(1);
const MOMENT: Duration = Duration::from_millis(20);

#[tokio::test]
async fn errors_come_once_and_store_nothing() -> Result<()> {
    let world = World::start().await;
    for status in [401, 403, 409, 500, 503] {
        let name = format!("web-{status}");
        let rule = world.server.faults().once("POST", "/stacks", Fault::Status(status));
        let answer = world.create_stack(&name).await?;
        assert_eq!(answer.status, status);
        assert_eq!(answer.json()?["type"], "error");
        assert_eq!(answer.json()?["status"], status);
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
        assert!(!world.has_stack(&name));
        assert_eq!(world.server.faults().fired(rule), 1);
        assert_eq!(world.create_stack(&name).await?.status, 201);
    }
    Ok(())
}

#[tokio::test]
async fn other_routes_are_spared() -> Result<()> {
    let world = World::start().await;
    world.server.faults().always("POST", "/certificates", Fault::Status(500));
    assert_eq!(world.create_stack("web").await?.status, 201);
    world.get("/certificates").await?;
    Ok(())
}

#[tokio::test]
async fn a_proxy_answers_in_html() -> Result<()> {
    let world = World::start().await;
    world.server.faults().once("POST", "/stacks", Fault::ProxyPage(502));
    let answer = world.create_stack("web").await?;
    assert_eq!((answer.status, &answer.headers["content-type"]), (502, &"text/html".parse()?));
    assert!(answer.json().is_err());
    assert!(!world.has_stack("web"));
    Ok(())
}

#[tokio::test]
async fn broken_connections_store_or_not_as_they_say() -> Result<()> {
    let world = World::start().await;
    for (number, (fault, stored)) in [
        (Fault::ResetBefore, false),
        (Fault::ResetAfter, true),
        (Fault::HangBefore(MOMENT), false),
        (Fault::HangAfter(MOMENT), true),
        (Fault::CutBody, true),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("web-{number}");
        world.server.faults().once("POST", "/stacks", fault.clone());
        let answer = within(format!("{fault:?}"), world.create_stack(&name)).await;
        assert!(answer.is_err(), "{fault:?}");
        assert_eq!(world.has_stack(&name), stored, "{fault:?}");
        let exchange = world.server.recording().all().last().cloned().context("a request")?;
        assert_eq!(exchange.served.is_some(), stored, "{fault:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_reset_is_a_reset() -> Result<()> {
    let world = World::start().await;
    world.server.faults().once("GET", "/stacks", Fault::ResetBefore);
    let mut stream = TcpStream::connect(world.server.address()).await?;
    let head =
        format!("GET /v2-beta/stacks HTTP/1.1\r\nHost: h\r\nAuthorization: {}\r\n\r\n", authorization(&world.key));
    stream.write_all(head.as_bytes()).await?;
    let read = within("the reset", stream.read(&mut [0; 64])).await;
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
    Ok(())
}

#[tokio::test]
async fn a_write_is_stored_though_its_client_gave_up() -> Result<()> {
    let world = World::start().await;
    world.server.faults().once("POST", "/stacks", Fault::HangAfter(FOREVER));
    world.server.faults().once("POST", "/stacks", Fault::Delay(Duration::from_secs(1)));
    for (number, name) in (1..).zip(["hung", "late"]) {
        let arrived = async || world.server.recording().all().len() == number;
        tokio::select! {
            answer = world.create_stack(name) => panic!("{name} is answered: {:?}", answer.map(|answer| answer.status)),
            () = eventually("the request arrived", arrived) => {}
        }
        eventually(format!("{name} is stored"), async || world.has_stack(name)).await;
    }
    assert_eq!(world.server.recording().all()[0].status, None);
    Ok(())
}

#[tokio::test]
async fn truncated_json_is_whole_http() -> Result<()> {
    let world = World::start().await;
    world.server.faults().once("POST", "/stacks", Fault::Truncated);
    let answer = world.create_stack("web").await?;
    assert_eq!(answer.status, 201);
    assert!(!answer.body.is_empty() && answer.json().is_err());
    assert!(world.has_stack("web"));
    Ok(())
}

#[tokio::test]
async fn a_slow_body_is_whole_in_the_end() -> Result<()> {
    let world = World::start().await;
    let whole = world.send("GET", "/stacks", &Value::Null).await?.body.len();
    let bytes_per_second = u32::try_from(whole)? * 5;
    world.server.faults().once("GET", "/stacks", Fault::SlowBody { bytes_per_second });
    let begun = Instant::now();
    let answer = world.send("GET", "/stacks", &Value::Null).await?;
    assert_eq!(answer.json()?["type"], "collection");
    assert!(begun.elapsed() >= Duration::from_millis(190), "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn another_writer_acts_between_two_requests() -> Result<()> {
    let world = World::start().await;
    let id = world.create_stack("web").await?.json()?["id"].as_str().unwrap_or_default().to_owned();
    let path = format!("/stacks/{id}");
    let (before, after) = (id.clone(), id.clone());
    let set = |id: String, text: &'static str| {
        Fault::after(move |rancher, _| rancher.edit(&id, &json!({"description": text})))
    };
    world.server.faults().once("GET", "/stacks/*", set(after, "after"));
    let hook = Fault::before(move |rancher, _| rancher.edit(&before, &json!({"description": "before"})));
    world.server.faults().once("GET", "/stacks/*", hook);
    assert_eq!(world.get(&path).await?["description"], "before");
    assert_eq!(world.get(&path).await?["description"], "after");
    Ok(())
}

#[tokio::test]
async fn chaos_stops_nobody_who_tries_again() -> Result<()> {
    let world = World::start().await;
    world.server.faults().set_chaos(Some(Chaos::seeded(11).with_probability(0.5).with_pause(MOMENT)));
    for number in 0..20 {
        let name = format!("web-{number}");
        eventually(format!("{name} is made"), async || {
            let answer = world.create_stack(&name).await;
            answer.is_ok_and(|answer| matches!(answer.status, 201 | 422) && answer.json().is_ok())
        })
        .await;
    }
    let writes = world.server.recording().writes().len();
    assert!(writes > 20, "some have failed: {writes}");
    assert_eq!(
        world
            .rancher
            .stacks()
            .iter()
            .filter(|stack| stack["name"].as_str().is_some_and(|name| name.starts_with("web-")))
            .count(),
        20
    );
    world.server.faults().clear();
    assert_eq!(world.create_stack("calm").await?.status, 201);
    Ok(())
}
