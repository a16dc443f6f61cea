//! The socket and its connections.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::answer::{Desk, Outcome};
use super::identity::Acceptor;
use super::reserve;

const BACKLOG: u32 = 1024;
/// Time to recover when the system has no more file descriptors, or the port is not free at once.
const PAUSE: Duration = Duration::from_millis(20);

/// Serves until it is stopped or dropped.
pub(super) struct Listener {
    address: SocketAddr,
    stop: CancellationToken,
    connections: Arc<Connections>,
    _stop_when_dropped: DropGuard,
}

struct Connections {
    tasks: TaskTracker,
    stop: CancellationToken,
    /// Cancelled, and replaced, to break every connection that is open.
    open: Mutex<CancellationToken>,
}

impl Connections {
    fn open(&self) -> MutexGuard<'_, CancellationToken> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection, as a request sees it.
pub(super) struct Connection {
    socket: OwnedFd,
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Connection {
    /// Breaks it at once; the client sees a reset.
    pub(super) fn reset(&self) {
        reset_on_close(&self.socket);
        self.cut.cancel();
    }

    /// Runs on, whatever the client does, until the connection is broken from this side.
    pub(super) fn spawn<F>(&self, work: F) -> tokio::task::JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let cut = self.cut.clone();
        self.tasks.spawn(async move { cut.run_until_cancelled_owned(work).await })
    }
}

impl Listener {
    pub(super) fn start(
        socket: TcpSocket,
        address: SocketAddr,
        desk: Arc<Desk>,
        identity: Option<Acceptor>,
    ) -> io::Result<Self> {
        let listener = socket.listen(BACKLOG)?;
        let stop = CancellationToken::new();
        let connections = Arc::new(Connections {
            tasks: TaskTracker::new(),
            open: Mutex::new(stop.child_token()),
            stop: stop.clone(),
        });
        connections.tasks.spawn(accept(listener, desk, identity, connections.clone()));
        Ok(Self { address, _stop_when_dropped: stop.clone().drop_guard(), stop, connections })
    }

    pub(super) fn drop_connections(&self) {
        std::mem::replace(&mut *self.connections.open(), self.stop.child_token()).cancel();
    }

    /// Ends when every connection is closed; the port stays taken. May be called again when it was given up.
    pub(super) async fn stop(&self) -> TcpSocket {
        self.stop.cancel();
        self.connections.tasks.close();
        self.connections.tasks.wait().await;
        loop {
            match reserve(self.address) {
                Ok(socket) => return socket,
                Err(error) => {
                    tracing::debug!(%error, address = %self.address, "the port is not free yet");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn accept(listener: TcpListener, desk: Arc<Desk>, identity: Option<Acceptor>, connections: Arc<Connections>) {
    loop {
        let accepted = tokio::select! {
            () = connections.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (cut, tasks) = (connections.open().child_token(), connections.tasks.clone());
                connections.tasks.spawn(open(stream, desk.clone(), identity.clone(), cut, tasks));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn open(
    stream: TcpStream,
    desk: Arc<Desk>,
    identity: Option<Acceptor>,
    cut: CancellationToken,
    tasks: TaskTracker,
) {
    let opened = stream.set_nodelay(true).and_then(|()| stream.as_fd().try_clone_to_owned());
    let socket = match opened {
        Ok(socket) => socket,
        Err(error) => return tracing::warn!(%error, "a connection could not be set up"),
    };
    let connection = Arc::new(Connection { socket, cut: cut.clone(), tasks });
    let work = async {
        match identity {
            None => serve(stream, desk, connection.clone()).await,
            Some(Acceptor(acceptor)) => match acceptor.accept(stream).await {
                Ok(stream) => serve(stream, desk, connection.clone()).await,
                Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
            },
        }
    };
    if cut.run_until_cancelled(work).await.is_none() {
        reset_on_close(&connection.socket);
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    desk: Arc<Desk>,
    context: Arc<Connection>,
) {
    let service = service_fn(move |request| {
        let (desk, connection) = (desk.clone(), context.clone());
        async move {
            let work = desk.answer(connection.clone(), request);
            match connection.spawn(work).await {
                Ok(Some(Outcome::Answer(response))) => Ok::<_, Infallible>(response),
                Ok(Some(Outcome::Reset) | None) => {
                    connection.reset();
                    std::future::pending().await
                }
                Err(error) => {
                    tracing::error!(%error, "the double failed at a request");
                    connection.reset();
                    std::future::pending().await
                }
            }
        }
    });
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.with_upgrades().await {
        tracing::debug!(error = error.to_string(), "a connection ended early");
    }
}

fn reset_on_close(socket: &OwnedFd) {
    if let Err(error) = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)) {
        tracing::debug!(%error, "a connection ends without a reset");
    }
}
