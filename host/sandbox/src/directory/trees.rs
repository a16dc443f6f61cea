//! Trees that change in one step: a private copy is made of hard links, changed and checked, and a symbolic link is
//! swapped to it. A file of a copy can be replaced without touching the original, because a put never writes into a file.

use std::{collections::HashMap, ffi::CString, os::fd::OwnedFd, sync::MutexGuard, sync::PoisonError};

use lb_model::bindings::lb_controller::provider::files::FileError;
use rustix::{
    fs::{self, AtFlags, FileType},
    io::{Errno, Result as SystemResult},
};

use super::{Directory, TREES, entries, io, path::ProviderPath};

/// The copies that are kept beside the live ones.
pub(super) struct Trees {
    /// The largest number that was in use when the directory was opened.
    pub(super) last: u64,
    /// By tree, the copy that was live before.
    pub(super) previous: HashMap<String, String>,
}

/// The name of the link while it is made.
const NEW_LINK: &str = ".link";

/// The number at the end of a copy's name.
pub(super) fn serial_of(copy: &str) -> Option<u64> {
    copy.rsplit_once('-')?.1.parse().ok()
}

/// The copy that a tree's link leads to; `None` if there is no link, or one that the host did not make.
pub(super) fn live_copy(root: &OwnedFd, tree: &str) -> SystemResult<Option<String>> {
    let target = match fs::readlinkat(root, tree, Vec::new()) {
        Err(Errno::NOENT | Errno::INVAL) => return Ok(None),
        target => target?,
    };
    let copy = target.to_str().ok().and_then(|target| target.strip_prefix(TREES)?.strip_prefix('/'));
    Ok(copy.filter(|copy| is_copy_of(copy, tree)).map(str::to_owned))
}

