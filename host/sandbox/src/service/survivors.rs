//! Processes of a service that a killed host left behind. They are found by the pipe that they write to, so there is no
//! moment, however short, in which a service runs and a killed host has not yet noted it down.

use std::{fs, path::Path};

use rustix::process::{Pid, getpgid};

use super::log::Identity;

/// What is left of a service.
#[derive(Debug, Default)]
pub(super) struct Survivors {
    /// Processes that lead their group: the service itself.
    pub(super) leaders: Vec<Pid>,
    /// Groups whose leader is gone.
    pub(super) orphans: Vec<Pid>,
}

/// Looks through the processes of this machine that may be looked at. A process of another user, or one that is gone
/// while it is looked at, is none of ours.
pub(super) fn find(pipe: Identity) -> std::io::Result<Survivors> {
    let mut survivors = Survivors::default();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let Some(pid) = pid else { continue };
        if !writes_to(&entry.path(), pipe) {
            continue;
        }
        match getpgid(Some(pid)) {
            Ok(group) if group == pid => survivors.leaders.push(pid),
            Ok(group) if !survivors.orphans.contains(&group) => survivors.orphans.push(group),
            _ => {}
        }
    }
    survivors.orphans.retain(|group| !survivors.leaders.contains(group));
    Ok(survivors)
}

/// Whether a process, as a directory of `/proc`, has the pipe as standard output or error.
pub(super) fn writes_to(process: &Path, pipe: Identity) -> bool {
    ["fd/1", "fd/2"].iter().any(|output| Identity::of(&process.join(output)).is_ok_and(|file| file == pipe))
}
