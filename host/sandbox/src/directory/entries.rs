//! What a directory holds, and walks over all of it. Links are never followed.

use std::{
    ffi::{CStr, CString},
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat},
    io::{Errno, Result},
    path::Arg,
};

use super::DIRECTORY_MODE;

pub(super) struct Entry {
    pub(super) name: CString,
    pub(super) kind: FileType,
}

impl Entry {
    /// Whether it is the host's own and no business of a provider.
    pub(super) fn is_hidden(&self) -> bool {
        self.name.to_bytes().starts_with(b".")
    }
}

/// Opens a directory; fails with `ENOTDIR` if it is a link.
pub(super) fn open(parent: impl AsFd, name: impl Arg) -> Result<OwnedFd> {
    fs::openat(parent, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

/// Makes a directory and opens it; whether it was there before makes no difference.
pub(super) fn make(parent: impl AsFd, name: impl Arg + Copy) -> Result<OwnedFd> {
    let mode = Mode::from_raw_mode(DIRECTORY_MODE);
    match fs::mkdirat(&parent, name, mode) {
        Ok(()) => {
            let directory = open(&parent, name)?;
            // The umask took its part of the mode, and the service may run as another user.
            fs::fchmod(&directory, mode)?;
            Ok(directory)
        }
        Err(Errno::EXIST) => open(&parent, name),
        Err(errno) => Err(errno),
    }
}

/// What is known of an entry, not of what it links to; `None` if there is none.
pub(super) fn status(parent: impl AsFd, name: impl Arg) -> Result<Option<Stat>> {
    match fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(status) => Ok(Some(status)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Everything in a directory, in no particular order.
pub(super) fn read(directory: impl AsFd) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => match status(&directory, name)? {
                Some(status) => FileType::from_raw_mode(status.st_mode),
                None => continue,
            },
            kind => kind,
        };
        entries.push(Entry { name: name.to_owned(), kind });
    }
    Ok(entries)
}

/// Calls `each` with every entry below a directory and the directory that holds it, directories before what is in them.
pub(super) fn visit(directory: &OwnedFd, each: &mut dyn FnMut(&OwnedFd, &Entry) -> Result<()>) -> Result<()> {
    for entry in read(directory)? {
        each(directory, &entry)?;
        if entry.kind == FileType::Directory {
            match open(directory, &*entry.name) {
                Ok(below) => visit(&below, each)?,
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(())
}

/// Removes a file or link, or a directory with all that is in it. One that is not there is no error.
pub(super) fn remove(parent: impl AsFd, name: &CStr) -> Result<()> {
    let gone = |result: Result<()>| match result {
        Err(Errno::NOENT) => Ok(()),
        result => result,
    };
    match status(&parent, name)? {
        None => Ok(()),
        Some(status) if FileType::from_raw_mode(status.st_mode) == FileType::Directory => {
            let directory = match open(&parent, name) {
                Err(Errno::NOENT) => return Ok(()),
                directory => directory?,
            };
            for entry in read(&directory)? {
                remove(&directory, &entry.name)?;
            }
            gone(fs::unlinkat(&parent, name, AtFlags::REMOVEDIR))
        }
        Some(_) => gone(fs::unlinkat(&parent, name, AtFlags::empty())),
    }
}

/// Fills a directory with hard links to the files of another, and the like below. Hidden entries and whatever is
/// neither file nor directory stay behind.
pub(super) fn link_all(from: &OwnedFd, into: &OwnedFd) -> Result<()> {
    for entry in read(from)? {
        if entry.is_hidden() {
            continue;
        }
        match entry.kind {
            FileType::RegularFile => fs::linkat(from, &*entry.name, into, &*entry.name, AtFlags::empty())?,
            FileType::Directory => link_all(&open(from, &*entry.name)?, &make(into, &*entry.name)?)?,
            _ => {}
        }
    }
    Ok(())
}
