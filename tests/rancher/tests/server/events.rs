//! The event stream over a real websocket.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::{SinkExt, StreamExt};
use lb_rancher_double::{Clock, EventOptions, Fault, Key, KeyKind, ServerOptions};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::world::{PROJECT, World, authorization, eventually, within};

const QUERY: &str = "eventNames=resource.change";

struct Stream(WebSocketStream<TcpStream>);

impl Stream {
    /// Opens a stream and takes its first ping.
    async fn open(world: &World) -> Result<Self> {
        let mut stream =
            Self::try_open(world, &format!("/v2-beta/projects/{PROJECT}/subscribe?{QUERY}"), &world.key).await?;
        assert_eq!(stream.frame().await?["name"], "ping", "the first frame");
        Ok(stream)
    }

    async fn try_open(world: &World, path: &str, key: &Key) -> Result<Self, Error> {
        let address = world.server.address();
        let mut request = format!("ws://{address}{path}").into_client_request()?;
        request.headers_mut().insert("Authorization", authorization(key).parse()?);
        let socket = TcpStream::connect(address).await?;
        Ok(Self(client_async(request, socket).await?.0))
    }

    async fn message(&mut self) -> Result<Message, Error> {
        within("a message", self.0.next()).await.unwrap_or(Err(Error::ConnectionClosed))
    }

    async fn frame(&mut self) -> Result<Value> {
        match self.message().await? {
            Message::Text(text) => Ok(serde_json::from_str(&text)?),
            other => anyhow::bail!("no text: {other:?}"),
        }
    }

    /// The next frame that is no ping.
    async fn event(&mut self) -> Result<Value> {
        loop {
            let frame = self.frame().await?;
            if frame["name"] != "ping" {
                return Ok(frame);
            }
        }
    }

    /// Reads events until one fits.
    async fn find(&mut self, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        loop {
            let event = self.event().await?;
            if fits(&event) {
                return Ok(event);
            }
        }
    }

    /// Reads to the end.
    async fn end(&mut self) -> Result<Message, Error> {
        loop {
            match self.message().await {
                Ok(Message::Text(_)) => {}
                other => return other,
            }
        }
    }
}

fn status(refused: Result<Stream, Error>) -> u16 {
    match refused {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("not refused by HTTP: {error}"),
        Ok(_) => panic!("not refused"),
    }
}

#[tokio::test]
async fn the_first_frame_is_a_ping_of_the_server_s_time() -> Result<()> {
    let world = World::with(ServerOptions { clock: Clock::Stepped, ..ServerOptions::default() }).await;
    let mut stream = Stream::try_open(&world, &format!("/v2-beta/subscribe?{QUERY}"), &world.key).await?;
    let ping = stream.frame().await?;
    assert_eq!(ping["name"], "ping");
    assert_eq!(ping["data"], json!({"options": {}, "resources": []}));
    assert_eq!(ping["time"], world.rancher.now().as_millisecond());
    assert!(ping["resourceId"].is_null() && ping["id"].as_str().is_some_and(|id| id.len() == 36));
    Ok(())
}

#[tokio::test]
async fn a_handshake_is_refused_by_scope() -> Result<()> {
    let world = World::start().await;
    let project = format!("/v2-beta/projects/{PROJECT}/subscribe?{QUERY}");
    let wrong = Key { access: "nobody".to_owned(), secret: "nothing".to_owned() };
    assert_eq!(status(Stream::try_open(&world, &project, &wrong).await), 401);
    let other = world.rancher.add_project("other");
    let foreign = format!("/v2-beta/projects/{other}/subscribe?{QUERY}");
    assert_eq!(status(Stream::try_open(&world, &foreign, &world.key).await), 403);
    let account = world.rancher.add_key(KeyKind::Account { memberships: vec![] });
    assert_eq!(status(Stream::try_open(&world, &format!("/v2-beta/subscribe?{QUERY}"), &account).await), 404);
    world.server.faults().once("GET", "/subscribe", Fault::Status(503));
    assert_eq!(status(Stream::try_open(&world, &project, &world.key).await), 503);
    let statuses: Vec<_> = world.server.recording().all().iter().map(|exchange| exchange.status).collect();
    assert_eq!(statuses, [Some(401), Some(403), Some(404), Some(503)]);
    Ok(())
}

