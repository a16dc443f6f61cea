use std::{
    ffi::CString,
    fs::{self, File},
    io,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::{Mutex, atomic::AtomicU64},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{FileType, FlockOperation, Mode, OFlags, flock},
    io::Errno,
};

use super::{DIRECTORY_MODE, Directory, REHEARSALS, SERVICES, TREES, UNFINISHED, entries, trees::Trees, usage::Usage};
use crate::service::Services;

/// Makes the directory; its absolute path, with links resolved.
pub(super) fn prepare(path: &Path) -> io::Result<PathBuf> {
    fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path)?;
    path.canonicalize()
}

impl Directory {
    /// Takes the directory and removes what a killed process left unfinished in it.
    pub(super) fn open(path: PathBuf, patience: Duration) -> Result<Self, String> {
        let lock = lock(&path, patience)?;
        let unusable = |error: Errno| format!("cannot be read: {error}. Its owner must be the controller's user");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(&path, flags, Mode::empty()).map_err(unusable)?;
        let trees = Trees::clean(&root).map_err(unusable)?;
        discard_unfinished(&root).map_err(unusable)?;
        let rehearsals = CString::new(REHEARSALS).expect("a constant without NUL");
        entries::remove(&root, &rehearsals).map_err(unusable)?;
        let usage = Usage::count(&root).map_err(unusable)?;
        let services = Services::new(path.join(SERVICES));
        let serial = AtomicU64::new(trees.last + 1);
        Ok(Self { path, root, usage, trees: Mutex::new(trees), serial, services, _lock: lock })
    }
}

/// Locks the directory for this process. The system frees the lock when the process ends, however it ends.
fn lock(path: &Path, patience: Duration) -> Result<File, String> {
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path.join(".lock"))
        .map_err(|error| format!("cannot be written: {error}. Its owner must be the controller's user"))?;
    let deadline = Instant::now() + patience;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
            Err(Errno::WOULDBLOCK) => {
                return Err("is in use by another controller. Give each its own `grants.files.path`, or stop the \
                            other one"
                    .to_owned());
            }
            Err(errno) => return Err(format!("cannot be locked: {errno}")),
        }
    }
}

fn discard_unfinished(root: &OwnedFd) -> rustix::io::Result<()> {
    let mut unfinished = Vec::new();
    entries::visit(root, &mut |directory, entry| {
        if entry.kind == FileType::RegularFile && entry.name.to_bytes().starts_with(UNFINISHED.as_bytes()) {
            unfinished.push((rustix::io::fcntl_dupfd_cloexec(directory, 0)?, entry.name.clone()));
        }
        Ok(())
    })?;
    unfinished.iter().try_for_each(|(directory, name)| entries::remove(directory, name))
}

impl Trees {
    /// Removes every copy that is not live.
    fn clean(root: &OwnedFd) -> rustix::io::Result<Self> {
        let mut last = 0;
        let copies = match entries::open(root, TREES) {
            Err(Errno::NOENT) => return Ok(Self { last, previous: std::collections::HashMap::new() }),
            copies => copies?,
        };
        let mut live = Vec::new();
        for entry in entries::read(root)?.iter().filter(|entry| entry.kind == FileType::Symlink) {
            if let Ok(tree) = entry.name.to_str() {
                live.extend(super::trees::live_copy(root, tree)?);
            }
        }
        for entry in entries::read(&copies)? {
            let name = entry.name.to_str().unwrap_or_default();
            last = last.max(super::trees::serial_of(name).unwrap_or(0));
            if !live.iter().any(|copy| copy == name) {
                entries::remove(&copies, &entry.name)?;
            }
        }
        Ok(Self { last, previous: std::collections::HashMap::new() })
    }
}
