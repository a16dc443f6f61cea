//! Swaps the provider while it is called: load, rehearse, take over, and back again.

mod history;
mod notices;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clap::ValueEnum;
use lb_kubernetes::Previews;
use lb_model::provider::Provider as _;
use lb_sandbox::{Plan, Plugin, Slot};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex as TurnMutex;
use tracing::{error, info, warn};

pub(crate) use history::{Attempt, Cause, Outcome, Version, Waiting};
pub(crate) use notices::{Events, Metrics};
pub(crate) use watch::watch;

use crate::{
    identity::Identify,
    plugin::{Loaded, Loader},
};

/// When another version of the provider takes over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SwapPolicy {
    /// As soon as it is loaded and has rehearsed without breaking a limit.
    #[default]
    Immediate,
    /// Only if its rehearsal shows that it would change nothing.
    Unchanged,
    /// When somebody approves it by the admin API.
    Approved,
}

/// Swaps one provider. All swaps of it happen one after the other.
pub(crate) struct Swapper {
    /// What the operator calls the provider.
    pub(crate) name: String,
    /// The class that it serves.
    pub(crate) class: String,
    pub(crate) loader: Loader,
    pub(crate) slot: Arc<Slot>,
    pub(crate) previews: Previews,
    pub(crate) identify: Identify,
    pub(crate) policy: SwapPolicy,
    pub(crate) metrics: Metrics,
    pub(crate) events: Events,
    state: Mutex<State>,
    turn: TurnMutex<()>,
}

/// What is known of the past, and what waits.
struct State {
    fingerprint: String,
    last: Option<Attempt>,
    candidate: Option<Candidate>,
    previous: Option<(Plugin, String)>,
}

/// A version that waits for approval.
struct Candidate {
    loaded: Loaded,
    waiting: Waiting,
}

impl Swapper {
    /// For the provider that the slot was made with.
    #[expect(clippy::too_many_arguments, reason = "the wiring of one program, called once")]
    pub(crate) fn new(
        name: String,
        class: String,
        loader: Loader,
        slot: Arc<Slot>,
        fingerprint: String,
        previews: Previews,
        identify: Identify,
        policy: SwapPolicy,
        metrics: Metrics,
        events: Events,
    ) -> Self {
        let state = Mutex::new(State { fingerprint, last: None, candidate: None, previous: None });
        let turn = TurnMutex::default();
        Self { name, class, loader, slot, previews, identify, policy, metrics, events, state, turn }
    }

    /// Loads what the provider's files hold now, and swaps to it as the policy says.
    pub(crate) async fn reload(&self, cause: Cause) -> Attempt {
        let _turn = self.turn.lock().await;
        let attempt = match self.prepare().await {
            Ok(None) => Attempt::new(cause, Outcome::Unchanged, &self.slot.current()),
            Ok(Some((loaded, plan))) => self.decide(cause, loaded, plan).await,
            Err(error) => {
                let message = format!("{error:#}");
                error!(
                    provider = self.name,
                    cause = cause.label(),
                    "the provider stays as it is, another version is refused: {message}"
                );
                Attempt { message: Some(message), ..Attempt::new(cause, Outcome::Refused, &self.slot.current()) }
            }
        };
        self.tell(attempt).await
    }

    /// Swaps to the version that waits.
    pub(crate) async fn approve(&self) -> Option<Attempt> {
        let _turn = self.turn.lock().await;
        let Candidate { loaded, waiting } = self.state().candidate.take()?;
        let attempt = Attempt { plan: Some(waiting.plan), ..self.take_over(Cause::Approval, loaded) };
        Some(self.tell(attempt).await)
    }

    /// Forgets the version that waits.
    pub(crate) async fn reject(&self) -> Option<Attempt> {
        let _turn = self.turn.lock().await;
        let Candidate { loaded, waiting } = self.state().candidate.take()?;
        loaded.plugin.shutdown().await;
        let attempt = Attempt::new(Cause::Approval, Outcome::Refused, &self.slot.current());
        let message = Some("it was rejected by the admin API".to_owned());
        Some(self.tell(Attempt { to: Version::of(&loaded.plugin), message, plan: Some(waiting.plan), ..attempt }).await)
    }

    /// Goes back to the version before the last swap.
    pub(crate) async fn roll_back(&self) -> Option<Attempt> {
        let _turn = self.turn.lock().await;
        let (plugin, fingerprint) = self.state().previous.clone()?;
        let attempt = match self.loader.reopen(&plugin).await {
            Ok(plugin) => self.take_over(Cause::Rollback, Loaded { plugin, fingerprint }),
            Err(error) => {
                let message = Some(format!("{error:#}"));
                Attempt { message, ..Attempt::new(Cause::Rollback, Outcome::Refused, &self.slot.current()) }
            }
        };
        Some(self.tell(attempt).await)
    }

