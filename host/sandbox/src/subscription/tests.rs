//! Subscriptions to a real websocket server on the loopback.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use futures::{SinkExt, StreamExt};
use http::{Response, StatusCode};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::mpsc,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{Message, handshake::server::Request},
};

use super::{
    Subscriptions,
    connection::{Connector, Refused},
};
use crate::{
    Metrics,
    configuration::SubscriptionGrant,
    http::{HttpClient, test_authority::Authority},
};

const PASSWORD: &str = "hunter2-hunter2";

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Socket = WebSocketStream<Box<dyn Stream>>;

/// Accepts websockets, and hands each to the test.
struct Server {
    address: SocketAddr,
    accepted: mpsc::UnboundedReceiver<(Socket, String)>,
}

impl Server {
    /// `status` other than 101 refuses each handshake.
    async fn start(status: StatusCode, acceptor: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, accepted) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stream: Box<dyn Stream> = match &acceptor {
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => Box::new(stream),
                        Err(_) => continue,
                    },
                    None => Box::new(stream),
                };
                let mut asked = String::new();
                #[expect(clippy::result_large_err, reason = "the signature is given")]
                let shake = |request: &Request, response| {
                    let authorization = request.headers().get("authorization").map(|value| value.to_str().unwrap());
                    asked = format!("{} {}", request.uri(), authorization.unwrap_or_default());
                    if status == StatusCode::SWITCHING_PROTOCOLS {
                        return Ok(response);
                    }
                    Err(Response::builder().status(status).body(None).unwrap())
                };
                if let Ok(socket) = accept_hdr_async(stream, shake).await {
                    let _ = sender.send((socket, asked));
                }
            }
        });
        Self { address, accepted }
    }

    async fn open() -> Self {
        Self::start(StatusCode::SWITCHING_PROTOCOLS, None).await
    }

    async fn accept(&mut self) -> (Socket, String) {
        within("a connection", self.accepted.recv()).await.unwrap()
    }
}

struct World {
    registry: Registry,
    subscriptions: Subscriptions,
}

impl World {
    fn subscribe(url: &str, http: Value, subscription: Value) -> Self {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let grant = merged(json!({ "base-url": url, "allow-addresses": ["loopback"], "paths": ["/none"] }), http);
        let client = HttpClient::new("api", serde_json::from_value(grant).unwrap()).unwrap();
        let clients = BTreeMap::from([("api".to_owned(), Arc::new(client))]);
        let grant = json!({ "http": "api", "path": "/subscribe?eventNames=resource.change", "debounce-ms": 50,
            "wake-on": { "/name": ["resource.change"] } });
        let grant: SubscriptionGrant = serde_json::from_value(merged(grant, subscription)).unwrap();
        let grants = BTreeMap::from([("events".to_owned(), grant)]);
        let subscriptions = Subscriptions::open(&"web".into(), &grants, &clients, &metrics).unwrap();
        Self { registry, subscriptions }
    }

    fn to(server: &Server, subscription: Value) -> Self {
        Self::subscribe(&format!("http://{}/v2", server.address), json!({}), subscription)
    }

    async fn woken(&self) {
        within("a wake", self.subscriptions.woken()).await;
    }

    fn counted(&self, metric: &str) -> Option<u64> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let start = format!("{metric}{{provider=\"web\",subscription=\"events\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&start)).map(|count| count.parse().unwrap())
    }

