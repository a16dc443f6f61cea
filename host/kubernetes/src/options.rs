//! What the operator may choose.

use std::{sync::Arc, time::Duration};

use lb_model::{cluster::NamespacedName, provider::Provider, types::Address};

use crate::preview::Requests;

/// How the controller watches and leads.
#[derive(Debug, Clone)]
pub struct Options {
    /// The `spec.controller` of our classes: who reports Events.
    pub controller_name: String,
    /// The namespaces to watch; empty: all of them.
    pub watch_namespaces: Vec<String>,
    /// `None`: this replica always leads.
    pub lease: Option<LeaseOptions>,
    /// How often each load balancer is applied completely although nothing changed; `None`: never.
    pub resync: Option<Duration>,
    /// How long an Ingress that moved to another provider is served by the former one still, once its status shows the new
    /// one: for clients that know the old address.
    pub linger: Duration,
}

/// A provider, bound to the classes that it serves.
pub struct Binding {
    /// What the operator calls it, in messages and metrics.
    pub name: String,
    /// Which Ingresses it serves, and how they become load balancers. Where there are several providers, `classes` is
    /// [`Bound`](lb_model::translate::ClassSelection::Bound) for each of them.
    pub translate: lb_model::translate::Options,
    /// The addresses for load balancers whose provider reports none.
    pub publish: Publish,
    /// What is called.
    pub provider: Arc<dyn Provider>,
    /// Answered as soon as every watch has listed.
    pub previews: Requests,
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
