//! The calls of a life, and how each is made.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use lb_model::{
    provider::{CallError, Provider as _},
    tables::Configuration,
    types::{Observed, Outcome, Readiness, Removal},
};
use serde_json::{Value, json};

use super::Call;
use crate::stage::{Stage, passes};

/// Between two looks, at first and at last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Applied, applied again, changed, observed, removed.
pub(super) fn calls(steps: Vec<Vec<Configuration>>) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut there = BTreeSet::new();
    for step in steps {
        let wanted: BTreeSet<_> = step.iter().map(|configuration| configuration.load_balancer.id.clone()).collect();
        let apply = || step.iter().map(|configuration| Call::Apply(Box::new(configuration.complete())));
        calls.extend(apply());
        calls.extend(there.difference(&wanted).cloned().map(Call::Remove));
        calls.push(Call::Observe);
        calls.extend(apply());
        there = wanted;
    }
    calls.extend(there.into_iter().map(Call::Remove));
    calls.push(Call::Observe);
    calls
}

/// Makes one call, as the host does: again while nobody is at fault, and then looks until there is nothing to wait for.
pub(super) async fn play(stage: &Stage, call: &Call) -> Value {
    let mut waiting = Waiting { end: stage.end(), pause: PAUSES.0 };
    match call {
        Call::Apply(change) => loop {
            match stage.try_apply((**change).clone()).await {
                Ok(outcome) => break settled(stage, &change.load_balancer.id, outcome, &mut waiting).await,
                Err(error) if passes(&error) && waiting.goes_on().await => {}
                Err(error) => break failed(&error),
            }
        },
        Call::Observe => loop {
            match stage.plugin.observe().await {
                Ok(mut all) => {
                    all.sort_by(|one, other| one.load_balancer.cmp(&other.load_balancer));
                    break json!(all);
                }
                Err(error) if passes(&error) && waiting.goes_on().await => {}
                Err(error) => break failed(&error),
            }
        },
        Call::Remove(id) => loop {
            match stage.plugin.remove(id).await {
                Ok(Removal::Pending(_)) if waiting.goes_on().await => {}
                Ok(removal) => break json!(removal),
                Err(error) if passes(&error) && waiting.goes_on().await => {}
                Err(error) => break failed(&error),
            }
        },
    }
}

/// Looks until a load balancer is ready.
async fn settled(stage: &Stage, id: &str, outcome: Outcome, waiting: &mut Waiting) -> Value {
    let Outcome { mut readiness, mut addresses, rejections } = outcome;
    while matches!(readiness, Readiness::Pending(_)) && waiting.goes_on().await {
        match stage.plugin.observe().await {
            Ok(all) => {
                if let Some(seen) = all.into_iter().find(|observed: &Observed| observed.load_balancer == id) {
                    (readiness, addresses) = (seen.readiness, seen.addresses);
                }
            }
            Err(error) if passes(&error) => {}
            Err(error) => return failed(&error),
        }
    }
    json!({ "readiness": readiness, "addresses": addresses, "rejections": rejections })
}

fn failed(error: &CallError) -> Value {
    json!({ "error": error.to_string() })
}

struct Waiting {
    end: Instant,
    pause: Duration,
}

impl Waiting {
    /// Waits for a while, longer each time; no more once patience is at its end.
    async fn goes_on(&mut self) -> bool {
        if Instant::now() >= self.end {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSES.1);
        true
    }
}
