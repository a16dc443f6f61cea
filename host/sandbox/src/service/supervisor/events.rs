use std::{io, process::ExitStatus, time::Duration};

use lb_model::bindings::lb_controller::provider::services::{Report, ServiceError, StartOutcome};
use tokio::time::Instant;

use super::{
    Supervisor,
    phase::{Phase, Waiting, refuse},
};
use crate::{
    configuration::Pattern,
    service::{log, process},
};

/// Waits before a dead service is started again, doubled each time.
pub(super) const FIRST_BACK_OFF: Duration = Duration::from_millis(50);
const LAST_BACK_OFF: Duration = Duration::from_secs(10);
/// A service that was up for so long starts over with the first wait.
const STEADY: Duration = Duration::from_mins(1);
/// Puts off a deadline that has passed: the end of a process that is killed may take its time, and is seen anyway.
const NEVER: Duration = Duration::from_hours(24);

/// What happens to it.
impl Supervisor {
    pub(super) fn line(&mut self, line: &str) {
        log::forward(&self.name, line);
        self.output.push(line.to_owned());
        let Some(grant) = self.definition.as_ref().map(|definition| &definition.grant) else { return };
        let says = |pattern: Option<&Pattern>| pattern.is_some_and(|it| it.matches(line));
        match &self.phase {
            Phase::Starting { .. } if says(grant.ready.as_ref()) => self.rise(),
            Phase::Reloading { .. } => {
                let reload = grant.reload.as_ref();
                if says(reload.and_then(|reload| reload.failed.as_ref())) {
                    self.end_reload(Ok(false));
                } else if says(reload.and_then(|reload| reload.done.as_ref())) {
                    self.end_reload(Ok(true));
                }
            }
            _ => {}
        }
    }

    /// The lines that are in the pipe now.
    pub(super) fn drain(&mut self) -> Vec<String> {
        // A pipe holds less. Somebody else of its group may still write, and must not keep this going.
        const MOST: usize = 64 << 10;
        std::iter::from_fn(|| self.log.as_mut()?.buffered_line()).take(MOST).collect()
    }

    /// It is ready.
    pub(super) fn rise(&mut self) {
        let before = std::mem::replace(&mut self.phase, Phase::Up { since: Instant::now() });
        self.wanted = true;
        self.metrics.service_up(&self.name, true);
        let Phase::Starting { waiting, .. } = before else { return };
        for waiting in waiting {
            match waiting {
                Waiting::Start(reply) => drop(reply.send(Ok(StartOutcome::Started))),
                Waiting::Reload(reply) => drop(reply.send(Ok(Report { ok: true, output: self.output.text() }))),
            }
        }
    }

    pub(super) fn end_reload(&mut self, result: Result<bool, ServiceError>) {
        let Phase::Reloading { since, .. } = self.phase else { return };
        if let Phase::Reloading { reply, .. } = std::mem::replace(&mut self.phase, Phase::Up { since }) {
            drop(reply.send(result.map(|ok| Report { ok, output: self.output.text() })));
        }
    }

    /// The process has ended.
    pub(super) fn ended(&mut self, status: io::Result<Option<ExitStatus>>) {
        for line in self.drain() {
            self.line(&line);
        }
        let status = match status {
            Ok(Some(status)) => status.to_string(),
            Ok(None) => "its status is not known".to_owned(),
            Err(error) => error.to_string(),
        };
        let Some(process) = self.process.take() else { return };
        let (signal, patience) = match &self.definition {
            Some(definition) => (definition.grant.stop.signal.into(), definition.grant.stop_timeout()),
            None => (rustix::process::Signal::TERM, Duration::ZERO),
        };
        process::end_group(process.pid(), signal, patience);
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        if stopping {
            tracing::info!(target: "service", service = self.name, status, "stopped");
        }
        self.fall(&format!("the service `{}` ended: {status}", self.name));
    }

    /// It does not run: answers who waits, and plans the next start.
    pub(super) fn fall(&mut self, reason: &str) {
        self.metrics.service_up(&self.name, false);
        let was_up = match std::mem::replace(&mut self.phase, Phase::Down) {
            Phase::Up { since } => Some(since),
            Phase::Starting { waiting, .. } => {
                refuse(waiting, &ServiceError::Failed(self.with_output(reason)));
                None
            }
            Phase::Reloading { since, reply, .. } => {
                drop(reply.send(Err(ServiceError::Failed(self.with_output(reason)))));
                Some(since)
            }
            Phase::Stopping { waiting, .. } => {
                return waiting.into_iter().for_each(|reply| drop(reply.send(Ok(()))));
            }
            Phase::Down | Phase::BackingOff { .. } => None,
        };
        if !self.wanted {
            return;
        }
        if was_up.is_some_and(|since| since.elapsed() >= STEADY) {
            self.back_off = FIRST_BACK_OFF;
        }
        let wait = self.back_off;
        let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        tracing::error!(target: "service", service = self.name, restart_in_ms = milliseconds, "{reason}");
        self.phase = Phase::BackingOff { until: Instant::now() + wait };
        self.back_off = (wait * 2).min(LAST_BACK_OFF);
    }

    /// The phase has lasted as long as it may.
    pub(super) fn elapsed(&mut self) {
        match &mut self.phase {
            Phase::Down | Phase::Up { .. } => {}
            Phase::BackingOff { .. } => {
                let Some(definition) = self.definition.clone() else { return };
                self.metrics.service_restarted(&self.name);
                self.spawn(definition, Vec::new());
            }
            Phase::Starting { deadline, waiting } => {
                let Some(definition) = &self.definition else { return };
                if definition.grant.ready.is_none() {
                    return self.rise();
                }
                *deadline += NEVER;
                let seconds = definition.grant.ready_timeout_seconds;
                let waiting = std::mem::take(waiting);
                let reason = format!("the service `{}` was not ready within {seconds} s", self.name);
                refuse(waiting, &ServiceError::Timeout(self.with_output(&reason)));
                self.kill();
            }
            Phase::Reloading { .. } => {
                let reason = format!("the service `{}` did not say how its reload went", self.name);
                self.end_reload(Err(ServiceError::Timeout(self.with_output(&reason))));
            }
            Phase::Stopping { deadline, .. } => {
                *deadline += NEVER;
                tracing::warn!(target: "service", service = self.name, "did not end in time; killing it");
                self.kill();
            }
        }
    }

    pub(super) fn kill(&self) {
        if let Some(process) = &self.process {
            process.kill();
        }
    }

    pub(super) fn with_output(&self, reason: &str) -> String {
        match self.output.last(10) {
            output if output.is_empty() => reason.to_owned(),
            output => format!("{reason}; its last output:\n{output}"),
        }
    }
}
