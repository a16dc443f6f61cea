//! Supervised local programs.
//!
//! ```text
//! Service (one for each plugin) --Command--> Supervisor (one for each service of a directory, a task)
//!                                              |-- Process   a child, or one that a killed host left behind
//!                                              +-- LogPipe   <directory>/.services/<name>.log, a named pipe
//! ```
//!
//! Standard output and error of a service are a named pipe that the service itself also holds open for reading. So it can
//! write when no host is there, and never waits: what the pipe cannot hold is lost. The pipe is also what tells the
//! processes of a service from all others, whoever started them; a host that finds such a process takes it over.

mod check;
mod log;
mod output;
mod process;
mod program;
mod supervisor;
mod survivors;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use lb_model::bindings::lb_controller::provider::services::{Report, ServiceError, StartOutcome};
use tokio::sync::{mpsc, oneshot};

use crate::{configuration::ServiceGrant, directory::Directory, metrics::Metrics};
use program::Definition;
use supervisor::{Command, Reply, Supervisor};

/// The supervisors of the services that live in one directory.
pub(crate) struct Services {
    /// Where their pipes are.
    state: PathBuf,
    supervisors: Mutex<HashMap<String, Weak<Line>>>,
}

/// The way to one supervisor.
struct Line {
    commands: mpsc::UnboundedSender<Command>,
    /// Plugins that have not let go of it.
    users: AtomicUsize,
}

/// A service as one plugin was granted it.
pub(crate) struct Service {
    definition: Arc<Definition>,
    line: Arc<Line>,
    released: AtomicBool,
}

impl Services {
    pub(crate) fn new(state: PathBuf) -> Self {
        Self { state, supervisors: Mutex::default() }
    }
}

impl Directory {
    /// The service of this name. It is not started, and one that runs is left as it is.
    pub(crate) fn service(&self, name: &str, grant: &ServiceGrant, metrics: &Arc<Metrics>) -> Service {
        let services = self.services();
        // A poisoned map is whole: it is only ever inserted into.
        let mut supervisors = services.supervisors.lock().unwrap_or_else(PoisonError::into_inner);
        let line = supervisors.get(name).and_then(Weak::upgrade).unwrap_or_else(|| {
            let (commands, receiver) = mpsc::unbounded_channel();
            let line = Arc::new(Line { commands, users: AtomicUsize::new(0) });
            supervisors.insert(name.to_owned(), Arc::downgrade(&line));
            tokio::spawn(Supervisor::new(name, &services.state, receiver, metrics.clone()).run());
            line
        });
        line.users.fetch_add(1, Ordering::SeqCst);
        let definition = Arc::new(Definition::new(name, grant.clone(), self.path().to_owned()));
        Service { definition, line, released: AtomicBool::new(false) }
    }
}

impl Service {
    pub(crate) async fn start(&self) -> Result<StartOutcome, ServiceError> {
        self.check_held()?;
        self.ask(|reply| Command::Start(self.definition.clone(), reply)).await
    }

    /// The name of its grant.
    pub(crate) fn name(&self) -> &str {
        self.definition.name()
    }

    /// Runs the check of the service on a path of its directory, or of a copy of that.
    pub(crate) async fn check(&self, directory: &Path, path: &Path) -> Result<Report, ServiceError> {
        check::check(&self.definition.within(directory), path).await
    }

    pub(crate) async fn reload(&self) -> Result<Report, ServiceError> {
        self.check_held()?;
        self.ask(|reply| Command::Reload(self.definition.clone(), reply)).await
    }

    pub(crate) async fn running(&self) -> Result<bool, ServiceError> {
        self.ask(|reply| Command::Running(self.definition.clone(), reply)).await
    }

    pub(crate) async fn stop(&self) -> Result<(), ServiceError> {
        self.ask(|reply| Command::Stop(self.definition.clone(), reply)).await
    }

    /// Lets go of it, and ends it gracefully if no other plugin uses it and this process started it or took it over.
    pub(crate) async fn release(&self) {
        if self.let_go()
            && let Err(error) = self.ask(|reply| Command::Shutdown(self.definition.clone(), reply)).await
        {
            tracing::warn!(target: "service", service = self.definition.name(), ?error, "could not be ended");
        }
    }

    /// A call that is still under way must not start again what was just ended.
    fn check_held(&self) -> Result<(), ServiceError> {
        if self.released.load(Ordering::SeqCst) {
            let message = format!("the controller has let go of the service `{}`", self.definition.name());
            return Err(ServiceError::Failed(message));
        }
        Ok(())
    }

    /// Whether this was the last plugin that used it.
    fn let_go(&self) -> bool {
        !self.released.swap(true, Ordering::SeqCst) && self.line.users.fetch_sub(1, Ordering::SeqCst) == 1
    }

    async fn ask<R>(&self, command: impl FnOnce(Reply<R>) -> Command) -> Result<R, ServiceError> {
        let (reply, answer) = oneshot::channel();
        let gone = || ServiceError::Failed(format!("the supervisor of `{}` has ended", self.definition.name()));
        self.line.commands.send(command(reply)).map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[cfg(test)]
mod tests;