#[tokio::test]
async fn without_an_upgrade_nothing_streams() -> Result<()> {
    let world = World::start().await;
    let answer = world.send("GET", &format!("/subscribe?{QUERY}"), &Value::Null).await?;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(world.server.subscribers(), 0);
    Ok(())
}

#[tokio::test]
async fn a_change_comes_with_the_whole_resource() -> Result<()> {
    let world = World::start().await;
    let mut stream = Stream::open(&world).await?;
    assert_eq!(world.server.subscribers(), 1);
    let made = world.create_stack("web").await?.json()?;
    let event = stream.find(|event| event["data"]["resource"]["state"] == "active").await?;
    assert_eq!((&event["name"], &event["resourceType"]), (&json!("resource.change"), &json!("stack")));
    assert_eq!(event["resourceId"], made["id"]);
    assert_eq!(event["data"]["resource"]["name"], "web");
    assert!(event.as_object().is_some_and(|frame| frame.contains_key("replyTo")), "older servers send nulls");
    Ok(())
}

#[tokio::test]
async fn changes_are_published_once_a_second_for_each_resource() -> Result<()> {
    let world = World::with(ServerOptions { clock: Clock::Stepped, ..ServerOptions::default() }).await;
    let id = world.create_stack("web").await?.json()?["id"].as_str().context("an id")?.to_owned();
    let other = world.create_stack("api").await?.json()?["id"].as_str().context("an id")?.to_owned();
    world.rancher.advance(Duration::from_secs(30));
    let mut stream = Stream::open(&world).await?;
    for text in ["one", "two", "three"] {
        world.send("PUT", &format!("/stacks/{id}"), &json!({"description": text})).await?;
    }
    world.send("PUT", &format!("/stacks/{other}"), &json!({"description": "once"})).await?;
    world.rancher.advance(Duration::from_millis(999));
    world.rancher.advance(Duration::from_millis(1));
    let events = [stream.event().await?, stream.event().await?];
    let mut told: Vec<&Value> = events.iter().map(|event| &event["data"]["resource"]["description"]).collect();
    told.sort_by_key(ToString::to_string);
    assert_eq!(told, ["once", "three"], "the latest of each, nothing of before");
    Ok(())
}

#[tokio::test]
async fn other_projects_are_not_heard_of() -> Result<()> {
    let world = World::start().await;
    let mut stream = Stream::open(&world).await?;
    let other = world.rancher.add_project("other");
    world.rancher.add_stack(&other, "secret", None);
    world.create_stack("web").await?;
    loop {
        let event = stream.event().await?;
        assert_ne!(event["data"]["resource"]["name"], "secret");
        if event["data"]["resource"]["state"] == "active" {
            return Ok(());
        }
    }
}

#[tokio::test]
async fn only_the_names_that_were_asked_for_come() -> Result<()> {
    let options = ServerOptions::with_speed(100.0);
    let world = World::with(options).await;
    let path = "/v2-beta/subscribe?eventNames=something.else";
    let mut stream = Stream::try_open(&world, path, &world.key).await?;
    world.create_stack("web").await?;
    for _ in 0..4 {
        assert_eq!(stream.frame().await?["name"], "ping");
    }
    Ok(())
}