    async fn eventually(&self, metric: &str, value: u64) {
        within(metric, async {
            while self.counted(metric) != Some(value) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

fn merged(mut value: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("an object") };
    value.as_object_mut().unwrap().extend(more);
    value
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(Duration::from_mins(1), future).await.unwrap_or_else(|_| panic!("{what}: not in 60 s"))
}

fn change() -> Message {
    Message::text(json!({ "name": "resource.change", "data": { "resource": { "id": "1s1" } } }).to_string())
}

const WAKES: &str = "lb_subscription_wakes_total";
const CONNECTED: &str = "lb_subscription_connected";

#[tokio::test]
async fn a_connection_wakes_once_and_each_change_wakes() {
    let mut server = Server::open().await;
    let world = World::to(&server, json!({}));
    let (mut socket, asked) = server.accept().await;
    assert_eq!(asked, "/v2/subscribe?eventNames=resource.change ");
    world.woken().await;
    assert_eq!((world.counted(WAKES), world.counted(CONNECTED)), (Some(1), Some(1)));
    // What does not match is read, and wakes nobody: the change that comes after it is the second wake.
    for ignored in [Message::text("{\"name\":\"ping\"}"), Message::text("no JSON"), Message::binary(vec![1_u8, 2])] {
        socket.send(ignored).await.unwrap();
    }
    socket.send(change()).await.unwrap();
    world.woken().await;
    assert_eq!(world.counted(WAKES), Some(2));
}

#[tokio::test]
async fn changes_at_once_wake_once_and_the_last_is_not_lost() {
    let mut server = Server::open().await;
    // So long that all of them are read before it ends.
    let world = World::to(&server, json!({ "debounce-ms": 2_000 }));
    let (mut socket, _) = server.accept().await;
    world.woken().await;
    for _ in 0..100 {
        socket.send(change()).await.unwrap();
    }
    // Answered in order: all that was sent before it has been read.
    socket.send(Message::Ping("x".into())).await.unwrap();
    let answered = within("a pong", socket.next()).await.unwrap().unwrap();
    assert_eq!(answered, Message::Pong("x".into()));
    world.woken().await;
    assert_eq!(world.counted(WAKES), Some(2));
    // A connection that ends takes no change with it.
    socket.send(change()).await.unwrap();
    socket.close(None).await.unwrap();
    world.woken().await;
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_wakes() {
    let mut server = Server::open().await;
    let world = World::to(&server, json!({}));
    let (socket, _) = server.accept().await;
    world.woken().await;
    drop(socket);
    let (_socket, _) = server.accept().await;
    world.woken().await;
    assert_eq!((world.counted("lb_subscription_reconnects_total"), world.counted(CONNECTED)), (Some(1), Some(1)));
}

#[tokio::test]
async fn a_silent_connection_is_dead() {
    let mut server = Server::open().await;
    let world = World::to(&server, json!({ "idle-timeout-ms": 50 }));
    // Held open, and silent.
    let _silent = server.accept().await;
    world.woken().await;
    let _again = server.accept().await;
    world.woken().await;
}

#[tokio::test]
async fn a_frame_that_is_too_large_ends_the_connection() {
    let mut server = Server::open().await;
    let url = format!("http://{}", server.address);
    let world = World::subscribe(&url, json!({ "response-max-bytes": 100 }), json!({}));
    let (mut socket, _) = server.accept().await;
    world.woken().await;
    // The client may go away before all of it is sent.
    let _ = socket.send(Message::text("x".repeat(101))).await;
    let _again = server.accept().await;
    world.woken().await;
}

#[tokio::test]
async fn credentials_go_with_the_handshake() {
    let mut server = Server::open().await;
    let url = format!("http://{}", server.address);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, PASSWORD).unwrap();
    let _world = World::subscribe(&url, json!({ "credentials": { "bearer": { "file": path } } }), json!({}));
    let (socket, asked) = server.accept().await;
    assert!(asked.ends_with(&format!(" Bearer {PASSWORD}")), "{asked}");
    std::fs::write(&path, "rotated").unwrap();
    drop(socket);
    let (_socket, asked) = server.accept().await;
    assert!(asked.ends_with(" Bearer rotated"), "{asked}");
}

#[tokio::test]
async fn tls_is_checked_by_the_granted_ca() {
    let (ours, other) = (Authority::new(), Authority::new());
    let mut server = Server::start(StatusCode::SWITCHING_PROTOCOLS, Some(ours.acceptor("localhost"))).await;
    let url = format!("https://localhost:{}", server.address.port());
    let _untrusting = World::subscribe(&url, json!({ "ca-file": other.ca_file() }), json!({ "path": "/untrusting" }));
    let world = World::subscribe(&url, json!({ "ca-file": ours.ca_file() }), json!({ "path": "/trusting" }));
    let (_socket, asked) = server.accept().await;
    assert_eq!(asked, "/trusting ");
    world.woken().await;
    assert!(server.accepted.try_recv().is_err());
}

#[tokio::test]
async fn it_ends_with_the_plugin() {
    let mut server = Server::open().await;
    let world = World::to(&server, json!({}));
    let (mut socket, _) = server.accept().await;
    world.eventually(CONNECTED, 1).await;
    world.subscriptions.close();
    let end = within("the end", socket.next()).await;
    assert!(!matches!(end, Some(Ok(Message::Text(_)))), "{end:?}");
    world.eventually(CONNECTED, 0).await;
}

#[tokio::test]
async fn a_refused_handshake_says_what_to_do() {
    let connector = |grant: Value| {
        let client = HttpClient::new("api", serde_json::from_value(grant).unwrap()).unwrap();
        Connector::new(Arc::new(client), "grants.subscriptions.events", "/subscribe").unwrap()
    };
    for (status, named) in [
        (StatusCode::UNAUTHORIZED, "check the `credentials`"),
        (StatusCode::FORBIDDEN, "may not subscribe"),
        (StatusCode::NOT_FOUND, "check `base-url`"),
        (StatusCode::BAD_GATEWAY, "no websocket"),
    ] {
        let server = Server::start(status, None).await;
        let url = format!("http://{}", server.address);
        let grant = json!({ "base-url": url, "allow-addresses": ["loopback"], "credentials": { "bearer": PASSWORD } });
        let refused = connector(grant).open().await.err().unwrap();
        assert_eq!(refused.is_lasting(), status != StatusCode::BAD_GATEWAY);
        let text = refused.to_string();
        assert!(text.contains(status.as_str()) && text.contains(named) && !text.contains(PASSWORD), "{text}");
    }
    let refuse = json!({ "base-url": "http://localhost:1" });
    let refused = connector(refuse).open().await.err().unwrap();
    assert!(matches!(&refused, Refused::Failed(_)) && refused.to_string().contains("add `loopback`"), "{refused}");
}
