//! The processes of a controller: itself, and the nginx or the two Caddys that it supervises.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// How the command lines of Caddys end.
const EDGE: &str = "/edge/caddy.json";
const ROUTER: &str = "/router/caddy.json";

/// A process as `/proc` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub id: i32,
    parent: i32,
    command: String,
}

/// Sends a signal; a process that is gone is an error.
pub fn signal(id: i32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(id).context("a process id is positive")?;
    kill_process(pid, signal).with_context(|| format!("cannot signal process {id}"))
}

/// The bytes of its memory that are in RAM.
pub fn resident(id: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).context("the process runs")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a process has memory")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().context("VmRSS is a number")?;
    Ok(kibibytes * 1024)
}

/// How many file descriptors it has open.
pub fn descriptors(id: u32) -> Result<usize> {
    Ok(fs::read_dir(format!("/proc/{id}/fd")).context("the process runs")?.count())
}

/// The nginx masters that were started on a directory, or the Caddys that have the ports.
pub fn nginx_masters(directory: &Path) -> Result<Vec<Process>> {
    let directory = directory.to_string_lossy();
    let mut masters = all()?;
    let is_master = |command: &str| command.starts_with("nginx: master") || command.ends_with(EDGE);
    masters.retain(|process| is_master(&process.command) && process.command.contains(&*directory));
    // A worker that was just forked still has the title of its master.
    let ids: Vec<_> = masters.iter().map(|master| master.id).collect();
    masters.retain(|master| !ids.contains(&master.parent));
    Ok(masters)
}

/// The workers of an nginx master that take connections; those that finish their last ones are left out. A reload
/// replaces them all. Of a Caddy that has the ports, the one that has the routes.
pub fn nginx_workers(master: &Process) -> Result<Vec<Process>> {
    let mut workers: Vec<_> = all()?
        .into_iter()
        .filter(|process| {
            let is_worker = process.parent == master.id && process.command.starts_with("nginx: worker process");
            let is_router = master.command.ends_with(EDGE) && process.command == master.command.replace(EDGE, ROUTER);
            is_router || (is_worker && !process.command.contains("shutting down"))
        })
        .collect();
    workers.sort_by_key(|worker| worker.id);
    Ok(workers)
}

/// The routers that are left of the Caddys that were started on a directory.
pub fn routers(directory: &Path) -> Result<Vec<Process>> {
    let directory = directory.to_string_lossy();
    let mut routers = all()?;
    routers.retain(|process| process.command.ends_with(ROUTER) && process.command.contains(&*directory));
    Ok(routers)
}

fn all() -> Result<Vec<Process>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        let Ok(id) = entry?.file_name().to_string_lossy().parse() else { continue };
        // A process may end between the two looks.
        if let Some(process) = read(id) {
            processes.push(process);
        }
    }
    Ok(processes)
}

fn read(id: i32) -> Option<Process> {
    let command = fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ").trim().to_owned();
    let status = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in parentheses may hold spaces; the state and the parent follow it.
    let (_, rest) = status.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(Process { id, parent, command })
}
