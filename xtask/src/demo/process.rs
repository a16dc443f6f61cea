//! A program that runs beside the demo, and ends with it.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::PATIENCE;
use crate::command::find_program;

/// The process. It ends with this value, whatever way the demo goes.
pub(crate) struct Process {
    child: Child,
    name: String,
    /// What it says on standard error.
    pub(crate) errors: PathBuf,
}

impl Process {
    /// Starts a program; `arrange` adds what it needs. Its standard error goes into a file.
    pub(crate) fn start(
        program: &Path,
        errors: PathBuf,
        arrange: impl FnOnce(&mut Command),
    ) -> Result<(Self, ChildStdout)> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stderr = fs::File::create(&errors).with_context(|| format!("cannot make {}", errors.display()))?;
        let mut command = with_this_process(program);
        arrange(&mut command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = child.stdout.take().context("the output is piped")?;
        Ok((Self { child, name, errors }, stdout))
    }

    /// An error if it has ended.
    pub(crate) fn check_running(&mut self) -> Result<()> {
        if let Some(status) = self.state()? {
            self.ended_well(status)?;
            bail!("{} ended of itself", self.name);
        }
        Ok(())
    }

    /// Waits until somebody ends it.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let status = self.child.wait().with_context(|| format!("cannot wait for {}", self.name))?;
        self.ended_well(status)
    }

    /// Ends it as Ctrl-C would, with all that it started.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.interrupt()?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.state()? {
                return self.ended_well(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("{} did not stop within {} s", self.name, PATIENCE.as_secs())
    }

    fn state(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot ask for the state of {}", self.name))
    }

    fn ended_well(&self, status: ExitStatus) -> Result<()> {
        if !status.success() {
            let errors = fs::read_to_string(&self.errors).unwrap_or_default();
            bail!("{} ended with {status}:\n{}", self.name, errors.trim());
        }
        Ok(())
    }

    fn interrupt(&self) -> Result<()> {
        let status = Command::new("sh").args(["-c", &format!("kill -INT {}", self.child.id())]).status();
        if !status.context("cannot run sh")?.success() {
            bail!("cannot signal {}; is it gone?", self.name);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted here.
        if matches!(self.child.try_wait(), Ok(None)) && self.interrupt().is_ok() {
            let _ = self.child.wait();
        }
    }
}

/// A program that the kernel ends when this process does, however that comes about; where `setpriv` can arrange it.
fn with_this_process(program: &Path) -> Command {
    match find_program("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            // In a group of its own: a Ctrl-C would else reach it twice, and the second one means `at once`.
            command.args(["--pdeathsig", "TERM"]).arg(program).process_group(0);
            command
        }
        None => Command::new(program),
    }
}
