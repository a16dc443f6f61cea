use std::sync::Arc;

use lb_model::bindings::lb_controller::provider::services::{Report, ServiceError, StartOutcome};
use tokio::{sync::oneshot, time::Instant};

use crate::service::program::Definition;

/// Where an answer goes. Nobody waits for it any more if the call that asked has ended.
pub(in crate::service) type Reply<R> = oneshot::Sender<Result<R, ServiceError>>;

/// What a supervisor is asked. A definition that comes with it holds from then on.
pub(in crate::service) enum Command {
    Start(Arc<Definition>, Reply<StartOutcome>),
    Reload(Arc<Definition>, Reply<Report>),
    Running(Arc<Definition>, Reply<bool>),
    Stop(Arc<Definition>, Reply<()>),
    /// Like `Stop`, but leaves alone what was never asked for.
    Shutdown(Arc<Definition>, Reply<()>),
}

impl Command {
    pub(super) fn definition(&self) -> &Arc<Definition> {
        match self {
            Self::Start(definition, _)
            | Self::Reload(definition, _)
            | Self::Running(definition, _)
            | Self::Stop(definition, _)
            | Self::Shutdown(definition, _) => definition,
        }
    }

    pub(super) fn refuse(self, error: ServiceError) {
        match self {
            Self::Start(_, reply) => drop(reply.send(Err(error))),
            Self::Reload(_, reply) => drop(reply.send(Err(error))),
            Self::Running(_, reply) => drop(reply.send(Err(error))),
            Self::Stop(_, reply) | Self::Shutdown(_, reply) => drop(reply.send(Err(error))),
        }
    }
}

/// What goes on.
pub(super) enum Phase {
    Down,
    Starting { deadline: Instant, waiting: Vec<Waiting> },
    Up { since: Instant },
    Reloading { since: Instant, deadline: Instant, reply: Reply<Report> },
    BackingOff { until: Instant },
    Stopping { deadline: Instant, waiting: Vec<Reply<()>> },
}

/// Who waits for a start.
pub(super) enum Waiting {
    Start(Reply<StartOutcome>),
    Reload(Reply<Report>),
}

impl Waiting {
    pub(super) fn refuse(self, error: ServiceError) {
        match self {
            Self::Start(reply) => drop(reply.send(Err(error))),
            Self::Reload(reply) => drop(reply.send(Err(error))),
        }
    }
}

pub(super) fn refuse(waiting: Vec<Waiting>, error: &ServiceError) {
    for waiting in waiting {
        waiting.refuse(error.clone());
    }
}
