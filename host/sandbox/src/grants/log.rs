use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use lb_model::bindings::lb_controller::provider::log::{Host, Level};

use crate::{call::CallContext, line::printable};

impl Host for CallContext {
    async fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.budget.charge_host_call()?;
        self.log.write(level, &message, &fields);
        Ok(())
    }
}

/// Where the lines of one call go: events of the target `provider`.
#[derive(Clone)]
pub(crate) struct ProviderLog(Arc<Lines>);

struct Lines {
    provider: Arc<str>,
    version: Arc<str>,
    load_balancer: Option<String>,
    most: u64,
    count: AtomicU64,
}

impl ProviderLog {
    pub(crate) fn new(provider: &Arc<str>, version: &Arc<str>, load_balancer: &str, most: u64) -> Self {
        let load_balancer = (!load_balancer.is_empty()).then(|| load_balancer.to_owned());
        let (provider, version) = (provider.clone(), version.clone());
        Self(Arc::new(Lines { provider, version, load_balancer, most, count: AtomicU64::new(0) }))
    }

    pub(crate) fn write(&self, level: Level, message: &str, fields: &[(String, String)]) {
        if self.0.count.fetch_add(1, Ordering::Relaxed) < self.0.most {
            self.emit(level, &printable(message), fields);
        }
    }

    /// Ends it: one line tells how many were dropped, if any.
    pub(crate) fn close(&self) -> u64 {
        let dropped = self.0.count.load(Ordering::Relaxed).saturating_sub(self.0.most);
        if dropped > 0 {
            let message = format!("{dropped} log lines of this call were dropped (limits.log-lines)");
            self.emit(Level::Warn, &message, &[]);
        }
        dropped
    }

    fn emit(&self, level: Level, message: &str, fields: &[(String, String)]) {
        let Lines { provider, version, load_balancer, .. } = &*self.0;
        let (provider, version, load_balancer) = (&**provider, &**version, load_balancer.as_deref());
        let mut line = String::new();
        for (name, value) in fields {
            let separator = if line.is_empty() { "" } else { " " };
            write!(line, "{separator}{name}={value:?}").expect("writing to a string does not fail");
        }
        let fields = (!line.is_empty()).then(|| printable(&line));
        let fields = fields.as_deref();
        // The level of an event is part of its static description.
        macro_rules! event {
            ($level:ident) => {
                tracing::event!(
                    target: "provider",
                    tracing::Level::$level,
                    provider,
                    version,
                    load_balancer,
                    fields,
                    "{message}"
                )
            };
        }
        match level {
            Level::Trace => event!(TRACE),
            Level::Debug => event!(DEBUG),
            Level::Info => event!(INFO),
            Level::Warn => event!(WARN),
            Level::Error => event!(ERROR),
        }
    }
}
