//! A provider that does as it is told, remembers everything, and can be made to fail, to wait, or to lie.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::{FutureExt, future::BoxFuture};
use lb_model::{
    provider::{CallError, Provider},
    tables::{Configuration, Tables},
    types::{
        Address, BackendDetail, ChangeKind, ChangeSet, Descriptor, Error, Feature, HostMatch, Observed, Outcome,
        Placement, Readiness, Removal, Scope,
    },
};
use tokio::sync::{Notify, Semaphore};

/// Applies at the same time: more than there ever are.
const GATE: u32 = 1000;

/// A call of the provider.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Call {
    Apply(Box<ChangeSet>),
    Remove(String),
    Observe,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    served: HashMap<String, Configuration>,
    in_flight: HashSet<String>,
    answers: VecDeque<Result<Outcome, CallError>>,
    /// Of the next observations; of all others, what is there.
    refused_observations: VecDeque<CallError>,
    /// Load balancers of nobody.
    strangers: Vec<Observed>,
    drift: BTreeMap<String, String>,
    addresses: Vec<Address>,
}

pub(crate) struct FakeProvider {
    descriptor: Arc<Descriptor>,
    state: Mutex<State>,
    /// Each apply needs a permit for as long as it takes.
    gate: Semaphore,
    alarm: Notify,
    swaps: AtomicU64,
}

impl FakeProvider {
    pub(crate) fn new(scope: Scope, placement: Placement) -> Arc<Self> {
        Self::observing(scope, placement, 0)
    }

    pub(crate) fn observing(scope: Scope, placement: Placement, observe_interval: u32) -> Arc<Self> {
        let features = vec![
            Feature::Https,
            Feature::PathExact,
            Feature::PathPrefix,
            Feature::HostWildcard,
            Feature::RedirectToHttps,
        ];
        let descriptor = Descriptor {
            name: "fake".to_owned(),
            version: "0.1.0".to_owned(),
            scope,
            placement,
            change_sets: ChangeKind::Incremental,
            backend_detail: BackendDetail::Endpoints,
            features,
            annotation_prefixes: Vec::new(),
            observe_interval,
            settings_schema: "{}".to_owned(),
            grants: Vec::new(),
        };
        let gate = Semaphore::new(GATE as usize);
        Arc::new(Self {
            descriptor: Arc::new(descriptor),
            state: Mutex::default(),
            gate,
            alarm: Notify::new(),
            swaps: AtomicU64::new(0),
        })
    }

    pub(crate) fn shared() -> Arc<Self> {
        Self::new(Scope::PerClass, Placement::EveryReplica)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the state")
    }

    /// The answer to the next apply that has none yet.
    pub(crate) fn answer(&self, answer: Result<Outcome, CallError>) {
        self.state().answers.push_back(answer);
    }

    /// The next observation that has no error yet fails with this one.
    pub(crate) fn refuse_observation(&self, error: CallError) {
        self.state().refused_observations.push_back(error);
    }

    /// The addresses that it reports from now on.
    pub(crate) fn report(&self, addresses: &[Address]) {
        self.state().addresses = addresses.to_vec();
    }

    /// It owns a load balancer that the controller knows nothing of.
    pub(crate) fn own(&self, load_balancer: &str, owner_uid: Option<&str>) {
        self.state().strangers.push(Observed {
            load_balancer: load_balancer.to_owned(),
            owner_uid: owner_uid.map(str::to_owned),
            readiness: Readiness::Ready,
            addresses: Vec::new(),
            drift: None,
        });
    }

    /// Another one of the same description takes over.
    pub(crate) fn swap(&self) {
        self.swaps.fetch_add(1, Ordering::SeqCst);
        self.wake();
    }

    /// Something outside tells that there is something to see.
    pub(crate) fn wake(&self) {
        self.alarm.notify_one();
    }

    /// The next observation finds this drift.
    pub(crate) fn drift(&self, load_balancer: &str, what: &str) {
        self.state().drift.insert(load_balancer.to_owned(), what.to_owned());
    }

    /// Holds back every apply from now on.
    pub(crate) async fn hold(&self) -> impl Drop {
        self.gate.acquire_many(GATE).await.expect("the gate is never closed")
    }