    /// The last attempt and what waits.
    pub(crate) fn history(&self) -> (Option<Attempt>, Option<Waiting>, Option<Version>) {
        let state = self.state();
        let waiting = state.candidate.as_ref().map(|candidate| candidate.waiting.clone());
        (state.last.clone(), waiting, state.previous.as_ref().map(|(plugin, _)| Version::of(plugin)))
    }

    /// Another version with the plan that its rehearsal gave; `None` if what there is is what runs.
    async fn prepare(&self) -> anyhow::Result<Option<(Loaded, Plan)>> {
        let loaded = self.loader.load().await?;
        if loaded.fingerprint == self.state().fingerprint {
            // Lets go of what it was granted; the one that runs holds the same.
            loaded.plugin.shutdown().await;
            return Ok(None);
        }
        match self.rehearse(&loaded.plugin).await {
            Ok(plan) => Ok(Some((loaded, plan))),
            Err(error) => {
                loaded.plugin.shutdown().await;
                Err(error.context(format!("version {} ({})", loaded.plugin.version(), loaded.plugin.digest())))
            }
        }
    }

    async fn rehearse(&self, plugin: &Plugin) -> anyhow::Result<Plan> {
        let (running, other) = (self.slot.descriptor(), plugin.descriptor());
        anyhow::ensure!(
            running.name == other.name,
            "it calls itself {:?}, but {:?} runs; a restart is needed for another provider",
            other.name,
            running.name
        );
        if plugin.asks_identity() {
            self.identify.ensure().await?;
        }
        let Some(changes) = self.previews.complete(other).await else {
            anyhow::bail!("the cluster is not known yet, so nothing can be rehearsed; try again when /readyz says so");
        };
        Ok(plugin.plan(changes).await?)
    }

    async fn decide(&self, cause: Cause, loaded: Loaded, plan: Plan) -> Attempt {
        let plan_lines = history::lines(&plan);
        match self.policy {
            SwapPolicy::Unchanged if !plan.is_empty() => {
                let to = Version::of(&loaded.plugin);
                loaded.plugin.shutdown().await;
                let message = format!(
                    "it would change {} and --swap-policy is unchanged: look at the plan, then reload with another \
                     policy, or put the component back",
                    history::count(plan_lines.len())
                );
                warn!(
                    provider = self.name,
                    to = to.version,
                    digest = to.digest,
                    "the provider stays as it is: {message}"
                );
                let attempt = Attempt::new(cause, Outcome::Refused, &self.slot.current());
                Attempt { to, message: Some(message), plan: Some(plan_lines), ..attempt }
            }
            SwapPolicy::Approved => {
                let to = Version::of(&loaded.plugin);
                info!(
                    provider = self.name,
                    to = to.version,
                    digest = to.digest,
                    changes = plan_lines.len(),
                    "another version waits for approval"
                );
                let waiting = Waiting { version: to.clone(), plan: plan_lines.clone() };
                let replaced = self.state().candidate.replace(Candidate { loaded, waiting });
                if let Some(replaced) = replaced {
                    replaced.loaded.plugin.shutdown().await;
                }
                Attempt { to, plan: Some(plan_lines), ..Attempt::new(cause, Outcome::Waiting, &self.slot.current()) }
            }
            SwapPolicy::Immediate | SwapPolicy::Unchanged => {
                Attempt { plan: Some(plan_lines), ..self.take_over(cause, loaded) }
            }
        }
    }

    fn take_over(&self, cause: Cause, loaded: Loaded) -> Attempt {
        let old = self.slot.current();
        let attempt = Attempt::new(cause, Outcome::Swapped, &old);
        let to = Version::of(&loaded.plugin);
        info!(
            provider = self.name,
            from = old.version(),
            from_digest = old.digest(),
            to = to.version,
            to_digest = to.digest,
            cause = cause.label(),
            "the provider is swapped"
        );
        self.slot.swap(loaded.plugin);
        let mut state = self.state();
        let fingerprint = std::mem::replace(&mut state.fingerprint, loaded.fingerprint);
        state.previous = Some((old, fingerprint));
        Attempt { to, ..attempt }
    }

    async fn tell(&self, attempt: Attempt) -> Attempt {
        let attempt = Attempt { provider: self.name.clone(), ..attempt };
        self.metrics.ended(&attempt);
        if attempt.outcome != Outcome::Unchanged {
            self.state().last = Some(attempt.clone());
            self.events.publish(&attempt).await;
        }
        attempt
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Poisoned or not, it is whole: it is changed in single steps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
