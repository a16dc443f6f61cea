use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, join_all};
use lb_model::{
    provider::{CallError, Provider},
    types::{ChangeSet, Descriptor, Error, Observed, Outcome, Removal},
};

use crate::{call::Caller, subscription::Subscriptions};

/// A loaded provider. Clones are one plugin.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

struct Inner {
    caller: Caller,
    descriptor: Arc<Descriptor>,
    settings: String,
    digest: String,
    subscriptions: Subscriptions,
}

impl Plugin {
    pub(crate) fn new(
        caller: Caller,
        descriptor: Descriptor,
        settings: String,
        digest: String,
        subscriptions: Subscriptions,
    ) -> Self {
        Self(Arc::new(Inner { caller, descriptor: Arc::new(descriptor), settings, digest, subscriptions }))
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

    /// Closes the subscriptions, lets go of the services, and ends gracefully those that no other plugin uses. A plugin that is dropped without
    /// this leaves its services running, and whoever starts them next takes them over.
    pub async fn shutdown(&self) {
        self.0.subscriptions.close();
        join_all(self.0.caller.granted.services.values().map(crate::service::Service::release)).await;
    }
}

impl Provider for Plugin {
    fn descriptor(&self) -> Arc<Descriptor> {
        self.0.descriptor.clone()
    }

    fn apply(&self, change: ChangeSet) -> BoxFuture<'_, Result<Outcome, CallError>> {
        self.0.caller.apply(&self.0.settings, change).boxed()
    }

    fn remove<'a>(&'a self, load_balancer: &'a str) -> BoxFuture<'a, Result<Removal, CallError>> {
        self.0.caller.remove(&self.0.settings, load_balancer).boxed()
    }

    fn observe(&self) -> BoxFuture<'_, Result<Vec<Observed>, CallError>> {
        self.0.caller.observe(&self.0.settings).boxed()
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

    async fn apply(&self, settings: &str, change: ChangeSet) -> Result<Outcome, CallError> {
        let (settings, load_balancer) = (settings.to_owned(), change.load_balancer.id.clone());
        self.call(
            "apply",
            &load_balancer,
            |guest, store| {
                async move { guest.lb_controller_provider_provider().call_apply(store, &settings, &change).await }
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
        let settings = settings.to_owned();
        self.call(
            "observe",
            "",
            |guest, store| {
                async move { guest.lb_controller_provider_provider().call_observe(store, &settings).await }.boxed()
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
