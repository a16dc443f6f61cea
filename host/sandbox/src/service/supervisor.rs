mod commands;
mod events;
mod phase;
mod takeover;

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};

use lb_model::bindings::lb_controller::provider::services::ServiceError;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{log::LogPipe, output::Tail, process::Process, program::Definition};
use crate::metrics::Metrics;
use events::FIRST_BACK_OFF;
use phase::Phase;
pub(in crate::service) use phase::{Command, Reply};

/// Starts a service, watches it, and starts it again when it dies. All that happens to it goes through one loop, so
/// there is never more than one of these at a time.
pub(super) struct Supervisor {
    name: String,
    state: PathBuf,
    commands: mpsc::UnboundedReceiver<Command>,
    metrics: Arc<Metrics>,
    /// Commands that wait for what goes on to end.
    deferred: Vec<Command>,
    definition: Option<Arc<Definition>>,
    /// Set once the first command has made it look for a service that runs.
    log: Option<LogPipe>,
    /// What runs now, program first; empty if that is not known.
    command: Vec<String>,
    process: Option<Process>,
    phase: Phase,
    /// Whether it is to be started again when it dies.
    wanted: bool,
    back_off: Duration,
    /// What it printed since it was started, or since the reload that goes on began.
    output: Tail,
}

impl Supervisor {
    pub(super) fn new(
        name: &str,
        state: &Path,
        commands: mpsc::UnboundedReceiver<Command>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            state: state.to_owned(),
            commands,
            metrics,
            deferred: Vec::new(),
            definition: None,
            log: None,
            command: Vec::new(),
            process: None,
            phase: Phase::Down,
            wanted: false,
            back_off: FIRST_BACK_OFF,
            output: Tail::default(),
        }
    }

    /// Serves until nobody can ask any more. What runs then goes on running.
    pub(super) async fn run(mut self) {
        loop {
            let deadline = self.deadline();
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => self.handle(command),
                    None => return,
                },
                line = next_line(&mut self.log) => match line {
                    Ok(line) => self.line(&line),
                    Err(error) => self.lost_log(&error),
                },
                status = ended(&mut self.process) => self.ended(status),
                () = elapsed(deadline) => self.elapsed(),
            }
            for command in std::mem::take(&mut self.deferred) {
                self.handle(command);
            }
        }
    }

    fn handle(&mut self, command: Command) {
        if let Command::Shutdown(_, reply) = command {
            return if self.log.is_none() { drop(reply.send(Ok(()))) } else { self.stop(reply) };
        }
        if let Err(error) = self.look_for_survivors(&command.definition().clone()) {
            return command.refuse(ServiceError::Failed(format!("the service `{}`: {error}", self.name)));
        }
        match command {
            Command::Start(definition, reply) => self.start(definition, reply),
            Command::Reload(definition, reply) => self.reload(definition, reply),
            Command::Running(_, reply) => {
                let running = matches!(self.phase, Phase::Up { .. } | Phase::Reloading { .. });
                drop(reply.send(Ok(running)));
            }
            Command::Stop(definition, reply) | Command::Shutdown(definition, reply) => {
                self.definition = Some(definition);
                self.stop(reply);
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Down | Phase::Up { .. } => None,
            Phase::Starting { deadline, .. }
            | Phase::Reloading { deadline, .. }
            | Phase::BackingOff { until: deadline }
            | Phase::Stopping { deadline, .. } => Some(*deadline),
        }
    }
}

/// The next line; never if there is no pipe.
async fn next_line(log: &mut Option<LogPipe>) -> io::Result<String> {
    match log {
        Some(log) => log.line().await,
        None => std::future::pending().await,
    }
}

/// The end of the process; never if there is none.
async fn ended(process: &mut Option<Process>) -> io::Result<Option<ExitStatus>> {
    match process {
        Some(process) => process.ended().await,
        None => std::future::pending().await,
    }
}

async fn elapsed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
