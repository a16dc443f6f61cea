//! The double on a socket: latency, faults, events, and a recording of everything that was asked.

mod answer;
mod body;
mod control;
mod identity;
mod listener;
mod proxy;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpSocket;
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

use crate::events::EventOptions;
use crate::faults::Faults;
use crate::recording::{Exchange, Recording};
use crate::{Rancher, events::Subscriptions};

use answer::Desk;
pub use identity::Identity;
use listener::Listener;
pub use proxy::Proxy;

/// How often a running clock moves.
const TICK: Duration = Duration::from_millis(2);

/// Called with each write once its answer is known.
pub type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// How a [`Server`] serves.
#[derive(Clone)]
pub struct ServerOptions {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether HTTPS is served, and as whom.
    pub tls: Option<Identity>,
    /// What moves the server's clock.
    pub clock: Clock,
    /// What stands between the clients and the server.
    pub proxy: Proxy,
    /// How long each answer takes.
    pub latency: Latency,
    /// The event stream.
    pub events: EventOptions,
    /// Seed of the faults that strike at random.
    pub seed: u64,
    /// Whether `/control/` is served, for people and demos.
    pub control: bool,
    /// Requests kept in the recording; the oldest is forgotten first.
    pub recorded: usize,
    /// Who is told of each write.
    pub observer: Option<Observer>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            clock: Clock::default(),
            proxy: Proxy::default(),
            latency: Latency::default(),
            events: EventOptions::default(),
            seed: 0,
            control: false,
            recorded: 100_000,
            observer: None,
        }
    }
}

impl ServerOptions {
    /// The defaults with a clock that runs so much faster than real time.
    pub fn with_speed(speed: f64) -> Self {
        Self { clock: Clock::Running { speed }, ..Self::default() }
    }
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServerOptions")
            .field("address", &self.address)
            .field("tls", &self.tls.is_some())
            .field("clock", &self.clock)
            .field("proxy", &self.proxy)
            .field("latency", &self.latency)
            .field("events", &self.events)
            .field("seed", &self.seed)
            .field("control", &self.control)
            .field("recorded", &self.recorded)
            .finish_non_exhaustive()
    }
}

/// What moves the server's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clock {
    /// Real time, so much faster: at 100, a second of the server takes 10 ms.
    Running {
        /// Seconds of the server in a second of real time; more than 0.
        speed: f64,
    },
    /// Only [`Rancher::advance`], called by the test. The event stream follows this clock too.
    Stepped,
}

impl Default for Clock {
    fn default() -> Self {
        Self::Running { speed: 1.0 }
    }
}

/// How long each answer takes, on top of the work itself; real time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// For each request.
    pub fixed: Duration,
    /// At most this much more, drawn from the server's seed.
    pub jitter: Duration,
}

/// Why a server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or is none of this machine.
    #[error("cannot listen on {address}; choose another address, or port 0 for a free one")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate and the key do not make a TLS server.
    #[error("cannot serve HTTPS with this certificate and key: {0}")]
    Identity(String),
    /// The clock cannot run like that.
    #[error("a clock cannot run at speed {0}; the speed has to be more than 0 and finite")]
    Speed(f64),
}

/// A Rancher server on a socket, until it is dropped.
pub struct Server {
    desk: Arc<Desk>,
    identity: Option<identity::Acceptor>,
    address: SocketAddr,
    state: tokio::sync::Mutex<State>,
    clock: Option<AbortHandle>,
}

enum State {
    Serving(Listener),
    /// The port is kept, so that nobody else takes it, but refuses connections.
    Stopped(TcpSocket),
    /// A restart failed.
    Lost,
}

impl Server {
    /// Serves this Rancher.
    ///
    /// # Errors
    ///
    /// Each [`Error`] of the options.
    pub async fn start(rancher: Rancher, options: ServerOptions) -> Result<Self, Error> {
        let identity = options.tls.as_ref().map(identity::Acceptor::new).transpose()?;
        if let Clock::Running { speed } = options.clock
            && !(speed.is_finite() && speed > 0.0)
        {
            return Err(Error::Speed(speed));
        }
        let failed = |source| Error::Listen { address: options.address, source };
        let socket = reserve(options.address).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let clock = match options.clock {
            Clock::Running { speed } => Some(tokio::spawn(run_clock(rancher.clone(), speed)).abort_handle()),
            Clock::Stepped => None,
        };
        let desk = Arc::new(Desk {
            rancher,
            faults: Faults::seeded(options.seed),
            recording: Recording::with_capacity(options.recorded),
            subscriptions: Subscriptions::new(options.events.clone()),
            latency: Mutex::new(options.latency),
            random: Mutex::new(fastrand::Rng::with_seed(options.seed)),
            options,
        });
        let server = Self { desk, identity, address, state: tokio::sync::Mutex::new(State::Stopped(socket)), clock };
        server.restart().await?;
        Ok(server)
    }

    /// Scheme, host and port, such as `http://127.0.0.1:41234`.
    pub fn url(&self) -> String {
        let scheme = if self.identity.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The base of a project: `http://127.0.0.1:41234/v2-beta/projects/1a5`.
    pub fn base(&self, project: &str) -> String {
        format!("{}/v2-beta/projects/{project}", self.url())
    }

    /// Where it listens, or listened before it was stopped.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it serves.
    pub fn rancher(&self) -> &Rancher {
        &self.desk.rancher
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.desk.faults
    }

    /// What it was asked.
    pub fn recording(&self) -> &Recording {
        &self.desk.recording
    }

    /// Changes how long the answers to requests from now on take.
    pub fn set_latency(&self, latency: Latency) {
        *self.desk.latency.lock().unwrap_or_else(PoisonError::into_inner) = latency;
    }

    /// How many event streams are open.
    pub fn subscribers(&self) -> usize {
        self.desk.subscriptions.count()
    }

    /// Breaks every event stream without a close frame; new ones are served.
    pub fn disconnect_subscribers(&self) {
        self.desk.subscriptions.disconnect();
    }

    /// Resets every connection; new ones are served.
    pub async fn drop_connections(&self) {
        if let State::Serving(listener) = &*self.state.lock().await {
            listener.drop_connections();
        }
    }

    /// Becomes unreachable: connections break, new ones are refused. The server's clock goes on.
    pub async fn stop(&self) {
        let mut state = self.state.lock().await;
        if let State::Serving(listener) = &*state {
            let socket = listener.stop().await;
            *state = State::Stopped(socket);
        }
    }

    /// Serves again, on the same port. Does nothing while it is serving.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`], when the system refuses.
    pub async fn restart(&self) -> Result<(), Error> {
        let mut state = self.state.lock().await;
        let failed = |source| Error::Listen { address: self.address, source };
        let socket = match std::mem::replace(&mut *state, State::Lost) {
            State::Serving(listener) => {
                *state = State::Serving(listener);
                return Ok(());
            }
            State::Stopped(socket) => socket,
            State::Lost => reserve(self.address).map_err(failed)?,
        };
        let listener = Listener::start(socket, self.address, self.desk.clone(), self.identity.clone());
        *state = State::Serving(listener.map_err(failed)?);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(clock) = &self.clock {
            clock.abort();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Server").field("url", &self.url()).finish_non_exhaustive()
    }
}

/// Takes the port without listening on it.
fn reserve(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn run_clock(rancher: Rancher, speed: f64) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        ticks.tick().await;
        let now = Instant::now();
        rancher.advance(now.duration_since(last).mul_f64(speed));
        last = now;
    }
}
