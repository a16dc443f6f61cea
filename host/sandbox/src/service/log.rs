use std::{
    collections::VecDeque,
    fs, io,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, mknodat, open},
    io::Errno,
};
use tokio::net::unix::pipe::Receiver;

use crate::line::{MAX_LINE, printable};

/// The named pipe that a service writes its output to.
pub(super) struct LogPipe {
    path: PathBuf,
    reader: Receiver,
    identity: Identity,
    lines: Lines,
}

/// Which file something is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Of what a path leads to, through links.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|file| Self { device: file.dev(), inode: file.ino() })
    }
}

impl LogPipe {
    /// Opens it, made if it is not there.
    pub(super) fn open(state: &Path, service: &str) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(state)?;
        let path = state.join(format!("{service}.log"));
        match mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let end = open_end(&path)?;
        let status = rustix::fs::fstat(&end)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::Fifo {
            return Err(io::Error::other(format!("{} is no pipe; remove it", path.display())));
        }
        let identity = Identity::of(&path)?;
        Ok(Self { path, reader: Receiver::from_owned_fd(end)?, identity, lines: Lines::default() })
    }

    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    /// An end for the service. It can be read too, so that writing never fails for lack of a reader, and writing never
    /// waits.
    pub(super) fn writer(&self) -> io::Result<OwnedFd> {
        open_end(&self.path)
    }

    /// The next line, fit to be shown. Nothing is lost if the future is dropped.
    pub(super) async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(line) = self.lines.next() {
                return Ok(line);
            }
            self.reader.readable().await?;
            self.lines.read(&self.reader)?;
        }
    }

    /// The next line that is already there.
    pub(super) fn buffered_line(&mut self) -> Option<String> {
        if let Some(line) = self.lines.next() {
            return Some(line);
        }
        // An error here is met again by `line`.
        self.lines.read(&self.reader).ok()?;
        self.lines.next()
    }
}

fn open_end(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?)
}

/// Bytes in, lines out. Of a line that is too long, the start is kept.
#[derive(Default)]
struct Lines {
    complete: VecDeque<String>,
    partial: Vec<u8>,
}

impl Lines {
    fn next(&mut self) -> Option<String> {
        self.complete.pop_front()
    }

    fn read(&mut self, reader: &Receiver) -> io::Result<()> {
        let mut bytes = [0; 8192];
        let count = match reader.try_read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            count => count?,
        };
        for part in bytes[..count].split_inclusive(|byte| *byte == b'\n') {
            let room = (MAX_LINE + 1).saturating_sub(self.partial.len());
            self.partial.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                let line = printable(&String::from_utf8_lossy(&self.partial));
                self.partial.clear();
                if !line.is_empty() {
                    self.complete.push_back(line);
                }
            }
        }
        Ok(())
    }
}

/// Hands a line of a service to the log, with the level that it names itself, the way nginx and others do.
pub(super) fn forward(service: &str, line: &str) {
    const LEVELS: [(&str, tracing::Level); 8] = [
        ("[emerg]", tracing::Level::ERROR),
        ("[alert]", tracing::Level::ERROR),
        ("[crit]", tracing::Level::ERROR),
        ("[error]", tracing::Level::ERROR),
        ("[warn]", tracing::Level::WARN),
        ("[notice]", tracing::Level::INFO),
        ("[info]", tracing::Level::DEBUG),
        ("[debug]", tracing::Level::TRACE),
    ];
    let level = LEVELS.iter().find(|(mark, _)| line.contains(mark)).map_or(tracing::Level::INFO, |(_, level)| *level);
    match level {
        tracing::Level::ERROR => tracing::error!(target: "service", service, "{line}"),
        tracing::Level::WARN => tracing::warn!(target: "service", service, "{line}"),
        tracing::Level::INFO => tracing::info!(target: "service", service, "{line}"),
        tracing::Level::DEBUG => tracing::debug!(target: "service", service, "{line}"),
        tracing::Level::TRACE => tracing::trace!(target: "service", service, "{line}"),
    }
}
