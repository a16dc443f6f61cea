//! The one task that owns all state, and its turns.

mod apply;
mod bound;
mod calls;
mod moves;
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
use lb_model::{cluster::NamespacedName, types::Placement};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::{bound::Bound, publish::Subject, snapshot::Arrival};
use crate::{
    error::Error,
    events::{self, Events, Told},
    keys::Keys,
    lease,
    metrics::Metrics,
    options::{Binding, Options, Publish},
    readiness::Readiness,
    status::{Written, writer::Write},
    stores::{Notice, Stores},
    timers::{At, Timer, Timers},
    watch as watches,
};

/// Notices that wait to be taken in; full, they hold up the watches.
const NOTICES: usize = 1024;

/// How long calls in flight get to end at shutdown.
const FAREWELL: Duration = Duration::from_secs(5);

/// How often swapped providers are looked for.
const SWAP_CHECK: Duration = Duration::from_secs(1);

/// Runs the controller until `shutdown`. Statuses stay as they are; calls in flight get five seconds to end, then the lead
/// is handed over.
///
/// The API server may be away, at the start and any time later; the controller waits for it.
///
/// # Errors
/// Only if a part of the controller breaks down, which is a bug.
pub async fn run(
    client: Client,
    options: Options,
    bindings: Vec<Binding>,
    keys: Arc<Keys>,
    metrics: Arc<Metrics>,
    ready: Readiness,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let mut tasks = JoinSet::new();
    let (sender, notices) = mpsc::channel(NOTICES);
    let sources = watches::start(&mut tasks, &client, &options.watch_namespaces, &sender, &metrics);

    let alone = bindings.len() == 1;
    let mut publishing = Vec::new();
    let mut bounds = Vec::new();
    for binding in bindings {
        let (sender, published) = watch::channel(None);
        publish(&mut tasks, &client, &binding.publish, &sender, &metrics);
        publishing.push(sender);
        bounds.push(Bound::new(binding, alone, published));
    }

    let identity = options.lease.as_ref().map_or_else(|| "lb-controller".to_owned(), |lease| lease.identity.clone());
    let (events, deliveries) = Events::new(metrics.clone());
    let controller_name = options.controller_name.clone();
    tasks.spawn(events::deliver(client.clone(), controller_name, identity, deliveries, metrics.clone()));

    let (leading, leads) = watch::channel(options.lease.is_none().then_some(true));
    let hand_over = CancellationToken::new();
    let mut lease = JoinSet::new();
    if let Some(options) = options.lease.clone() {
        lease.spawn(lease::compete(client.clone(), options, leading.clone(), hand_over.clone()));
    }

    let stores = Stores::new(sources, keys.clone());
    let mut controller =
        Controller::new(client, &options, bounds, stores, keys, metrics, ready, events, notices, leads);
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

/// Keeps the addresses of the operator's choice in a channel.
fn publish(
    tasks: &mut JoinSet<()>,
    client: &Client,
    publish: &Publish,
    publishing: &watch::Sender<Option<Vec<lb_model::types::Address>>>,
    metrics: &Arc<Metrics>,
) {
    if !publish.addresses.is_empty() {
        publishing.send_replace(Some(publish.addresses.clone()));
    } else if let Some(service) = &publish.service {
        let (api, name) = (Api::namespaced(client.clone(), &service.namespace), service.name.clone());
        tasks.spawn(watches::publish_service(api, name, publishing.clone(), metrics.clone()));
    }
}

/// All state. See the crate's documentation for the flow.
struct Controller {
    client: Client,
    resync: Option<Duration>,
    linger: Duration,
    keys: Arc<Keys>,
    metrics: Arc<Metrics>,
    ready: Readiness,
    /// Whether readiness was announced.
    announced: bool,
    events: Events,

    notices: mpsc::Receiver<Notice>,
    /// `None`: not known yet.
    leads: watch::Receiver<Option<bool>>,
    writes: JoinSet<(Write, Written)>,
    timers: Timers,

    /// The providers, in the order that they were given in.
    bounds: Vec<Bound>,
    stores: Stores,
    /// Whether the translators have seen the complete stores.
    translated: bool,
    subjects: HashMap<NamespacedName, Subject>,
    /// Ingresses whose status is to be looked at.
    due: BTreeSet<NamespacedName>,
    /// Ingresses whose move from one provider to another is to be looked at.
    moving: BTreeSet<NamespacedName>,
    leading: bool,
    /// What the log was told.
    logged: Told,
    /// What users were told.
    told: Told,
}

impl Controller {
    #[expect(clippy::too_many_arguments, reason = "called once, by the wiring above")]
    fn new(
        client: Client,
        options: &Options,
        bounds: Vec<Bound>,
        stores: Stores,
        keys: Arc<Keys>,
        metrics: Arc<Metrics>,
        ready: Readiness,
        events: Events,
        notices: mpsc::Receiver<Notice>,
        leads: watch::Receiver<Option<bool>>,
    ) -> Self {
        let mut timers = Timers::default();
        timers.set(Instant::now(), Timer::Provider);
        if let Some(interval) = options.resync {
            timers.set(Instant::now() + interval, Timer::Resync);
        }
        let leading = *leads.borrow() == Some(true);
        metrics.leader.set(i64::from(leading));
        Self {
            client,
            resync: options.resync,
            linger: options.linger,
            keys,
            metrics,
            ready,
            announced: false,
            events,
            notices,
            leads,
            writes: JoinSet::new(),
            timers,
            bounds,
            stores,
            translated: false,
            subjects: HashMap::new(),
            due: BTreeSet::new(),
            moving: BTreeSet::new(),
            leading,
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
        if let Some(ingress) = self.moving.first().filter(|_| self.translated) {
            // This turn gave reason to look; the next one does.
            self.timers.set(Instant::now(), Timer::Move(ingress.clone()));
        }
    }

    /// Whether this replica calls a provider.
    fn calls(&self, at: At) -> bool {
        self.leading || self.bounds[at].descriptor.placement == Placement::EveryReplica
    }

    /// The places of all providers.
    fn places(&self) -> std::ops::Range<At> {
        0..self.bounds.len()
    }

    /// Lets what is under way end.
    async fn end(&mut self) {
        let farewell = async {
            for bound in &mut self.bounds {
                while bound.calls.join_next().await.is_some() {}
            }
            while self.writes.join_next().await.is_some() {}
        };
        if timeout(FAREWELL, farewell).await.is_err() {
            info!("calls still under way are given up; the next start repeats them");
        }
        for bound in &mut self.bounds {
            bound.calls.shutdown().await;
        }
        self.writes.shutdown().await;
    }
}
