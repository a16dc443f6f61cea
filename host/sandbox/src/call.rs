//! One call of a provider: a fresh store and instance, under limits.

use std::{sync::Arc, time::Instant};

use futures::future::BoxFuture;
use lb_model::{
    bindings::{Plugin as Guest, PluginPre},
    provider::CallError,
};
use wasmtime::{Engine, Store};

use crate::{
    configuration::Limits,
    grants::{Granted, files::StagedCopies, http::Refusals, log::ProviderLog, wasi::Wasi},
    limits::{self, Budget},
    metrics::Metrics,
};

/// What the host's functions see of the call that they are part of.
pub(crate) struct CallContext {
    pub(crate) budget: Budget,
    pub(crate) granted: Arc<Granted>,
    pub(crate) log: ProviderLog,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) provider: Arc<str>,
    pub(crate) refusals: Refusals,
    pub(crate) started: Instant,
    pub(crate) staged: StagedCopies,
    /// For a component that imports WASI.
    pub(crate) wasi: Option<Wasi>,
}

/// All that a call needs and that stays the same from one call to the next.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) engine: Engine,
    pub(crate) component: PluginPre<CallContext>,
    pub(crate) granted: Arc<Granted>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) metrics: Arc<Metrics>,
    /// The provider's name; the name of its file until it has told its own.
    pub(crate) provider: Arc<str>,
    /// The provider's version; empty until it has told it.
    pub(crate) version: Arc<str>,
    pub(crate) uses_wasi: bool,
    /// Whether the component imports who the controller is.
    pub(crate) asks_identity: bool,
}

impl Caller {
    /// Runs one function of the provider. `outcome` names the result for the metric. Dropping the future ends the call.
    pub(crate) async fn call<R>(
        &self,
        function: &'static str,
        load_balancer: &str,
        body: impl for<'a> FnOnce(&'a Guest, &'a mut Store<CallContext>) -> BoxFuture<'a, wasmtime::Result<R>>,
        outcome: impl FnOnce(&R) -> &'static str,
    ) -> Result<R, CallError> {
        let started = Instant::now();
        let mut store = self.store(load_balancer);
        let run = async {
            let guest = self.component.instantiate_async(&mut store).await?;
            body(&guest, &mut store).await
        };
        let result = match tokio::time::timeout(self.limits.wall(), run).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(limits::breach(&error, &self.limits)),
            Err(_elapsed) => Err(limits::wall_deadline(&self.limits)),
        };
        let log = store.data().log.clone();
        // Ends the last line of the error stream, and what the call staged goes.
        drop(store);
        let dropped = log.close();
        if dropped > 0 {
            self.metrics.log_lines_dropped(&self.provider, dropped);
        }
        let outcome = match &result {
            Ok(result) => outcome(result),
            Err(CallError::Breach { kind, .. }) => {
                self.metrics.breached(&self.provider, *kind);
                "breach"
            }
            Err(CallError::Provider(_) | CallError::Open { .. }) => "error",
        };
        self.metrics.call_ended(&self.provider, function, outcome, started.elapsed());
        result
    }

    fn store(&self, load_balancer: &str) -> Store<CallContext> {
        let log = ProviderLog::new(&self.provider, &self.version, load_balancer, self.limits.log_lines);
        let context = CallContext {
            budget: Budget::new(self.limits.clone()),
            granted: self.granted.clone(),
            wasi: self.uses_wasi.then(|| Wasi::denying(&log)),
            log,
            metrics: self.metrics.clone(),
            provider: self.provider.clone(),
            refusals: Refusals::new(),
            started: Instant::now(),
            staged: StagedCopies::default(),
        };
        let mut store = Store::new(&self.engine, context);
        store.limiter(|context| &mut context.budget);
        store.set_hostcall_fuel(usize::try_from(self.limits.bytes).unwrap_or(usize::MAX));
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| context.data_mut().budget.charge_tick());
        store
    }
}
