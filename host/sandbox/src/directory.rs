//! A granted directory.
//!
//! ```text
//! <path>/.lock                 held while a controller uses the directory
//! <path>/.trees/<tree>-<n>     staged copies, the live tree and the one before it
//! <path>/<tree>                symbolic link to the live one, the only link that is followed
//! <path>/.rehearsals/<n>       copies in which a new version tries what it would do
//! <path>/.services/            what is needed to take over a service that runs
//! <path>/...                   files of the provider
//! ```
//!
//! Every path is walked element by element with `O_NOFOLLOW`, and no element that a provider may name starts with a dot,
//! so nothing leads out of the directory or into what the host keeps in it.

mod entries;
mod files;
mod open;
mod path;
mod rehearsal;
mod trees;
mod usage;

use std::{
    collections::HashMap,
    fs::File,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use lb_model::bindings::lb_controller::provider::files::FileError;

use crate::{Error, service::Services};
use path::ProviderPath;
pub(crate) use rehearsal::Rehearsal;
use usage::Usage;

/// Mode of files that the service may read, whatever user it runs as.
pub(crate) const FILE_MODE: u32 = 0o644;
/// Mode of files that hold a private key.
pub(crate) const KEY_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o755;

const TREES: &str = ".trees";
const REHEARSALS: &str = ".rehearsals";
const SERVICES: &str = ".services";
/// How long to wait for another process to let go of a directory.
const PATIENCE: Duration = Duration::from_secs(10);
/// Start of the names of files that are being written.
const UNFINISHED: &str = ".put-";

/// A directory that this process holds.
pub(crate) struct Directory {
    path: PathBuf,
    root: OwnedFd,
    usage: Usage,
    trees: Mutex<trees::Trees>,
    /// Makes names of copies and of unfinished files unique.
    serial: AtomicU64,
    services: Services,
    /// Freed by the system when the process ends, however it ends.
    _lock: File,
}

impl Directory {
    /// The absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The services that live in it.
    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    /// The absolute path of what a provider calls `path`, which must be there.
    pub(crate) fn absolute(&self, path: &str) -> Result<PathBuf, FileError> {
        if let Some((name, parents)) = ProviderPath::parse(path)?.elements().split_last() {
            let parent = self.walk(parents, false)?;
            if entries::status(&parent, *name).map_err(|errno| io(path, errno))?.is_none() {
                return Err(FileError::NotFound(path.to_owned()));
            }
        }
        Ok(self.path.join(path))
    }

    fn serial(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }
}

/// The directories that this process holds. Two generations of a provider share theirs.
#[derive(Default)]
pub(crate) struct Directories(Mutex<HashMap<PathBuf, Weak<Directory>>>);

impl Directories {
    /// Opens a directory, made if it is not there, or shares it. Blocks; waits some seconds for another process that
    /// is about to let go of it.
    pub(crate) fn open(&self, path: &Path) -> Result<Arc<Directory>, Error> {
        let refused = |reason: String| Error::Directory { path: path.to_owned(), reason };
        let absolute = open::prepare(path).map_err(|error| {
            refused(format!("cannot be made or entered: {error}. Choose another `grants.files.path`, or its owner"))
        })?;
        // Held while it is opened: whoever asks for the same one meanwhile gets this one. A poisoned map is whole.
        let mut directories = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = directories.get(&absolute).and_then(Weak::upgrade) {
            return Ok(directory);
        }
        let directory = Arc::new(Directory::open(absolute.clone(), PATIENCE).map_err(refused)?);
        directories.retain(|_, directory| directory.strong_count() > 0);
        directories.insert(absolute, Arc::downgrade(&directory));
        Ok(directory)
    }
}

fn io(path: &str, error: impl std::fmt::Display) -> FileError {
    FileError::Io(format!("{path}: {error}"))
}

#[cfg(test)]
mod tests;
