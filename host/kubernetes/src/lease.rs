//! Which replica leads, decided by a Lease the way the components of Kubernetes do it.
//!
//! # Guarantees
//!
//! - Two replicas do not lead at the same time as long as their clocks run equally fast; what the clocks show does not
//!   matter. A leader that could not renew for two thirds of the duration leads no more, whatever the API server does;
//!   others wait for the whole duration from when they saw the last renewal.
//! - Every write is bound to the resource version that was read, so that of two candidates one wins.

use std::time::Duration;

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{backoff::jittered, error::one_line, options::LeaseOptions};

/// Conflicts in a row after which another candidate is let go first.
const CONFLICTS: u32 = 3;

/// Competes for the lead and tells `leads`, until `stop`; then hands the lead over. `None`: nobody could be asked yet.
pub(crate) async fn compete(
    client: Client,
    options: LeaseOptions,
    leads: watch::Sender<Option<bool>>,
    stop: CancellationToken,
) {
    let api = Api::namespaced(client, &options.namespace);
    let duration = options.duration.max(LeaseOptions::SHORTEST);
    let mut candidate = Candidate { api, options, duration, observed: None };
    let mut held_until: Option<Instant> = None;
    let mut told = None;
    loop {
        let began = Instant::now();
        // A request may take as long as what is left of our time.
        let patience = held_until.map_or(duration / 2, |until| until.saturating_duration_since(began));
        let attempt = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            attempt = timeout(patience, candidate.attempt()) => attempt,
        };
        let problem = match attempt {
            Ok(Ok(true)) => {
                held_until = Some(began + duration * 2 / 3);
                None
            }
            Ok(Ok(false)) => {
                held_until = None;
                None
            }
            Ok(Err(error)) => Some(one_line(&error)),
            Err(_elapsed) => Some("the API server does not answer".to_owned()),
        };
        let held = held_until.is_some_and(|until| Instant::now() < until);
        if !held {
            held_until = None;
        }
        // Whoever could not ask does not know, but surely leads no more.
        if problem.is_none() || *leads.borrow() == Some(true) {
            candidate.tell(&leads, held);
        }
        if problem.is_some() && problem != told {
            let lease = format!("{}/{}", candidate.options.namespace, candidate.options.name);
            warn!(lease, error = problem, leads = held, "the Lease is out of reach; it is tried again");
        }
        told = problem;
        let pause = jittered(if told.is_none() { duration / 5 } else { duration / 15 });
        let left = held_until.map_or(pause, |until| until.saturating_duration_since(Instant::now()));
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = sleep(pause.min(left)) => {}
        }
    }
    candidate.tell(&leads, false);
    if held_until.is_some()
        && let Ok(Err(error)) = timeout(Duration::from_secs(2), candidate.release()).await
    {
        warn!(error = one_line(&error), "the Lease could not be handed over; it will run out");
    }
}

struct Candidate {
    api: Api<Lease>,
    options: LeaseOptions,
    duration: Duration,
    /// The version of the Lease that was last seen, and when first.
    observed: Option<(String, Instant)>,
}

impl Candidate {
    fn tell(&self, leads: &watch::Sender<Option<bool>>, leading: bool) {
        let changed = leads.send_if_modified(|leads| leads.replace(leading) != Some(leading));
        if changed {
            info!(identity = self.options.identity, leading, "leadership changed");
        }
    }

    /// Takes or renews the Lease. Whether it is ours now.
    async fn attempt(&mut self) -> Result<bool, kube::Error> {
        for _ in 0..CONFLICTS {
            let Some(lease) = self.api.get_opt(&self.options.name).await? else {
                let metadata = ObjectMeta { name: Some(self.options.name.clone()), ..ObjectMeta::default() };
                let lease = Lease { metadata, spec: Some(self.spec(None)) };
                if written(self.api.create(&PostParams::default(), &lease).await)? {
                    return Ok(true);
                }
                continue;
            };
            let unchanged_for = self.unchanged_for(&lease, Instant::now());
            if !self.may_take(lease.spec.as_ref(), unchanged_for) {
                return Ok(false);
            }
            let spec = Some(self.spec(lease.spec.as_ref()));
            let lease = Lease { spec, ..lease };
            if written(self.api.replace(&self.options.name, &PostParams::default(), &lease).await)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn unchanged_for(&mut self, lease: &Lease, now: Instant) -> Duration {
        let version = lease.metadata.resource_version.as_deref().unwrap_or_default();
        match &self.observed {
            Some((known, since)) if known == version => now.saturating_duration_since(*since),
            _ => {
                self.observed = Some((version.to_owned(), now));
                Duration::ZERO
            }
        }
    }

    /// A Lease may be taken if it is ours, nobody's, or was not renewed for as long as its holder promised to.
    fn may_take(&self, spec: Option<&LeaseSpec>, unchanged_for: Duration) -> bool {
        let Some(spec) = spec else { return true };
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let promised = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        holder.is_empty()
            || holder == self.options.identity
            || unchanged_for >= promised.map_or(self.duration, Duration::from_secs)
    }

    fn spec(&self, former: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let renewed = former.filter(|former| former.holder_identity.as_ref() == Some(&self.options.identity));
        let transitions = former.map_or(0, |former| former.lease_transitions.unwrap_or(0));
        LeaseSpec {
            holder_identity: Some(self.options.identity.clone()),
            lease_duration_seconds: Some(i32::try_from(self.duration.as_secs()).unwrap_or(i32::MAX)),
            acquire_time: renewed.and_then(|former| former.acquire_time.clone()).or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(transitions.saturating_add(i32::from(former.is_some() && renewed.is_none()))),
            ..LeaseSpec::default()
        }
    }

    /// Leaves the Lease to whoever comes next.
    async fn release(&mut self) -> Result<(), kube::Error> {
        let Some(mut lease) = self.api.get_opt(&self.options.name).await? else { return Ok(()) };
        let Some(spec) = &mut lease.spec else { return Ok(()) };
        if spec.holder_identity.as_ref() != Some(&self.options.identity) {
            return Ok(());
        }
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        self.api.replace(&self.options.name, &PostParams::default(), &lease).await.map(drop)
    }
}

/// Whether a write came through. A conflict means that somebody was faster.
fn written(result: Result<Lease, kube::Error>) -> Result<bool, kube::Error> {
    match result {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
