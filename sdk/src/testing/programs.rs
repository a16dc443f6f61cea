use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use regex::Regex;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::process::Process;
use crate::{Report, ServiceError, Services, StartOutcome};

/// How to run a program, in the words of the `services` grants of a plugin's sidecar file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Program {
    /// A path, or a name to find on `PATH`.
    pub program: String,
    /// Arguments; `{directory}` is the granted directory.
    pub args: Vec<String>,
    /// Arguments of the check; `{path}` is what to check. Without them it cannot check.
    #[serde(default)]
    pub check: Option<Vec<String>>,
    /// A line that says it is ready.
    #[serde(deserialize_with = "expression")]
    pub ready: Regex,
    /// How it reads its configuration again. Without it, it cannot.
    #[serde(default)]
    pub reload: Option<Reload>,
}

/// A reload: SIGHUP, then one of two lines.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reload {
    /// It did.
    #[serde(deserialize_with = "expression")]
    pub done: Regex,
    /// It refused.
    #[serde(deserialize_with = "expression")]
    pub failed: Regex,
}

fn expression<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Regex, D::Error> {
    Regex::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Services that are real processes. They are not restarted when they die, and end with this.
pub struct Programs {
    directory: PathBuf,
    granted: BTreeMap<String, Program>,
    running: RefCell<BTreeMap<String, Arc<Process>>>,
}

/// More than any program needs; a test that waits longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);

impl Programs {
    /// One program that runs in this directory.
    pub fn new(directory: &Path, service: &str, program: Program) -> Self {
        let granted = BTreeMap::from([(service.to_owned(), program)]);
        Self { directory: directory.to_owned(), granted, running: RefCell::default() }
    }

    /// One more program in the same directory.
    #[must_use]
    pub fn and(mut self, service: &str, program: Program) -> Self {
        self.granted.insert(service.to_owned(), program);
        self
    }

    fn program(&self, service: &str) -> Result<&Program, ServiceError> {
        self.granted.get(service).ok_or_else(|| ServiceError::NotGranted(service.to_owned()))
    }

    fn process(&self, service: &str) -> Option<Arc<Process>> {
        self.running.borrow().get(service).filter(|process| process.is_running()).cloned()
    }

    fn command(&self, program: &Program, args: &[String], path: &str) -> Command {
        let directory = self.directory.to_string_lossy();
        let path = self.directory.join(path);
        let fill =
            |argument: &String| argument.replace("{directory}", &directory).replace("{path}", &path.to_string_lossy());
        let mut command = Command::new(&program.program);
        command.args(args.iter().map(fill)).current_dir(&self.directory).stdin(Stdio::null());
        command
    }
}

impl Services for Programs {
    fn start(&self, service: &str) -> Result<StartOutcome, ServiceError> {
        let program = self.program(service)?;
        if self.process(service).is_some() {
            return Ok(StartOutcome::AlreadyRunning);
        }
        let process = Process::spawn(self.command(program, &program.args, ""))
            .map_err(|error| ServiceError::Failed(format!("{}: {error}", program.program)))?;
        let ready = process.wait_for(PATIENCE, 0, |line| program.ready.is_match(line));
        if ready.is_none() {
            let output = process.output(0);
            return Err(if process.is_running() {
                ServiceError::Timeout(output)
            } else {
                ServiceError::Failed(output)
            });
        }
        self.running.borrow_mut().insert(service.to_owned(), Arc::new(process));
        Ok(StartOutcome::Started)
    }

    fn check(&self, service: &str, path: &str) -> Result<Report, ServiceError> {
        let program = self.program(service)?;
        let check = program.check.as_ref().ok_or_else(|| unconfigured(program, "check"))?;
        let output = self
            .command(program, check, path)
            .output()
            .map_err(|error| ServiceError::Failed(format!("{}: {error}", program.program)))?;
        let text = [output.stdout, output.stderr].concat();
        Ok(Report { ok: output.status.success(), output: String::from_utf8_lossy(&text).into_owned() })
    }

    fn reload(&self, service: &str) -> Result<Report, ServiceError> {
        let program = self.program(service)?;
        let reload = program.reload.as_ref().ok_or_else(|| unconfigured(program, "reload"))?;
        let Some(process) = self.process(service) else {
            self.start(service)?;
            return Ok(Report { ok: true, output: String::new() });
        };
        let from = process.lines();
        process.signal(rustix::process::Signal::HUP);
        let (done, failed) = (&reload.done, &reload.failed);
        match process.wait_for(PATIENCE, from, |line| done.is_match(line) || failed.is_match(line)) {
            Some(line) => Ok(Report { ok: !failed.is_match(&line), output: process.output(from) }),
            None => Err(ServiceError::Timeout(process.output(from))),
        }
    }

    fn running(&self, service: &str) -> Result<bool, ServiceError> {
        self.program(service)?;
        Ok(self.process(service).is_some())
    }

    fn stop(&self, service: &str) -> Result<(), ServiceError> {
        self.program(service)?;
        self.running.borrow_mut().remove(service);
        Ok(())
    }
}

fn unconfigured(program: &Program, key: &str) -> ServiceError {
    ServiceError::Failed(format!("{}: no `{key}` is configured", program.program))
}
