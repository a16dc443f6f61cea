//! One provider at work, as a clause sees it.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::Method;
use lb_model::{
    provider::{CallError, Provider as _},
    tables::Configuration,
    types::{ChangeKind, ChangeSet, Error as ProviderError, Observed, Outcome, Readiness, Removal},
};
use lb_sandbox::Plugin;

use crate::{
    clause::{Checked, Ended, ensure},
    directory::Directory,
    fixtures::Fixtures,
    relay::{Exchange, Mode, Relay},
};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// A provider with a directory and load balancers of its own.
pub(crate) struct Stage {
    pub(crate) plugin: Plugin,
    pub(crate) directory: Directory,
    pub(crate) fixtures: Fixtures,
    relays: Vec<Relay>,
    patience: Duration,
    /// Whether every API answers, unless it is told not to.
    pub(crate) works: bool,
    /// The load balancers that have to go at the end.
    touched: Mutex<BTreeSet<String>>,
}

impl Stage {
    pub(crate) fn new(
        plugin: Plugin,
        directory: Directory,
        relays: Vec<Relay>,
        fixtures: Fixtures,
        patience: Duration,
        works: bool,
    ) -> Self {
        Self { plugin, directory, fixtures, relays, patience, works, touched: Mutex::default() }
    }

    /// Removes what the clause made, as far as the provider lets it, and ends the services.
    pub(crate) async fn close(self) {
        self.set_apis(Mode::Pass);
        if self.works {
            let touched = std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner));
            for id in touched {
                // That a load balancer can be removed is for a clause of its own.
                drop(self.gone(&id).await);
            }
        }
        self.plugin.shutdown().await;
    }

    /// Ends the services, and leaves everything as it is.
    pub(crate) async fn leave(self) {
        self.plugin.shutdown().await;
    }

    /// What was passed on since the last time, with the grants, in the order of the answers.
    pub(crate) fn take_exchanges(&self) -> Vec<(String, Exchange)> {
        let of = |relay: &Relay| relay.take().into_iter().map(|it| (relay.grant().to_owned(), it)).collect::<Vec<_>>();
        let mut exchanges: Vec<_> = self.relays.iter().flat_map(of).collect();
        exchanges.sort_by_key(|(_, exchange)| exchange.answered);
        exchanges
    }

    pub(crate) fn set_apis(&self, mode: Mode) {
        self.relays.iter().for_each(|relay| relay.set(mode));
    }

    /// Whether the provider uses any API.
    pub(crate) fn has_apis(&self) -> bool {
        !self.relays.is_empty()
    }

    /// Requests to all APIs so far.
    pub(crate) fn requests(&self) -> u64 {
        self.relays.iter().map(Relay::requests).sum()
    }

    /// Requests that may have changed something since the last time, a line each.
    pub(crate) fn take_writes(&self) -> Vec<String> {
        let exchanges = self.relays.iter().flat_map(Relay::take);
        let writes = exchanges.filter(|it| ![Method::GET, Method::HEAD, Method::OPTIONS].contains(&it.method));
        writes.map(|it| format!("{} {}", it.method, it.target)).collect()
    }

    /// One call, whatever comes of it.
    pub(crate) async fn try_apply(&self, change: ChangeSet) -> Result<Outcome, CallError> {
        self.touch(&change.load_balancer.id);
        self.plugin.apply(change).await
    }

    fn touch(&self, id: &str) {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
    }

    /// Applies a change that has to be taken as a whole.
    pub(crate) async fn apply(&self, change: ChangeSet) -> Checked<Outcome> {
        let outcome = self.apply_in_part(change).await?;
        let rejected = outcome.rejections.iter().map(|it| format!("{}: {}", it.object.name, it.message));
        let rejected: Vec<_> = rejected.collect();
        ensure(rejected.is_empty(), "no part is rejected", || format!("rejected: {}", rejected.join("; ")))?;
        Ok(outcome)
    }

    /// Applies a change, of which parts may be rejected. As the host does, it tries again while nobody is at fault.
    pub(crate) async fn apply_in_part(&self, change: ChangeSet) -> Checked<Outcome> {
        let end = self.end();
        loop {
            match self.try_apply(change.clone()).await {
                Ok(outcome) => return Ok(outcome),
                Err(error) if passes(&error) && Instant::now() < end => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(failed("apply", &error)),
            }
        }
    }

    /// Applies everything, and waits until it is served.
    pub(crate) async fn serve(&self, wanted: &Configuration) -> Checked<Observed> {
        self.apply(wanted.complete()).await?;
        self.settle(wanted).await
    }

    /// Leads from what is served to something else, by a difference where the provider takes one.
    pub(crate) async fn change(&self, served: &Configuration, wanted: &Configuration) -> Checked<Observed> {
        if self.fixtures.descriptor.change_sets == ChangeKind::Complete {
            return self.serve(wanted).await;
        }
        if let Some(change) = wanted.changes_since(served) {
            self.apply(change).await?;
        }
        self.settle(wanted).await
    }

    /// Leads from what is served to something else by one call, as the host makes it.
    pub(crate) async fn change_once(&self, served: &Configuration, wanted: &Configuration) -> Checked {
        let change = match self.fixtures.descriptor.change_sets {
            ChangeKind::Complete => Some(wanted.complete()),
            ChangeKind::Incremental => wanted.changes_since(served),
        };
        match change {
            Some(change) => self.apply(change).await.map(drop),
            None => Ok(()),
        }
    }

    /// Waits until a load balancer is ready. As the host does, it answers drift with a complete apply.
    pub(crate) async fn settle(&self, wanted: &Configuration) -> Checked<Observed> {
        let end = self.end();
        let id = &wanted.load_balancer.id;
        loop {
            let observed = self.observe().await?.into_iter().find(|observed| observed.load_balancer == *id);
            let waits = match observed {
                None => "observe does not list it".to_owned(),
                Some(Observed { drift: Some(drift), .. }) => {
                    self.apply(wanted.complete()).await?;
                    format!("drift: {drift}")
                }
                Some(Observed { readiness: Readiness::Pending(reason), .. }) => format!("pending: {reason}"),
                Some(observed) => return Ok(observed),
            };
            if Instant::now() > end {
                let expected = format!("{id} is ready within {} s", self.patience.as_secs());
                return Err(Ended::broken(expected, waits));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// All load balancers.
    pub(crate) async fn observe(&self) -> Checked<Vec<Observed>> {
        let end = self.end();
        loop {
            match self.plugin.observe().await {
                Ok(observed) => return Ok(observed),
                Err(error) if passes(&error) && Instant::now() < end => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(failed("observe", &error)),
            }
        }
    }

    /// One of them, if it is listed.
    pub(crate) async fn observed(&self, id: &str) -> Checked<Option<Observed>> {
        Ok(self.observe().await?.into_iter().find(|observed| observed.load_balancer == id))
    }

    /// Removes a load balancer, and waits until the provider says that it is gone.
    pub(crate) async fn gone(&self, id: &str) -> Checked {
        let end = self.end();
        loop {
            let waits = match self.plugin.remove(id).await {
                Ok(Removal::Removed) => return Ok(()),
                Ok(Removal::Pending(reason)) => format!("pending: {reason}"),
                Err(error) if passes(&error) => error.to_string(),
                Err(error) => return Err(failed("remove", &error)),
            };
            if Instant::now() > end {
                return Err(Ended::broken(format!("{id} is removed within {} s", self.patience.as_secs()), waits));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What another complete apply would change outside, a line each.
    pub(crate) async fn plan(&self, wanted: &Configuration) -> Checked<Vec<String>> {
        let plan = self.plugin.plan(vec![wanted.complete()]).await;
        let plan = plan.map_err(|error| Ended::broken("a rehearsal of apply ends", error.to_string()))?;
        Ok(plan.changes.into_iter().chain(plan.problems).map(|change| change.action).collect())
    }

    /// Whether everything is as it was applied, so that another complete apply changes nothing.
    pub(crate) async fn is_in_place(&self, wanted: &Configuration) -> Checked {
        let changes = self.plan(wanted).await?;
        ensure(changes.is_empty(), "a complete apply of the same finds nothing left to change", || {
            format!("it would {}", listed(&changes))
        })
    }

    /// Where a text is found: in files that are kept, and in what APIs answer.
    pub(crate) async fn traces(&self, text: &str, wanted: &Configuration) -> Checked<Vec<String>> {
        self.take_writes();
        self.observe().await?;
        self.plan(wanted).await?;
        let mut traces = self.directory.holding(text)?;
        let found = |answer: &[u8]| answer.windows(text.len()).any(|window| window == text.as_bytes());
        let exchanges = self.relays.iter().flat_map(Relay::take);
        let read = exchanges.filter(|it| it.method == Method::GET && found(&it.answer));
        traces.extend(read.map(|it| format!("the answer to GET {}", it.target)));
        traces.dedup();
        Ok(traces)
    }

    /// When patience ends.
    pub(crate) fn end(&self) -> Instant {
        Instant::now() + self.patience
    }
}

/// Whether a failure may go away by itself.
pub(crate) fn passes(error: &CallError) -> bool {
    matches!(error, CallError::Provider(ProviderError::Unavailable(_) | ProviderError::Conflict(_)))
}

/// A call that had to succeed.
pub(crate) fn failed(function: &str, error: &CallError) -> Ended {
    Ended::broken(format!("{function} succeeds"), error.to_string())
}

/// Some lines in one, the first of them if there are many.
pub(crate) fn listed(lines: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = lines.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
    match lines.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}
