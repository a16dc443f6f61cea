//! The one task that owns all state, and its turns.

mod apply;
mod calls;
mod observe;
mod publish;
mod report;
mod snapshot;

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use kube::{Api, Client};
use lb_model::{
    cluster::NamespacedName,
    provider::Provider,
    translate::{self, Translator},
    types::{Descriptor, Placement},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::{calls::Ended, publish::Subject, snapshot::Arrival};
use crate::{
    addresses::Addresses,
    error::Error,
    events::{self, Events, Told},
    keys::Keys,
    lane::lanes::Lanes,
    lease,
    metrics::Metrics,
    options::Options,
    preview::Requests,
    readiness::Readiness,
    status::{Written, writer::Write},
    stores::{Notice, Stores},
    timers::{Timer, Timers},
    watch as watches,
};

/// Notices that wait to be taken in; full, they hold up the watches.
const NOTICES: usize = 1024;

/// How long calls in flight get to end at shutdown.
const FAREWELL: Duration = Duration::from_secs(5);

/// How often a swapped provider is looked for.
const SWAP_CHECK: Duration = Duration::from_secs(1);

/// Runs the controller until `shutdown`. Statuses stay as they are; calls in flight get five seconds to end, then the lead
/// is handed over.
///
/// `previews` are answered as soon as every watch has listed.
///
/// The API server may be away, at the start and any time later; the controller waits for it.
///
/// # Errors
/// Only if a part of the controller breaks down, which is a bug.
#[expect(clippy::too_many_arguments, reason = "the wiring of a program, called once")]
pub async fn run(
    client: Client,
    options: Options,
    provider: Arc<dyn Provider>,
    keys: Arc<Keys>,
    metrics: Arc<Metrics>,
    ready: Readiness,
    previews: Requests,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let mut tasks = JoinSet::new();
    let (sender, notices) = mpsc::channel(NOTICES);
    let sources = watches::start(&mut tasks, &client, &options.watch_namespaces, &sender, &metrics);

    let (publishing, published) = watch::channel(None);
    if options.publish.addresses.is_empty() {
        if let Some(service) = &options.publish.service {
            let (api, name) = (Api::namespaced(client.clone(), &service.namespace), service.name.clone());
            let (publishing, metrics) = (publishing.clone(), metrics.clone());
            tasks.spawn(watches::publish_service(api, name, publishing, metrics));
        }
    } else {
        publishing.send_replace(Some(options.publish.addresses.clone()));
    }

    let identity = options.lease.as_ref().map_or_else(|| "lb-controller".to_owned(), |lease| lease.identity.clone());
    let (events, deliveries) = Events::new(metrics.clone());
    let controller_name = options.translate.controller_name.clone();
    tasks.spawn(events::deliver(client.clone(), controller_name, identity, deliveries, metrics.clone()));

    let (leading, leads) = watch::channel(options.lease.is_none().then_some(true));
    let hand_over = CancellationToken::new();
    let mut lease = JoinSet::new();
    if let Some(options) = options.lease.clone() {
        lease.spawn(lease::compete(client.clone(), options, leading.clone(), hand_over.clone()));
    }

    let stores = Stores::new(sources, keys.clone());
    let mut controller = Controller::new(
        client, options, provider, stores, keys, metrics, ready, events, notices, leads, published, previews,
    );
    let result = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        never = controller.reconcile_forever() => match never {},
        Some(ended) = tasks.join_next() => Err(ended.map_or_else(Error::Task, |()| Error::Ended)),
        Some(ended) = lease.join_next() => Err(ended.map_or_else(Error::Task, |()| Error::Ended)),
    };
    controller.end().await;
    hand_over.cancel();
    while lease.join_next().await.is_some() {}
    drop((sender, leading, publishing));
    result
}

/// All state. See the crate's documentation for the flow.
struct Controller {
    client: Client,
    translate_options: translate::Options,
    resync: Option<Duration>,
    provider: Arc<dyn Provider>,
    descriptor: Arc<Descriptor>,
    /// How often the provider was swapped, as far as everything was applied since.
    swaps: u64,
    keys: Arc<Keys>,
    metrics: Arc<Metrics>,
    ready: Readiness,
    events: Events,

