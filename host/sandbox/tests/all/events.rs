use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
};

use tracing::{Event, Subscriber, field::Visit, subscriber::DefaultGuard};
use tracing_subscriber::{Layer, layer::Context, prelude::*};

/// Collects the events of this thread, one line each, while it lives.
pub(crate) struct Events {
    lines: Arc<Mutex<Vec<String>>>,
    _guard: DefaultGuard,
}

impl Events {
    pub(crate) fn collect() -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let guard = tracing_subscriber::registry().with(Collector(lines.clone())).set_default();
        Self { lines, _guard: guard }
    }

    /// The events of all targets.
    pub(crate) fn all(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The events of a target.
    pub(crate) fn of(&self, target: &str) -> Vec<String> {
        let start = format!("{target} ");
        self.lines.lock().unwrap().iter().filter_map(|line| line.strip_prefix(&start)).map(str::to_owned).collect()
    }
}

struct Collector(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Collector {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line(format!("{} {}", event.metadata().target(), event.metadata().level()));
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}
