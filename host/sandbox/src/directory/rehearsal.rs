//! A copy of a directory in which a provider can do what it would do, and the difference that this makes. It is made of hard
//! links, like a staged tree: a put replaces a file and never writes into it, so the original stays as it is.

use std::{collections::BTreeMap, os::fd::OwnedFd, sync::Arc};

use lb_model::bindings::lb_controller::provider::files::FileError;
use rustix::{
    fs::{self, FileType},
    io::{Errno, Result as SystemResult},
};

use super::{Directory, PATIENCE, REHEARSALS, TREES, entries, io};

/// How often a copy is begun anew because a file vanished while it was made.
const ATTEMPTS: usize = 5;

/// Files by path, each with what tells it from another: its inode.
type Files = BTreeMap<String, u64>;

/// The copy. It goes when this is dropped.
pub(crate) struct Rehearsal {
    directory: Arc<Directory>,
    before: Files,
    /// Last, so that it goes when nobody holds it any more.
    _copy: Copy,
}

impl Directory {
    /// Makes a copy of all that the provider sees. Blocks.
    pub(crate) fn rehearse(self: &Arc<Self>) -> Result<Rehearsal, FileError> {
        let failed = |errno: Errno| io(REHEARSALS, format!("no copy can be made: {errno}"));
        // From here on it is removed, however far it came.
        let copy = Copy { origin: self.clone(), name: self.serial().to_string() };
        let mut attempts = 1;
        loop {
            match self.copy_into(&copy.name) {
                Ok(()) => break,
                Err(Errno::NOENT) if attempts < ATTEMPTS => attempts += 1,
                Err(errno) => return Err(failed(errno)),
            }
            copy.remove().map_err(failed)?;
        }
        let path = self.path().join(REHEARSALS).join(&copy.name);
        let directory = Self::open(path, PATIENCE).map_err(|reason| io(REHEARSALS, reason))?;
        let before = directory.files().map_err(failed)?;
        Ok(Rehearsal { directory: Arc::new(directory), before, _copy: copy })
    }

    fn copy_into(&self, name: &str) -> SystemResult<()> {
        let into = entries::make(entries::make(&self.root, REHEARSALS)?, name)?;
        let _trees = self.trees();
        entries::link_all(&self.root, &into)?;
        for tree in self.tree_names()? {
            let Some(live) = self.open_live(&tree)? else { continue };
            let copy = format!("{tree}-0");
            entries::link_all(&live, &entries::make(entries::make(&into, TREES)?, copy.as_str())?)?;
            fs::symlinkat(format!("{TREES}/{copy}"), &into, tree.as_str())?;
        }
        Ok(())
    }

    fn tree_names(&self) -> SystemResult<Vec<String>> {
        let links = entries::read(&self.root)?.into_iter().filter(|entry| entry.kind == FileType::Symlink);
        Ok(links.filter_map(|entry| entry.name.to_str().ok().map(str::to_owned)).collect())
    }

    /// All files that the provider sees.
    fn files(&self) -> SystemResult<Files> {
        let mut files = Files::new();
        collect(&self.root, "", &mut files)?;
        for tree in self.tree_names()? {
            if let Some(live) = self.open_live(&tree)? {
                collect(&live, &format!("{tree}/"), &mut files)?;
            }
        }
        Ok(files)
    }
}

fn collect(directory: &OwnedFd, prefix: &str, files: &mut Files) -> SystemResult<()> {
    for entry in entries::read(directory)?.into_iter().filter(|entry| !entry.is_hidden()) {
        let path = format!("{prefix}{}", entry.name.to_string_lossy());
        match entry.kind {
            FileType::Directory => {
                collect(&entries::open(directory, &*entry.name)?, &format!("{path}/"), files)?;
            }
            FileType::RegularFile => {
                if let Some(status) = entries::status(directory, &*entry.name)? {
                    files.insert(path, status.st_ino);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

impl Rehearsal {
    /// The copy, to be used as the original is.
    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// What became of it, a line for each file that is not as it was: `write a`, `remove b`.
    pub(crate) fn changes(&self) -> Result<Vec<String>, FileError> {
        let after = self.directory.files().map_err(|errno| io(REHEARSALS, errno))?;
        let written = after.iter().filter(|(path, inode)| self.before.get(*path) != Some(inode));
        let removed = self.before.keys().filter(|path| !after.contains_key(*path));
        Ok(written
            .map(|(path, _)| format!("write {path}"))
            .chain(removed.map(|path| format!("remove {path}")))
            .collect())
    }
}

/// A copy by its name. Removes it when it is dropped.
struct Copy {
    origin: Arc<Directory>,
    name: String,
}

impl Copy {
    fn remove(&self) -> SystemResult<()> {
        let copies = match entries::open(&self.origin.root, REHEARSALS) {
            Err(Errno::NOENT) => return Ok(()),
            copies => copies?,
        };
        entries::remove(copies, &std::ffi::CString::new(self.name.as_str()).expect("a number holds no NUL"))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!(name = self.name, %error, "the copy of a rehearsal stays until the next start");
        }
    }
}
