//! The event stream: `/subscribe` over a websocket.

mod frame;
pub(crate) mod handshake;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{SinkExt, Stream, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_util::sync::CancellationToken;

use crate::{Change, Rancher, Request, Subscriber};

use frame::Frame;

/// How often the server's clock is looked at, in real time.
const LOOK: Duration = Duration::from_millis(2);

/// How events are sent. All times are of the server's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventOptions {
    /// Between two pings.
    pub ping: Duration,
    /// Between two publications; what changed in between is sent once for each resource.
    pub publish: Duration,
    /// Pings until the server ends a stream.
    pub pings: u64,
    /// Messages that may wait for a slow reader; one more ends its stream.
    pub queue: usize,
    /// Whether frames carry the keys that are always `null`, as those of older servers.
    pub nulls: bool,
}

impl Default for EventOptions {
    fn default() -> Self {
        Self { ping: Duration::from_secs(5), publish: Duration::from_secs(1), pings: 8640, queue: 100, nulls: true }
    }
}

/// All event streams of a server.
pub(crate) struct Subscriptions {
    options: EventOptions,
    open: Arc<AtomicUsize>,
    /// Cancelled, and replaced, to break every stream.
    disconnect: Mutex<CancellationToken>,
}

impl Subscriptions {
    pub(crate) fn new(options: EventOptions) -> Self {
        Self { options, open: Arc::default(), disconnect: Mutex::default() }
    }

    pub(crate) fn count(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(crate) fn disconnect(&self) {
        std::mem::take(&mut *self.disconnect.lock().unwrap_or_else(PoisonError::into_inner)).cancel();
    }

    /// Sends to this subscriber whatever changes from now on.
    pub(crate) fn stream(
        &self,
        rancher: Rancher,
        subscriber: Subscriber,
        request: &Request,
        upgrade: OnUpgrade,
    ) -> impl Future<Output = ()> + Send + use<> {
        let disconnect = self.disconnect.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let feed = Feed {
            cursor: rancher.latest_change(),
            wants_changes: handshake::wants_changes(request),
            options: self.options.clone(),
            rancher,
            subscriber,
        };
        let open = self.open.clone();
        async move {
            match upgrade.await {
                Ok(upgraded) => {
                    let open = Open::count(open);
                    disconnect.run_until_cancelled(run(upgraded, feed)).await;
                    drop(open);
                }
                Err(error) => tracing::debug!(%error, "a client left before its event stream began"),
            }
        }
    }
}

/// Counts an event stream while it is open.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn count(streams: Arc<AtomicUsize>) -> Self {
        streams.fetch_add(1, Ordering::SeqCst);
        Self(streams)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What one subscriber is to hear of.
struct Feed {
    rancher: Rancher,
    subscriber: Subscriber,
    options: EventOptions,
    wants_changes: bool,
    /// The latest change that was looked at.
    cursor: u64,
}

/// Why the server has no more to say.
enum End {
    /// The stream is closed in good order, after what is queued.
    Close,
    /// The reader is too slow: the connection is cut.
    Cut,
}

async fn run(upgraded: Upgraded, feed: Feed) {
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    let (sink, source) = socket.split();
    let (queue, queued) = mpsc::channel(feed.options.queue.max(1));
    let writer = write(sink, queued, feed.rancher.clone(), feed.subscriber.clone(), feed.options.nulls);
    tokio::pin!(writer);
    tokio::select! {
        end = feed.produce(queue) => match end {
            End::Close => writer.await,
            End::Cut => tracing::debug!("a slow reader was cut off"),
        },
        () = &mut writer => {}
        () = drain(source) => {}
    }
}

impl Feed {
    /// Ends, and closes the queue, when the stream is to end.
    async fn produce(mut self, queue: mpsc::Sender<Frame>) -> End {
        let mut next_ping = self.rancher.now();
        let mut next_publication = after(next_ping, self.options.publish);
        let mut pings_left = self.options.pings;
        let mut changed: BTreeMap<(String, String), Change> = BTreeMap::new();
        loop {
            let now = self.rancher.now();
            if !self.rancher.is_authorized(&self.subscriber) {
                return if queue.try_send(Frame::Logout).is_ok() { End::Close } else { End::Cut };
            }
            if now >= next_ping {
                if pings_left == 0 {
                    return End::Close;
                }
                pings_left -= 1;
                next_ping = after(next_ping.max(before(now, self.options.ping)), self.options.ping);
                if queue.try_send(Frame::Ping).is_err() {
                    return End::Cut;
                }
            }
            self.collect(&mut changed);
            if now >= next_publication {
                next_publication = after(now, self.options.publish);
                for change in std::mem::take(&mut changed).into_values() {
                    if queue.try_send(Frame::Change(change)).is_err() {
                        return End::Cut;
                    }
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn collect(&mut self, changed: &mut BTreeMap<(String, String), Change>) {
        for change in self.rancher.changes_since(self.cursor) {
            self.cursor = change.sequence;
            if self.wants_changes && change.project == self.subscriber.project {
                changed.insert((change.resource_type.clone(), change.id.clone()), change);
            }
        }
    }
}

/// Sends what is queued, each resource as it is at that moment. Ends with the queue, or with the connection.
async fn write(
    mut sink: impl SinkExt<Message, Error = SocketError> + Unpin,
    mut queued: mpsc::Receiver<Frame>,
    rancher: Rancher,
    subscriber: Subscriber,
    nulls: bool,
) {
    while let Some(frame) = queued.recv().await {
        let text = frame.render(&rancher, &subscriber, nulls).to_string();
        if let Err(error) = sink.send(Message::text(text)).await {
            return tracing::debug!(%error, "a subscriber left");
        }
    }
    if let Err(error) = sink.close().await {
        tracing::debug!(%error, "a subscriber left before the end of its stream");
    }
}

/// Reads what the client sends (pings are answered, all else is ignored) until it closes.
async fn drain(mut source: impl Stream<Item = Result<Message, SocketError>> + Unpin) {
    while let Some(Ok(_)) = source.next().await {}
}

fn after(time: Timestamp, span: Duration) -> Timestamp {
    time.saturating_add(span).unwrap_or(Timestamp::MAX)
}

fn before(time: Timestamp, span: Duration) -> Timestamp {
    time.saturating_sub(span).unwrap_or(Timestamp::MIN)
}
