use std::{
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal, test_kill_process_group,
};
use tokio::{net::unix::pipe::Receiver, process::Child, time::Instant};

use super::log::LogPipe;

/// A process that leads a group of its own: a child, or one that another host started. It is known by a descriptor, not
/// by its number, so a number that is used again does no harm.
pub(super) struct Process {
    pid: Pid,
    handle: Receiver,
    /// To be reaped; a process that was taken over is reaped by somebody else.
    child: Option<Child>,
}

impl Process {
    /// Runs a command with its output in the pipe.
    pub(super) fn spawn(mut command: tokio::process::Command, log: &LogPipe) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(log.writer()?).stderr(log.writer()?).spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let pid = pid.expect("a child that was not waited for has a number");
        match watch(pid) {
            Ok(handle) => Ok(Self { pid, handle, child: Some(child) }),
            Err(error) => {
                // It must not run unwatched.
                child.start_kill()?;
                Err(error)
            }
        }
    }

    /// Takes over a process.
    pub(super) fn adopt(pid: Pid) -> io::Result<Self> {
        Ok(Self { pid, handle: watch(pid)?, child: None })
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits for its end; how it ended if that is known. May be dropped and called again.
    pub(super) async fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.handle.readable().await?;
        match &mut self.child {
            Some(child) => child.wait().await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.handle, signal)?)
    }

    /// Kills it with all of its group.
    pub(super) fn kill(&self) {
        // Its number is taken until it is reaped. An error means that nothing of it is left.
        let _ = kill_process_group(self.pid, Signal::KILL);
    }
}

/// A descriptor that can be read once the process has ended. Of what tokio offers without `unsafe`, only the receiver of
/// a pipe waits for any descriptor; nothing is ever read from it.
fn watch(pid: Pid) -> io::Result<Receiver> {
    Receiver::from_owned_fd_unchecked(pidfd_open(pid, PidfdFlags::NONBLOCK)?)
}

/// Ends what is left of a group whose leader died: asks at once, and kills what is still there after some time. A new
/// leader can start meanwhile; what it needs, a port for example, is let go of when asked.
pub(super) fn end_group(group: Pid, signal: Signal, patience: Duration) {
    if kill_process_group(group, signal).is_err() {
        return;
    }
    tokio::spawn(async move {
        let deadline = Instant::now() + patience;
        // While a member is left, the number cannot become that of another group.
        while test_kill_process_group(group).is_ok() {
            if Instant::now() >= deadline {
                let _ = kill_process_group(group, Signal::KILL);
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}
