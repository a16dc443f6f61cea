use std::{io, sync::Arc, time::Duration};

use lb_model::bindings::lb_controller::provider::services::{Report, ServiceError, StartOutcome};
use tokio::{sync::oneshot, time::Instant};

use super::{
    Supervisor,
    phase::{Command, Phase, Reply, Waiting, refuse},
};
use crate::service::{log, process::Process, program::Definition};

/// How long a service without a `ready` line must live to count as started.
const SURVIVAL: Duration = Duration::from_millis(200);

/// What it is asked to do.
impl Supervisor {
    pub(super) fn start(&mut self, definition: Arc<Definition>, reply: Reply<StartOutcome>) {
        let same = self.command == definition.command();
        match &mut self.phase {
            Phase::Down | Phase::BackingOff { .. } => self.spawn(definition, vec![Waiting::Start(reply)]),
            Phase::Starting { waiting, .. } if same => waiting.push(Waiting::Start(reply)),
            Phase::Up { .. } if same => {
                self.definition = Some(definition);
                drop(reply.send(Ok(StartOutcome::AlreadyRunning)));
            }
            Phase::Up { .. } => {
                tracing::info!(target: "service", service = self.name, "restarting, its program or arguments changed");
                let (ended, _) = oneshot::channel();
                self.stop(ended);
                self.deferred.push(Command::Start(definition, reply));
            }
            _ => self.deferred.push(Command::Start(definition, reply)),
        }
    }

    pub(super) fn reload(&mut self, definition: Arc<Definition>, reply: Reply<Report>) {
        match &self.phase {
            Phase::Down | Phase::BackingOff { .. } => self.spawn(definition, vec![Waiting::Reload(reply)]),
            Phase::Up { since } => {
                let since = *since;
                self.definition = Some(definition.clone());
                self.signal_reload(&definition, since, reply);
            }
            _ => self.deferred.push(Command::Reload(definition, reply)),
        }
    }

    pub(super) fn signal_reload(&mut self, definition: &Definition, since: Instant, reply: Reply<Report>) {
        let Some(reload) = &definition.grant.reload else {
            let message = format!("the operator configured no `reload` for the service `{}`", self.name);
            return drop(reply.send(Err(ServiceError::Failed(message))));
        };
        // Lines of an earlier reload say nothing about this one.
        for line in self.drain() {
            log::forward(&self.name, &line);
        }
        self.output.clear();
        let signalled = self.process.as_ref().map_or(Ok(()), |process| process.signal(reload.signal.into()));
        if let Err(error) = signalled {
            let message = format!("the service `{}` could not be told to reload: {error}", self.name);
            return drop(reply.send(Err(ServiceError::Failed(message))));
        }
        if reload.done.is_none() {
            return drop(reply.send(Ok(Report { ok: true, output: String::new() })));
        }
        self.phase = Phase::Reloading { since, deadline: Instant::now() + reload.timeout(), reply };
    }

    pub(super) fn stop(&mut self, reply: Reply<()>) {
        self.wanted = false;
        self.refuse_waiting("it was stopped");
        if let Phase::Stopping { waiting, .. } = &mut self.phase {
            return waiting.push(reply);
        }
        let (Some(process), Some(definition)) = (&self.process, &self.definition) else {
            self.phase = Phase::Down;
            return drop(reply.send(Ok(())));
        };
        tracing::info!(target: "service", service = self.name, pid = process.pid().as_raw_pid(), "stopping");
        // An error means that it has just ended, which is seen next.
        let _ = process.signal(definition.grant.stop.signal.into());
        let deadline = Instant::now() + definition.grant.stop_timeout();
        self.phase = Phase::Stopping { deadline, waiting: vec![reply] };
    }

    pub(super) fn spawn(&mut self, definition: Arc<Definition>, waiting: Vec<Waiting>) {
        self.output.clear();
        let survival = if definition.grant.ready.is_some() { definition.grant.ready_timeout() } else { SURVIVAL };
        self.phase = Phase::Starting { deadline: Instant::now() + survival, waiting };
        self.command = definition.command();
        self.definition = Some(definition);
        match self.try_spawn() {
            Ok(process) => {
                tracing::info!(target: "service", service = self.name, pid = process.pid().as_raw_pid(), "started");
                self.process = Some(process);
            }
            Err(reason) => self.fall(&reason),
        }
    }

    pub(super) fn try_spawn(&self) -> Result<Process, String> {
        let (Some(definition), Some(log)) = (&self.definition, &self.log) else {
            return Err(format!("the service `{}` has no definition", self.name));
        };
        let command = definition.program(self.command.get(1..).unwrap_or_default())?;
        let reason = |error: io::Error| format!("the service `{}` could not be started: {error}", self.name);
        // Before it runs, so that whoever takes it over knows what runs.
        self.note_command().map_err(reason)?;
        Process::spawn(command, log).map_err(reason)
    }

    fn refuse_waiting(&mut self, reason: &str) {
        let error = ServiceError::Failed(format!("the service `{}`: {reason}", self.name));
        match std::mem::replace(&mut self.phase, Phase::Down) {
            Phase::Starting { waiting, .. } => refuse(waiting, &error),
            Phase::Reloading { reply, .. } => drop(reply.send(Err(error))),
            phase => self.phase = phase,
        }
    }
}
