use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use lb_model::provider::CallError;
use serde::{Serialize, Serializer};

/// What a plugin did since it was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Statistics {
    /// When it was loaded. Seconds since 1970 when serialized.
    #[serde(serialize_with = "unix_seconds")]
    pub loaded: SystemTime,
    /// Calls that ended, however they did. Those that were dropped or refused are not among them.
    pub calls: u64,
    /// Of these, calls that the provider answered with an error of the contract.
    pub failures: u64,
    /// Of these, calls that broke a limit or trapped.
    pub breaches: u64,
    /// Calls that were not made, because a circuit was open.
    pub refused: u64,
    /// Load balancers that it is not called for now, because it kept breaking its limits; observations count as one.
    pub open_circuits: u64,
    /// Times that a circuit opened.
    pub circuit_openings: u64,
}

/// What [`Statistics`] are read from: counted without a lock.
pub(crate) struct Counters {
    loaded: SystemTime,
    calls: AtomicU64,
    failures: AtomicU64,
    breaches: AtomicU64,
    refused: AtomicU64,
}

impl Counters {
    /// Of a plugin that is loaded now.
    pub(crate) fn new() -> Self {
        Self {
            loaded: SystemTime::now(),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            breaches: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// A call ended.
    pub(crate) fn ended<R>(&self, result: &Result<R, CallError>) {
        let of_its_kind = match result {
            Err(CallError::Open { .. }) => return add(&self.refused),
            Err(CallError::Provider(_)) => Some(&self.failures),
            Err(CallError::Breach { .. }) => Some(&self.breaches),
            Ok(_) => None,
        };
        add(&self.calls);
        of_its_kind.into_iter().for_each(add);
    }

    pub(crate) fn read(&self, open_circuits: u64, circuit_openings: u64) -> Statistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            loaded: self.loaded,
            calls: read(&self.calls),
            failures: read(&self.failures),
            breaches: read(&self.breaches),
            refused: read(&self.refused),
            open_circuits,
            circuit_openings,
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn unix_seconds<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}
