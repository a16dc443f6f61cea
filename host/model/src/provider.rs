//! The port to a provider: what the Kubernetes side calls and the sandbox implements.

use std::{fmt, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use zeroize::Zeroizing;

use crate::types::{ChangeSet, Descriptor, Error, Observed, Outcome, Removal};

/// One provider, ready to be called. Calls for different load balancers may run side by side; the caller keeps at most
/// one in flight for each load balancer. Dropping a call's future ends the call.
pub trait Provider: Send + Sync + 'static {
    /// What the provider says of itself. A swap may change it.
    fn descriptor(&self) -> Arc<Descriptor>;

    /// How often another provider took the place of this one. One that took over knows nothing of what was applied, so
    /// everything is applied to it completely, even if it describes itself the same.
    fn swaps(&self) -> u64 {
        0
    }

    /// Makes a load balancer match.
    fn apply(&self, change: ChangeSet) -> BoxFuture<'_, Result<Outcome, CallError>>;

    /// Removes a load balancer.
    fn remove<'a>(&'a self, load_balancer: &'a str) -> BoxFuture<'a, Result<Removal, CallError>>;

    /// Every load balancer that the provider owns.
    fn observe(&self) -> BoxFuture<'_, Result<Vec<Observed>, CallError>>;

    /// Ends when something outside tells that the load balancers may have changed since it last ended, so that they are
    /// worth an `observe`. Ends never for a provider that nobody tells.
    fn woken(&self) -> BoxFuture<'_, ()>;
}

/// Why a call brought no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The provider answered with an error of the contract.
    #[error("{}", describe(.0))]
    Provider(Error),
    /// The provider broke a limit or trapped. Its author must act; the call was ended, nothing else was harmed.
    #[error("the provider {kind}: {message}")]
    Breach {
        /// What it broke.
        kind: Breach,
        /// Detail for the log: the trap with its backtrace, the limit and its value.
        message: String,
    },
    /// The provider was not called, because it kept breaking its limits when it was. Nothing was changed.
    #[error("the provider {kind}, again and again, and is not called for now: {message}")]
    Open {
        /// What it broke last.
        kind: Breach,
        /// When a call is worth another try.
        retry_after: Duration,
        /// Detail of what it broke last.
        message: String,
    },
}

/// The limits that a call can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Breach {
    /// It trapped: a panic, `unreachable`, division by zero, out-of-bounds access.
    Trap,
    /// It computed for longer than a call may.
    ComputeDeadline,
    /// It did not end within the wall deadline, waits in the host included.
    WallDeadline,
    /// It asked for more memory than it may have.
    Memory,
    /// It asked for more table elements than it may have.
    Table,
    /// It is made of more instances, memories or tables than it may have.
    Instances,
    /// It recursed too deeply.
    Stack,
    /// It called the host more often than it may.
    HostCalls,
    /// It passed more bytes to the host, or returned more, than it may.
    Bytes,
    /// It told more addresses of one load balancer than it may.
    Addresses,
}

impl Breach {
    /// The value of the `kind` label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::ComputeDeadline => "compute_deadline",
            Self::WallDeadline => "wall_deadline",
            Self::Memory => "memory",
            Self::Table => "table",
            Self::Instances => "instances",
            Self::Stack => "stack",
            Self::HostCalls => "host_calls",
            Self::Bytes => "bytes",
            Self::Addresses => "addresses",
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Trap => "trapped",
            Self::ComputeDeadline => "computed for too long",
            Self::WallDeadline => "did not end in time",
            Self::Memory => "wanted too much memory",
            Self::Table => "wanted too large a table",
            Self::Instances => "wanted too many instances",
            Self::Stack => "recursed too deeply",
            Self::HostCalls => "called the host too often",
            Self::Bytes => "passed too many bytes",
            Self::Addresses => "told too many addresses",
        })
    }
}

/// A contract error in one line for people.
fn describe(error: &Error) -> String {
    match error {
        Error::Invalid(rejections) => {
            let objects: Vec<_> = rejections
                .iter()
                .map(|rejection| {
                    let object = &rejection.object;
                    format!("{} {}/{}: {}", object.kind, object.namespace, object.name, rejection.message)
                })
                .collect();
            format!("cannot be served: {}", objects.join("; "))
        }
        Error::Denied(message) => format!("denied: {message}"),
        Error::Conflict(message) => format!("conflict: {message}"),
        Error::Unavailable(retry) => format!("unavailable: {}", retry.message),
    }
}

/// A private key as PEM. Wiped when dropped, and never shown.
#[derive(Clone)]
pub struct PrivateKey(Zeroizing<String>);

impl PrivateKey {
    /// Takes over the PEM text of a key.
    pub fn new(pem: String) -> Self {
        Self(Zeroizing::new(pem))
    }

    /// The PEM text. Whoever calls this hands out the secret.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PrivateKey(..)")
    }
}

/// Where the sandbox finds the private key of a certificate that a provider was told of.
pub trait KeySource: Send + Sync + 'static {
    /// The key of the certificate with this id, if it is (still) known.
    fn private_key(&self, certificate: &str) -> Option<PrivateKey>;
}
