use std::{io, path::Path, process::Stdio};

use lb_model::bindings::lb_controller::provider::services::{Report, ServiceError};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::unix::pipe;

use super::{output::MOST, program::Definition};

/// Runs the check of a service. It is killed, with all of its group, if it takes too long or nobody waits for it any more.
pub(super) async fn check(definition: &Definition, path: &Path) -> Result<Report, ServiceError> {
    let Some(args) = definition.check_args(path) else {
        let message = format!("the operator configured no `check` for the service `{}`", definition.name());
        return Err(ServiceError::Failed(message));
    };
    let command = definition.program(&args).map_err(ServiceError::Failed)?;
    let timeout = definition.grant.check_timeout();
    match tokio::time::timeout(timeout, run(command)).await {
        Ok(Ok(report)) => Ok(report),
        Ok(Err(error)) => {
            Err(ServiceError::Failed(format!("the check of `{}` could not be run: {error}", definition.name())))
        }
        Err(_elapsed) => Err(ServiceError::Timeout(format!(
            "the check of `{}` took longer than {} s",
            definition.name(),
            timeout.as_secs()
        ))),
    }
}

async fn run(mut command: tokio::process::Command) -> io::Result<Report> {
    // One pipe for both, so that the lines stay in the order in which they were printed.
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).kill_on_drop(true);
    let mut child = command.spawn()?;
    // It holds the writing ends.
    drop(command);
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let reader = pipe::Receiver::from_owned_fd(reader.into())?;
    let mut output = Vec::new();
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            ready = reader.readable() => {
                ready?;
                if read(&reader, &mut output)? == Some(0) {
                    break child.wait().await?;
                }
            }
        }
    };
    group.0 = None;
    // What is in the pipe was printed before the end; more can only come from processes that were left behind.
    let mut left = MOST;
    while let Some(count) = read(&reader, &mut output)?.filter(|count| (1..=left).contains(count)) {
        left -= count;
    }
    Ok(Report { ok: status.success(), output: String::from_utf8_lossy(&output).into_owned() })
}

/// Reads what is there: `None` if there is nothing yet, 0 bytes if there never will be.
fn read(reader: &pipe::Receiver, output: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let mut bytes = [0; 8192];
    match reader.try_read(&mut bytes) {
        Ok(count) => {
            output.extend_from_slice(&bytes[..count]);
            output.drain(..output.len().saturating_sub(MOST));
            Ok(Some(count))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// A process group that is killed when this is dropped.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // An error means that nothing of it is left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
