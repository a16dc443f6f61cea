//! The listener and its connections.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::rest::Api;

/// Time to recover when the system has no more file descriptors to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Server {
    stop: CancellationToken,
    connections: Arc<Connections>,
}

#[derive(Debug)]
struct Connections {
    tasks: TaskTracker,
    /// Cancelled, and replaced, to break every connection that is open.
    open: Mutex<CancellationToken>,
}

impl Server {
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    pub(crate) fn start(listener: TcpListener, api: Arc<Api>) -> Self {
        let stop = CancellationToken::new();
        let open = Mutex::new(stop.child_token());
        let connections = Arc::new(Connections { tasks: TaskTracker::new(), open });
        connections.tasks.spawn(accept(listener, api, stop.clone(), connections.clone()));
        Self { stop, connections }
    }

    pub(crate) fn drop_connections(&self) {
        let mut open = self.connections.open.lock().expect("no code panics while it holds the token");
        std::mem::replace(&mut *open, self.stop.child_token()).cancel();
    }

    /// Ends when the listener and every connection are closed.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.connections.tasks.close();
        self.connections.tasks.wait().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, api: Arc<Api>, stop: CancellationToken, connections: Arc<Connections>) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let open = connections.open.lock().expect("no code panics while it holds the token").clone();
                connections.tasks.spawn(serve(stream, api.clone(), open));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, api: Arc<Api>, open: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps its small packets back");
    }
    let service = service_fn(move |request| {
        let api = api.clone();
        async move { Ok::<_, std::convert::Infallible>(api.handle(request).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        () = open.cancelled() => {}
        result = connection => {
            if let Err(error) = result {
                tracing::debug!(error = error.to_string(), "a connection ended early");
            }
        }
    }
}