fn is_copy_of(copy: &str, tree: &str) -> bool {
    let serial = copy.strip_prefix(tree).and_then(|rest| rest.strip_prefix('-'));
    serial.is_some_and(|serial| !serial.is_empty() && serial.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A tree is named by one element.
fn check_tree(tree: &str) -> Result<(), FileError> {
    match *ProviderPath::parse(tree)?.elements() {
        [_] => Ok(()),
        _ => Err(FileError::InvalidPath(format!("{tree}: a tree is named by one element"))),
    }
}

/// The name of a copy, from the path that a provider knows it by.
fn check_copy(path: &str) -> Result<&str, FileError> {
    match *ProviderPath::parse(path)?.elements() {
        [TREES, copy] => Ok(copy),
        _ => Err(FileError::InvalidPath(format!("{path}: not a path that `stage` or `activate` returned"))),
    }
}

impl Directory {
    /// A path for a new copy of a tree. Nothing is there yet.
    pub(crate) fn reserve(&self, tree: &str) -> Result<String, FileError> {
        check_tree(tree)?;
        Ok(format!("{TREES}/{tree}-{}", self.serial()))
    }

    /// Makes a reserved copy, of the tree as it is now.
    pub(crate) fn stage(&self, tree: &str, reserved: &str) -> Result<(), FileError> {
        let copy = check_copy(reserved)?;
        let _trees = self.trees();
        let source = match self.walk(&[tree], false) {
            Err(FileError::NotFound(_)) => None,
            source => Some(source?),
        };
        let fill = || -> SystemResult<()> {
            let into = entries::make(entries::make(&self.root, TREES)?, copy)?;
            source.as_ref().map_or(Ok(()), |source| entries::link_all(source, &into))
        };
        fill().map_err(|errno| io(reserved, format!("cannot be staged: {errno}")))
    }

    /// Makes a copy the live tree; the path of what was live before.
    pub(crate) fn activate(&self, tree: &str, staged: &str) -> Result<Option<String>, FileError> {
        check_tree(tree)?;
        let copy = check_copy(staged)?;
        if !is_copy_of(copy, tree) {
            return Err(FileError::InvalidPath(format!("{staged}: not a copy of {tree}")));
        }
        let mut trees = self.trees();
        let system = |errno: Errno| io(staged, format!("cannot be activated: {errno}"));
        let copies = match entries::open(&self.root, TREES) {
            Err(Errno::NOENT) => return Err(FileError::NotFound(staged.to_owned())),
            copies => copies.map_err(system)?,
        };
        if entries::status(&copies, copy).map_err(system)?.is_none() {
            return Err(FileError::NotFound(staged.to_owned()));
        }
        let path_of = |copy: &String| format!("{TREES}/{copy}");
        let live = live_copy(&self.root, tree).map_err(system)?;
        if live.as_deref() == Some(copy) {
            return Ok(trees.previous.get(tree).map(path_of));
        }
        if let Some(status) = entries::status(&self.root, tree).map_err(system)?
            && live.is_none()
        {
            let kind = match FileType::from_raw_mode(status.st_mode) {
                FileType::Directory => "a directory",
                _ => "something",
            };
            let message = format!("{tree}: {kind} that `activate` did not make is in the way; remove it first");
            return Err(FileError::InvalidPath(message));
        }
        self.link(tree, copy, &copies).map_err(system)?;
        let before = match &live {
            Some(live) => trees.previous.insert(tree.to_owned(), live.clone()),
            None => trees.previous.remove(tree),
        };
        if let Some(before) = before.filter(|before| before != copy && Some(before) != live.as_ref()) {
            remove_copy(&copies, &before).map_err(system)?;
        }
        Ok(live.as_ref().map(path_of))
    }

    /// Removes a copy that is not live.
    pub(crate) fn discard(&self, staged: &str) -> Result<(), FileError> {
        let copy = check_copy(staged)?;
        let mut trees = self.trees();
        let system = |errno: Errno| io(staged, format!("cannot be discarded: {errno}"));
        let copies = match entries::open(&self.root, TREES) {
            Err(Errno::NOENT) => return Ok(()),
            copies => copies.map_err(system)?,
        };
        if let Some((tree, _)) = copy.rsplit_once('-') {
            if live_copy(&self.root, tree).map_err(system)?.as_deref() == Some(copy) {
                return Err(FileError::InvalidPath(format!("{staged}: is live")));
            }
            if trees.previous.get(tree).is_some_and(|previous| previous == copy) {
                trees.previous.remove(tree);
            }
        }
        remove_copy(&copies, copy).map_err(system)
    }

    /// Removes a tree that `activate` made, with its link; `false` if it is none.
    pub(super) fn remove_tree(&self, tree: &str) -> Result<bool, FileError> {
        let mut trees = self.trees();
        let system = |errno: Errno| io(tree, errno);
        let Some(copy) = live_copy(&self.root, tree).map_err(system)? else { return Ok(false) };
        fs::unlinkat(&self.root, tree, AtFlags::empty()).map_err(system)?;
        let copies = entries::open(&self.root, TREES).map_err(system)?;
        let previous = trees.previous.remove(tree);
        previous.iter().chain([&copy]).try_for_each(|copy| remove_copy(&copies, copy)).map_err(system)?;
        Ok(true)
    }

    /// Opens the live copy of a tree.
    pub(super) fn open_live(&self, tree: &str) -> SystemResult<Option<OwnedFd>> {
        let Some(copy) = live_copy(&self.root, tree)? else { return Ok(None) };
        entries::open(entries::open(&self.root, TREES)?, copy.as_str()).map(Some)
    }

    fn link(&self, tree: &str, copy: &str, copies: &OwnedFd) -> SystemResult<()> {
        match fs::unlinkat(copies, NEW_LINK, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        fs::symlinkat(format!("{TREES}/{copy}"), copies, NEW_LINK)?;
        fs::renameat(copies, NEW_LINK, &self.root, tree)
    }

    pub(super) fn trees(&self) -> MutexGuard<'_, Trees> {
        // Poisoned or not, what it says of previous copies is true: it is changed in single steps.
        self.trees.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remove_copy(copies: &OwnedFd, copy: &str) -> SystemResult<()> {
    let name = CString::new(copy).expect("a checked element holds no NUL");
    entries::remove(copies, &name)
}