    notices: mpsc::Receiver<Notice>,
    /// `None`: not known yet.
    leads: watch::Receiver<Option<bool>>,
    published_updates: watch::Receiver<Option<Vec<lb_model::types::Address>>>,
    previews: Requests,
    calls: JoinSet<Ended>,
    writes: JoinSet<(Write, Written)>,
    timers: Timers,

    stores: Stores,
    translator: Translator,
    /// Whether the translator has seen the complete stores.
    translated: bool,
    lanes: Lanes,
    /// Load balancers that readiness waits for; `None` before the first translation.
    awaited: Option<BTreeSet<String>>,
    subjects: HashMap<NamespacedName, Subject>,
    /// Ingresses whose status is to be looked at.
    due: BTreeSet<NamespacedName>,
    /// The addresses for load balancers whose provider reports none.
    published: Addresses,
    leading: bool,
    observing: bool,
    observe_at: Option<Instant>,
    observe_failures: u32,
    /// Ingresses that the provider refuses, by load balancer.
    refused: HashMap<String, BTreeSet<NamespacedName>>,
    /// What the log was told.
    logged: Told,
    /// What users were told.
    told: Told,
}

impl Controller {
    #[expect(clippy::too_many_arguments, reason = "called once, by the wiring above")]
    fn new(
        client: Client,
        options: Options,
        provider: Arc<dyn Provider>,
        stores: Stores,
        keys: Arc<Keys>,
        metrics: Arc<Metrics>,
        ready: Readiness,
        events: Events,
        notices: mpsc::Receiver<Notice>,
        leads: watch::Receiver<Option<bool>>,
        mut published_updates: watch::Receiver<Option<Vec<lb_model::types::Address>>>,
        previews: Requests,
    ) -> Self {
        published_updates.mark_changed();
        let (descriptor, provider_swaps) = (provider.descriptor(), provider.swaps());
        let mut timers = Timers::default();
        timers.set(Instant::now(), Timer::Provider);
        if let Some(interval) = options.resync {
            timers.set(Instant::now() + interval, Timer::Resync);
        }
        let leading = *leads.borrow() == Some(true);
        metrics.leader.set(i64::from(leading));
        Self {
            client,
            translator: Translator::new(options.translate.clone(), descriptor.clone()),
            translate_options: options.translate,
            resync: options.resync,
            provider,
            descriptor,
            keys,
            metrics,
            ready,
            events,
            notices,
            leads,
            published_updates,
            previews,
            swaps: provider_swaps,
            calls: JoinSet::new(),
            writes: JoinSet::new(),
            timers,
            stores,
            translated: false,
            lanes: Lanes::default(),
            awaited: None,
            subjects: HashMap::new(),
            due: BTreeSet::new(),
            published: Addresses::default(),
            leading,
            observing: false,
            observe_at: None,
            observe_failures: 0,
            refused: HashMap::new(),
            logged: Told::default(),
            told: Told::default(),
        }
    }

    async fn reconcile_forever(&mut self) -> Infallible {
        loop {
            let arrival = self.arrival().await;
            self.reconcile(arrival).await;
        }
    }

    /// One turn. Each verb takes the state as it is; none asks what woke it.
    async fn reconcile(&mut self, arrival: Arrival) {
        let effects = self.snapshot(arrival).await;
        self.translate(effects);
        self.apply();
        self.status();
    }

    /// Whether this replica calls the provider.
    fn calls_provider(&self) -> bool {
        self.leading || self.descriptor.placement == Placement::EveryReplica
    }

    /// Lets what is under way end.
    async fn end(&mut self) {
        let farewell = async {
            while self.calls.join_next().await.is_some() {}
            while self.writes.join_next().await.is_some() {}
        };
        if timeout(FAREWELL, farewell).await.is_err() {
            info!("calls still under way are given up; the next start repeats them");
        }
        self.calls.shutdown().await;
        self.writes.shutdown().await;
    }
}
