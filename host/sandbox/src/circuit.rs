//! The circuit breaker: a provider that breaks its limits for a load balancer, again and again, is not called for it for
//! a while. What was applied last stays live meanwhile.
//!
//! ```text
//!           enough breaches in a row                 the time is over
//!  closed -------------------------> open ------------------------------> probing: one call is let through
//!    ^                                ^                                      |       |
//!    |                                +--- a breach: open for twice as long -+       |
//!    +---------------------------------- the call ends well -------------------------+
//! ```
//!
//! Each load balancer has a circuit of its own, and so have the observations: an object that makes the provider trap must
//! not keep it from serving the others. A call that fails with an error of the contract ends well: the provider behaves.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use lb_model::provider::{Breach, CallError};
use tracing::{debug, info, warn};

use crate::{Metrics, configuration::CircuitLimits};

/// When a call that meets a probe under way is worth another try.
const PROBE_UNDER_WAY: Duration = Duration::from_secs(1);

/// The circuits of one plugin.
pub(crate) struct Circuits {
    limits: CircuitLimits,
    provider: Arc<str>,
    metrics: Arc<Metrics>,
    clock: fn() -> Instant,
    /// By load balancer, the empty name for calls that are about none. One that is closed and has seen no breach since
    /// the last good call is not in it.
    known: Mutex<HashMap<String, Circuit>>,
    /// How many of them are not closed.
    open: AtomicU64,
    openings: AtomicU64,
}

struct Circuit {
    state: State,
    /// In a row, the latest last.
    breaches: VecDeque<Instant>,
    /// The last one.
    last: (Breach, String),
    /// How often it opened without having closed.
    openings: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Instant },
    Probing,
}

impl Circuits {
    pub(crate) fn new(provider: &Arc<str>, limits: CircuitLimits, metrics: &Arc<Metrics>) -> Self {
        Self::with_clock(provider, limits, metrics, Instant::now)
    }

    pub(crate) fn with_clock(
        provider: &Arc<str>,
        limits: CircuitLimits,
        metrics: &Arc<Metrics>,
        clock: fn() -> Instant,
    ) -> Self {
        // So that it is there before anything is wrong.
        metrics.circuits_open(provider, 0);
        Self {
            limits,
            provider: provider.clone(),
            metrics: metrics.clone(),
            clock,
            known: Mutex::default(),
            open: AtomicU64::new(0),
            openings: AtomicU64::new(0),
        }
    }

    /// Whether the provider may be called for a load balancer.
    pub(crate) fn enter<'a>(&'a self, load_balancer: &'a str) -> Result<Permit<'a>, CallError> {
        let mut permit = Permit { circuits: self, load_balancer, probes: false };
        if let Some(circuit) = self.known().get_mut(load_balancer) {
            let wait = match circuit.state {
                State::Closed => Duration::ZERO,
                State::Open { until } => until.saturating_duration_since((self.clock)()),
                State::Probing => PROBE_UNDER_WAY,
            };
            if !wait.is_zero() {
                let (kind, message) = circuit.last.clone();
                return Err(CallError::Open { kind, retry_after: wait, message });
            }
            if circuit.state != State::Closed {
                circuit.state = State::Probing;
                permit.probes = true;
            }
        }
        Ok(permit)
    }

    /// Circuits that are not closed.
    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Times that one opened.
    pub(crate) fn openings(&self) -> u64 {
        self.openings.load(Ordering::Relaxed)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Circuit>> {
        // A poisoned map is whole: each circuit is changed in steps that cannot panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn behaved(&self, load_balancer: &str) {
        let removed = self.known().remove(load_balancer);
        if removed.is_some_and(|circuit| circuit.state != State::Closed) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            self.metrics.circuits_open(&self.provider, -1);
            info!(provider = %self.provider, load_balancer, "the provider behaves again; its circuit is closed");
        }
    }

    fn broke(&self, load_balancer: &str, probed: bool, kind: Breach, message: &str) {
        let now = (self.clock)();
        let within = Duration::from_secs(self.limits.within_seconds);
        let mut circuits = self.known();
        let is_recent = |breach: &Instant| now.saturating_duration_since(*breach) <= within;
        // Those of load balancers that are gone are never asked for again.
        circuits.retain(|_, circuit| circuit.state != State::Closed || circuit.breaches.iter().any(is_recent));
        let circuit = circuits.entry(load_balancer.to_owned()).or_insert_with(|| Circuit {
            state: State::Closed,
            breaches: VecDeque::new(),
            last: (kind, String::new()),
            openings: 0,
        });
        circuit.last = (kind, message.to_owned());
        circuit.breaches.retain(is_recent);
        circuit.breaches.push_back(now);
        let breaches = circuit.breaches.len();
        let opens = circuit.state == State::Closed && breaches >= self.limits.breaches as usize;
        if !opens && !probed {
            return;
        }
        let pause = self.pause(circuit.openings);
        circuit.state = State::Open { until: now + pause };
        circuit.openings = circuit.openings.saturating_add(1);
        circuit.breaches.clear();
        drop(circuits);
        let (provider, seconds) = (&self.provider, pause.as_secs());
        if opens {
            self.open.fetch_add(1, Ordering::Relaxed);
            self.openings.fetch_add(1, Ordering::Relaxed);
            self.metrics.circuit_opened(provider);
            warn!(
                %provider,
                load_balancer,
                breaches,
                last = %kind,
                seconds,
                "the provider keeps breaking its limits; its circuit is open: it is not called, and what was applied last \
                 stays live"
            );
        } else {
            debug!(%provider, load_balancer, last = %kind, seconds, "the provider broke a limit again; its circuit stays open");
        }
    }

    /// How long it is open for the time after so many times in a row.
    fn pause(&self, openings: u32) -> Duration {
        let CircuitLimits { open_seconds, longest_open_seconds, .. } = self.limits;
        // A day doubled 31 times still fits.
        let seconds = open_seconds << openings.min(31);
        Duration::from_secs(seconds.min(longest_open_seconds))
    }
}

/// The gauge is that of the provider, which goes on with another plugin.
impl Drop for Circuits {
    fn drop(&mut self) {
        let open = i64::try_from(self.open()).unwrap_or(i64::MAX);
        self.metrics.circuits_open(&self.provider, -open);
    }
}

/// A call that is under way.
pub(crate) struct Permit<'a> {
    circuits: &'a Circuits,
    load_balancer: &'a str,
    /// It decides whether an open circuit closes.
    probes: bool,
}

impl Permit<'_> {
    /// The call ended.
    pub(crate) fn ended<R>(mut self, result: &Result<R, CallError>) {
        let probes = std::mem::take(&mut self.probes);
        match result {
            Err(CallError::Breach { kind, message }) => self.circuits.broke(self.load_balancer, probes, *kind, message),
            Err(CallError::Open { .. }) => {}
            Ok(_) | Err(CallError::Provider(_)) => self.circuits.behaved(self.load_balancer),
        }
    }
}

/// A probe that was dropped says nothing; the next call is one.
impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.probes
            && let Some(circuit) = self.circuits.known().get_mut(self.load_balancer)
        {
            circuit.state = State::Open { until: (self.circuits.clock)() };
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
