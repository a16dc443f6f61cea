use std::{fs, io, path::PathBuf, sync::Arc};

use tokio::time::Instant;

use super::{Phase, Supervisor};
use crate::service::{
    log::LogPipe,
    process::{self, Process},
    program::Definition,
    survivors::{self, Survivors},
};

impl Supervisor {
    /// The first time that it is asked for anything: takes over what a killed host left running, and ends what it left
    /// half dead.
    pub(super) fn look_for_survivors(&mut self, definition: &Arc<Definition>) -> io::Result<()> {
        if self.log.is_some() {
            return Ok(());
        }
        let log = LogPipe::open(&self.state, &self.name)?;
        if self.process.is_none() {
            let Survivors { leaders, orphans } = survivors::find(log.identity())?;
            for group in orphans {
                let stop = &definition.grant.stop;
                tracing::warn!(target: "service", service = self.name, group = group.as_raw_pid(), "ending orphans");
                process::end_group(group, stop.signal.into(), definition.grant.stop_timeout());
            }
            // A service that starts others as leaders of groups was there before them.
            if let Some(pid) = leaders.into_iter().min_by_key(|pid| pid.as_raw_pid()) {
                let process = Process::adopt(pid)?;
                // Its number may have been used again before it was held.
                if survivors::writes_to(&PathBuf::from(format!("/proc/{}", pid.as_raw_pid())), log.identity()) {
                    self.take_over(process, definition.clone());
                }
            }
        }
        self.log = Some(log);
        Ok(())
    }

    fn take_over(&mut self, process: Process, definition: Arc<Definition>) {
        let pid = process.pid().as_raw_pid();
        tracing::info!(target: "service", service = self.name, pid, "runs already; took it over");
        self.command = self.noted_command();
        self.definition = Some(definition);
        self.process = Some(process);
        self.phase = Phase::Up { since: Instant::now() };
        self.wanted = true;
        self.metrics.service_up(&self.name, true);
    }

    /// The pipe cannot be read any more. It is opened anew when the service is next asked for.
    pub(super) fn lost_log(&mut self, error: &io::Error) {
        tracing::error!(target: "service", service = self.name, %error, "its output can no longer be read");
        self.log = None;
    }

    /// Writes down what is about to run.
    pub(super) fn note_command(&self) -> io::Result<()> {
        let path = self.note();
        let unfinished = path.with_extension("new");
        fs::write(&unfinished, serde_json::to_vec(&self.command)?)?;
        fs::rename(unfinished, path)
    }

    /// What was last started; empty if nobody wrote it down.
    fn noted_command(&self) -> Vec<String> {
        fs::read(self.note()).ok().and_then(|note| serde_json::from_slice(&note).ok()).unwrap_or_default()
    }

    fn note(&self) -> PathBuf {
        self.state.join(format!("{}.json", self.name))
    }
}