    /// Whether a call is under way.
    pub(crate) fn is_busy(&self) -> bool {
        !self.state().in_flight.is_empty()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    pub(crate) fn applies(&self) -> Vec<ChangeSet> {
        let calls = self.calls();
        calls.into_iter().filter_map(|call| if let Call::Apply(change) = call { Some(*change) } else { None }).collect()
    }

    pub(crate) fn complete_applies(&self) -> usize {
        self.applies().iter().filter(|change| change.kind == ChangeKind::Complete).count()
    }

    pub(crate) fn removed(&self, load_balancer: &str) -> bool {
        self.calls().contains(&Call::Remove(load_balancer.to_owned()))
    }

    pub(crate) fn serves(&self, load_balancer: &str) -> bool {
        self.state().served.contains_key(load_balancer)
    }

    /// The exact host names that a load balancer serves.
    pub(crate) fn hosts(&self, load_balancer: &str) -> Vec<String> {
        let state = self.state();
        let hosts = state.served.get(load_balancer).into_iter().flat_map(|it| it.tables.virtual_hosts.values());
        let mut names: Vec<_> = hosts
            .filter_map(|host| if let HostMatch::Exact(name) = &host.host { Some(name.clone()) } else { None })
            .collect();
        names.dedup();
        names
    }

    /// The endpoint addresses of a backend.
    pub(crate) fn endpoints(&self, load_balancer: &str, backend: &str) -> Vec<String> {
        let state = self.state();
        let backend = state.served.get(load_balancer).and_then(|it| it.tables.backends.get(backend));
        backend.into_iter().flat_map(|it| &it.endpoints).map(|endpoint| endpoint.address.clone()).collect()
    }

    fn enter(&self, load_balancer: &str, call: Call) -> Flight<'_> {
        let mut state = self.state();
        assert!(state.in_flight.insert(load_balancer.to_owned()), "two calls at once for {load_balancer}");
        state.calls.push(call);
        Flight { provider: self, load_balancer: load_balancer.to_owned() }
    }
}

/// Ends with the call, also if that is cancelled.
struct Flight<'a> {
    provider: &'a FakeProvider,
    load_balancer: String,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.provider.state().in_flight.remove(&self.load_balancer);
    }
}

impl Provider for FakeProvider {
    fn descriptor(&self) -> Arc<Descriptor> {
        self.descriptor.clone()
    }

    fn swaps(&self) -> u64 {
        self.swaps.load(Ordering::SeqCst)
    }

    fn apply(&self, change: ChangeSet) -> BoxFuture<'_, Result<Outcome, CallError>> {
        async move {
            let id = change.load_balancer.id.clone();
            let _flight = self.enter(&id, Call::Apply(Box::new(change.clone())));
            let _permit = self.gate.acquire().await.expect("the gate is never closed");
            let mut state = self.state();
            let answer = state.answers.pop_front().unwrap_or_else(|| {
                let addresses = state.addresses.clone();
                Ok(Outcome { readiness: Readiness::Ready, addresses, rejections: Vec::new() })
            });
            if answer.is_ok() {
                let load_balancer = change.load_balancer.clone();
                let empty = Configuration { load_balancer, tables: Tables::default() };
                state.strangers.retain(|stranger| stranger.load_balancer != id);
                state.served.entry(id).or_insert(empty).absorb(change);
            }
            answer
        }
        .boxed()
    }

    fn remove<'a>(&'a self, load_balancer: &'a str) -> BoxFuture<'a, Result<Removal, CallError>> {
        async move {
            let _flight = self.enter(load_balancer, Call::Remove(load_balancer.to_owned()));
            let mut state = self.state();
            state.served.remove(load_balancer);
            state.strangers.retain(|stranger| stranger.load_balancer != load_balancer);
            Ok(Removal::Removed)
        }
        .boxed()
    }

    fn woken(&self) -> BoxFuture<'_, ()> {
        self.alarm.notified().boxed()
    }

    fn observe(&self) -> BoxFuture<'_, Result<Vec<Observed>, CallError>> {
        async move {
            let mut state = self.state();
            state.calls.push(Call::Observe);
            if let Some(error) = state.refused_observations.pop_front() {
                return Err(error);
            }
            let mut drift = std::mem::take(&mut state.drift);
            let owned = state.served.values().map(|configuration| Observed {
                load_balancer: configuration.load_balancer.id.clone(),
                owner_uid: configuration.load_balancer.owner.as_ref().map(|owner| owner.uid.clone()),
                readiness: Readiness::Ready,
                addresses: state.addresses.clone(),
                drift: drift.remove(&configuration.load_balancer.id),
            });
            Ok(owned.chain(state.strangers.clone()).collect())
        }
        .boxed()
    }
}

/// An outage without a hint how long it lasts.
pub(crate) fn unavailable() -> CallError {
    CallError::Provider(Error::Unavailable(lb_model::types::RetryAfter { message: "down".to_owned(), after: None }))
}
