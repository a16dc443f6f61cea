//! What the operator may choose.

use std::time::Duration;

use lb_model::{cluster::NamespacedName, types::Address};

/// How the controller watches, leads and publishes.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which Ingresses are ours, and how they become load balancers.
    pub translate: lb_model::translate::Options,
    /// The namespaces to watch; empty: all of them.
    pub watch_namespaces: Vec<String>,
    /// The addresses for load balancers whose provider reports none.
    pub publish: Publish,
    /// `None`: this replica always leads.
    pub lease: Option<LeaseOptions>,
    /// How often each load balancer is applied completely although nothing changed; `None`: never.
    pub resync: Option<Duration>,
}

/// Where clients reach a data plane that does not know its own addresses.
#[derive(Debug, Clone, Default)]
pub struct Publish {
    /// Written as they are. If there are any, `service` is not looked at.
    pub addresses: Vec<Address>,
    /// A Service in front of the data plane: its load balancer's addresses, else its external IPs, else its cluster IPs.
    pub service: Option<NamespacedName>,
}

/// The Lease by which replicas choose their leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseOptions {
    /// Where the Lease lives.
    pub namespace: String,
    /// Its name, the same for all replicas.
    pub name: String,
    /// This replica, and no other: the name of the pod.
    pub identity: String,
    /// How long a leader that fell silent is waited for. At least [`LeaseOptions::SHORTEST`].
    pub duration: Duration,
}

impl LeaseOptions {
    /// The shortest duration of a Lease; a shorter one is taken for this.
    pub const SHORTEST: Duration = Duration::from_secs(1);

    /// A Lease of 15 seconds, as the components of Kubernetes use.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            identity: identity.into(),
            duration: Duration::from_secs(15),
        }
    }
}