#[tokio::test]
async fn pings_follow_the_clock_and_their_limit_ends_the_stream() -> Result<()> {
    let events = EventOptions { pings: 4, nulls: false, ..EventOptions::default() };
    let world = World::with(ServerOptions { events, ..ServerOptions::with_speed(100.0) }).await;
    let begun = world.rancher.now().as_millisecond();
    let mut stream = Stream::open(&world).await?;
    for number in 1..4 {
        let ping = stream.frame().await?;
        assert!(!ping.as_object().context("an object")?.contains_key("replyTo"));
        let time = ping["time"].as_i64().context("a time")?;
        // How late one is depends on the machine; none is early.
        assert!(time >= begun + number * 5000, "ping {number} after {} ms", time - begun);
    }
    assert!(matches!(stream.end().await, Ok(Message::Close(_))));
    eventually("the stream is gone", async || world.server.subscribers() == 0).await;
    Ok(())
}

#[tokio::test]
async fn a_revoked_key_is_logged_out() -> Result<()> {
    let world = World::start().await;
    let mut stream = Stream::open(&world).await?;
    world.rancher.remove_key(&world.key);
    assert_eq!(stream.event().await?, json!({"name": "logout"}));
    assert!(matches!(stream.end().await, Ok(Message::Close(_))));
    Ok(())
}

#[tokio::test]
async fn a_disconnect_comes_without_a_close_frame_and_nothing_is_replayed() -> Result<()> {
    let world = World::start().await;
    let mut stream = Stream::open(&world).await?;
    world.server.disconnect_subscribers();
    let end = stream.end().await;
    assert!(matches!(end, Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_))), "{end:?}");
    world.create_stack("missed").await?;
    let settled = async || world.rancher.stacks().iter().all(|stack| stack["state"] == "active");
    eventually("the stack is active", settled).await;
    let mut stream = Stream::open(&world).await?;
    world.create_stack("heard").await?;
    let event = stream.event().await?;
    assert_eq!(event["data"]["resource"]["name"], "heard");
    Ok(())
}

#[tokio::test]
async fn a_stopped_server_breaks_its_streams() -> Result<()> {
    let world = World::start().await;
    let mut stream = Stream::open(&world).await?;
    world.server.stop().await;
    assert!(stream.end().await.is_err());
    world.server.restart().await?;
    Stream::open(&world).await?;
    Ok(())
}

#[tokio::test]
async fn a_slow_reader_is_cut_off() -> Result<()> {
    let events = EventOptions { queue: 5, ..EventOptions::default() };
    let world = World::with(ServerOptions { events, ..ServerOptions::with_speed(1000.0) }).await;
    let mut stream = Stream::open(&world).await?;
    // More than what the sockets between the two hold.
    let outputs = json!({"text": "x".repeat(900_000)});
    let ids: Vec<String> =
        (0..3).map(|number| world.rancher.add_stack(PROJECT, &format!("web-{number}"), None)).collect();
    eventually("the reader is cut off", async || {
        for id in &ids {
            world.rancher.edit(id, &json!({"outputs": outputs, "description": fastrand::u64(..).to_string()}));
        }
        world.server.subscribers() == 0
    })
    .await;
    let end = stream.end().await;
    assert!(end.is_err(), "{end:?}");
    Ok(())
}

#[tokio::test]
async fn pings_of_the_client_are_answered() -> Result<()> {
    let world = World::with(ServerOptions { clock: Clock::Stepped, ..ServerOptions::default() }).await;
    let mut stream = Stream::open(&world).await?;
    stream.0.send(Message::Ping("are you there".into())).await?;
    assert_eq!(stream.message().await?, Message::Pong("are you there".into()));
    stream.0.close(None).await?;
    eventually("the stream is gone", async || world.server.subscribers() == 0).await;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_read_when_it_is_sent_comes_without_data() -> Result<()> {
    let world = World::with(ServerOptions { clock: Clock::Stepped, ..ServerOptions::default() }).await;
    let id = world.rancher.add_stack(PROJECT, "web", None);
    let mut stream = Stream::open(&world).await?;
    world.rancher.remove(&id);
    world.rancher.advance(Duration::from_hours(49));
    let event = stream.event().await?;
    assert_eq!((&event["resourceId"], &event["resourceType"]), (&json!(id), &json!("stack")));
    assert!(event["data"].is_null(), "{event}");
    Ok(())
}
