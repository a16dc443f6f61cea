mod plan;

use std::{future::Future, sync::Arc};

use futures::future::{BoxFuture, FutureExt, join_all};
use lb_model::{
    provider::{CallError, Provider},
    types::{ChangeSet, Descriptor, Error, Observed, Outcome, Removal},
};

use crate::{
    Statistics, call::Caller, circuit::Circuits, configuration::Grants, limits, statistics::Counters,
    subscription::Subscriptions,
};

pub use plan::{Change, Plan, PlanError};

/// A loaded provider. Clones are one plugin.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

struct Inner {
    caller: Caller,
    descriptor: Arc<Descriptor>,
    settings: String,
    digest: String,
    grants: Grants,
    subscriptions: Subscriptions,
    circuits: Circuits,
    counters: Counters,
}

impl Plugin {
    pub(crate) fn new(
        caller: Caller,
        descriptor: Descriptor,
        settings: String,
        digest: String,
        grants: Grants,
        subscriptions: Subscriptions,
    ) -> Self {
        let circuits = Circuits::new(&caller.provider, caller.limits.circuit, &caller.metrics);
        let (descriptor, counters) = (Arc::new(descriptor), Counters::new());
        Self(Arc::new(Inner { caller, descriptor, settings, digest, grants, subscriptions, circuits, counters }))
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.0.caller
    }

    pub(crate) fn grants(&self) -> &Grants {
        &self.0.grants
    }

    pub(crate) fn settings(&self) -> &str {
        &self.0.settings
    }

    /// SHA-256 of the component, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// What the provider calls itself, a DNS label.
    pub fn name(&self) -> &str {
        &self.0.descriptor.name
    }

    /// The version that the provider tells.
    pub fn version(&self) -> &str {
        &self.0.descriptor.version
    }

    /// Whether the provider asks who the controller is: it must be told before the first call.
    pub fn asks_identity(&self) -> bool {
        self.0.caller.asks_identity
    }

    /// What it did since it was loaded.
    pub fn statistics(&self) -> Statistics {
        self.0.counters.read(self.0.circuits.open(), self.0.circuits.openings())
    }

    /// Closes the subscriptions, lets go of the services, and ends gracefully those that no other plugin uses. A plugin that is dropped without
    /// this leaves its services running, and whoever starts them next takes them over.
    pub async fn shutdown(&self) {
        self.0.subscriptions.close();
        join_all(self.0.caller.granted.services.values().map(crate::service::Service::release)).await;
    }
}

impl Inner {
    /// Makes a call, unless the circuit of the load balancer is open; and counts it.
    async fn guarded<R>(
        &self,
        function: &'static str,
        load_balancer: &str,
        call: impl Future<Output = Result<R, CallError>>,
    ) -> Result<R, CallError> {
        let result = match self.circuits.enter(load_balancer) {
            Ok(permit) => {
                let result = call.await;
                permit.ended(&result);
                result
            }
            Err(refused) => {
                self.caller.metrics.call_refused(&self.caller.provider, function);
                Err(refused)
            }
        };
        self.counters.ended(&result);
        result
    }
}

impl Provider for Plugin {
    fn descriptor(&self) -> Arc<Descriptor> {
        self.0.descriptor.clone()
    }

    fn apply(&self, change: ChangeSet) -> BoxFuture<'_, Result<Outcome, CallError>> {
        async move {
            let Inner { caller, settings, .. } = &*self.0;
            let id = change.load_balancer.id.clone();
            self.0.guarded("apply", &id, caller.apply("apply", settings, change)).await
        }
        .boxed()
    }

    fn remove<'a>(&'a self, load_balancer: &'a str) -> BoxFuture<'a, Result<Removal, CallError>> {
        let Inner { caller, settings, .. } = &*self.0;
        self.0.guarded("remove", load_balancer, caller.remove(settings, load_balancer)).boxed()
    }

    fn observe(&self) -> BoxFuture<'_, Result<Vec<Observed>, CallError>> {
        let Inner { caller, settings, .. } = &*self.0;
        self.0.guarded("observe", "", caller.observe(settings)).boxed()
    }

    fn woken(&self) -> BoxFuture<'_, ()> {
        self.0.subscriptions.woken().boxed()
    }
}

/// The functions of the contract.
impl Caller {
    pub(crate) async fn describe(&self) -> Result<Descriptor, CallError> {
        self.call(
            "describe",
            "",
            |guest, store| guest.lb_controller_provider_provider().call_describe(store).boxed(),
            |_| "ok",
        )
        .await
    }

    pub(crate) async fn check_settings(&self, settings: &str) -> Result<Result<(), String>, CallError> {
        let settings = settings.to_owned();
        self.call(
            "check_settings",
            "",
            |guest, store| {
                async move { guest.lb_controller_provider_provider().call_check_settings(store, &settings).await }
                    .boxed()
            },
            |checked| if checked.is_ok() { "ok" } else { "invalid" },
        )
        .await
    }

    /// `function` is what metrics call it.
    async fn apply(&self, function: &'static str, settings: &str, change: ChangeSet) -> Result<Outcome, CallError> {
        let (settings, load_balancer) = (settings.to_owned(), change.load_balancer.id.clone());
        let limits = self.limits.clone();
        self.call(
            function,
            &load_balancer,
            |guest, store| {
                async move {
                    let applied = guest.lb_controller_provider_provider().call_apply(store, &settings, &change).await?;
                    applied.iter().try_for_each(|outcome| limits::check_addresses(&outcome.addresses, &limits))?;
                    Ok(applied)
                }
                .boxed()
            },
            outcome,
        )
        .await?
        .map_err(CallError::Provider)
    }

    async fn remove(&self, settings: &str, load_balancer: &str) -> Result<Removal, CallError> {
        let (settings, id) = (settings.to_owned(), load_balancer.to_owned());
        self.call(
            "remove",
            load_balancer,
            |guest, store| {
                async move { guest.lb_controller_provider_provider().call_remove(store, &settings, &id).await }.boxed()
            },
            outcome,
        )
        .await?
        .map_err(CallError::Provider)
    }

    async fn observe(&self, settings: &str) -> Result<Vec<Observed>, CallError> {
        let (settings, limits) = (settings.to_owned(), self.limits.clone());
        self.call(
            "observe",
            "",
            |guest, store| {
                async move {
                    let observed = guest.lb_controller_provider_provider().call_observe(store, &settings).await?;
                    let mut all = observed.iter().flatten();
                    all.try_for_each(|it| limits::check_addresses(&it.addresses, &limits))?;
                    Ok(observed)
                }
                .boxed()
            },
            outcome,
        )
        .await?
        .map_err(CallError::Provider)
    }
}

/// The value of the `outcome` label in metrics.
fn outcome<R>(result: &Result<R, Error>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(Error::Invalid(_)) => "invalid",
        Err(Error::Denied(_)) => "denied",
        Err(Error::Conflict(_)) => "conflict",
        Err(Error::Unavailable(_)) => "unavailable",
    }
}

#[cfg(test)]
mod tests;
