//! A provider at work: what it is to serve, and what is under way.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    panic::resume_unwind,
    sync::Arc,
};

use lb_model::{
    cluster::NamespacedName,
    provider::Provider,
    translate::{self, Translator},
    types::{Address, Descriptor, Placement},
};
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::Instant,
};
use tracing::{Span, info_span};

use super::calls::Ended;
use crate::{
    addresses::Addresses,
    lane::lanes::Lanes,
    options::Binding,
    preview::{Request, Requests},
};

/// A provider with the state of all its load balancers.
pub(super) struct Bound {
    pub(super) name: String,
    /// Whether there is no other provider, so that messages need not tell which one they are about.
    pub(super) alone: bool,
    /// What names it in the log.
    pub(super) span: Span,
    pub(super) translate_options: translate::Options,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) descriptor: Arc<Descriptor>,
    /// How often the provider was swapped, as far as everything was applied since.
    pub(super) swaps: u64,
    previews: Requests,
    pub(super) calls: JoinSet<Ended>,
    pub(super) translator: Translator,
    pub(super) lanes: Lanes,
    /// Load balancers that readiness waits for; `None` before the first translation.
    pub(super) awaited: Option<BTreeSet<String>>,
    /// Whether the operator chose what to publish.
    publishes: bool,
    published_updates: watch::Receiver<Option<Vec<Address>>>,
    /// The addresses for load balancers whose provider reports none.
    pub(super) published: Addresses,
    pub(super) observing: bool,
    pub(super) observe_at: Option<Instant>,
    pub(super) observe_failures: u32,
    /// Ingresses that the provider refuses, by load balancer.
    pub(super) refused: HashMap<String, BTreeSet<NamespacedName>>,
    /// Ingresses that another provider still holds, and since when this one serves them.
    pub(super) arrived: BTreeMap<NamespacedName, Instant>,
    /// Ingresses that it holds though another provider serves them, and since when their status shows that.
    pub(super) lingering: BTreeMap<NamespacedName, Instant>,
}

/// What concerns one provider.
pub(super) enum Sign {
    Call(Box<Ended>),
    Published,
    /// The provider was told that its load balancers may have changed.
    Woken,
    /// Somebody asks what another provider would get.
    Preview(Request),
}

impl Bound {
    /// One that has not seen the cluster yet.
    pub(super) fn new(
        binding: Binding,
        alone: bool,
        mut published_updates: watch::Receiver<Option<Vec<Address>>>,
    ) -> Self {
        published_updates.mark_changed();
        let Binding { name, translate, publish, provider, previews } = binding;
        let (descriptor, swaps) = (provider.descriptor(), provider.swaps());
        Self {
            span: if alone { Span::none() } else { info_span!("provider", binding = name) },
            name,
            alone,
            translator: Translator::new(translate.clone(), descriptor.clone()),
            translate_options: translate,
            provider,
            descriptor,
            swaps,
            previews,
            calls: JoinSet::new(),
            lanes: Lanes::default(),
            awaited: None,
            publishes: !publish.addresses.is_empty() || publish.service.is_some(),
            published_updates,
            published: Addresses::default(),
            observing: false,
            observe_at: None,
            observe_failures: 0,
            refused: HashMap::new(),
            arrived: BTreeMap::new(),
            lingering: BTreeMap::new(),
        }
    }

    /// Waits until something happens. Cancelling it loses nothing.
    pub(super) async fn sign(&mut self) -> Sign {
        tokio::select! {
            Some(ended) = self.calls.join_next() => Sign::Call(Box::new(undisturbed(ended))),
            Ok(()) = self.published_updates.changed() => Sign::Published,
            () = self.provider.woken() => Sign::Woken,
            Some(request) = self.previews.next() => Sign::Preview(request),
        }
    }

    /// A translator for a descriptor, that has not seen the cluster yet and holds what the present one does.
    pub(super) fn translator_for(&self, descriptor: Arc<Descriptor>) -> Translator {
        let mut translator = Translator::new(self.translate_options.clone(), descriptor);
        translator.hold(self.translator.held().iter().cloned());
        translator
    }

    /// Whether what is to be published is known, as far as it will ever be.
    pub(super) fn knows_published(&self) -> bool {
        !self.publishes || self.published_updates.borrow().is_some()
    }

    /// Takes in what is to be published. Whether that changed.
    pub(super) fn publish(&mut self, now: Instant) -> bool {
        let addresses = self.published_updates.borrow_and_update().clone();
        self.published.report(addresses.unwrap_or_default(), now)
    }

    /// The operator's addresses, if they are those of this provider: they are of a data plane beside us, not of a load
    /// balancer elsewhere.
    pub(super) fn published(&self, now: Instant) -> Option<Arc<[Address]>> {
        self.published.believed(now).filter(|_| self.is_beside())
    }

    /// The addresses of a load balancer: what the provider reports, else what is published.
    pub(super) fn addresses(&self, load_balancer: &str, now: Instant) -> Option<Arc<[Address]>> {
        let own = self.lanes.get(load_balancer).and_then(|lane| lane.addresses().believed(now));
        own.clone().filter(|own| !own.is_empty()).or_else(|| self.published(now)).or(own)
    }

    /// Whether its load balancers never show an address, because nobody knows one.
    pub(super) fn shows_nothing(&self) -> bool {
        self.is_beside() && !self.publishes
    }

    fn is_beside(&self) -> bool {
        self.descriptor.placement == Placement::EveryReplica
    }

    /// Whether it holds an Ingress of another provider's class.
    pub(super) fn holds(&self, ingress: &NamespacedName) -> bool {
        self.translator.held().contains(ingress)
    }

    /// What messages call a load balancer, or the provider as a whole.
    pub(super) fn spoken(&self, load_balancer: &str) -> String {
        match (load_balancer, self.alone) {
            ("", true) => String::new(),
            ("", false) => format!("provider {}", self.name),
            (_, true) => format!("load balancer {load_balancer}"),
            (_, false) => format!("load balancer {load_balancer} of provider {}", self.name),
        }
    }
}

/// Tasks here are only ever aborted together with the set that they are in, so an error is a panic of ours.
pub(super) fn undisturbed<T>(ended: Result<T, JoinError>) -> T {
    ended.unwrap_or_else(|error| resume_unwind(error.into_panic()))
}
