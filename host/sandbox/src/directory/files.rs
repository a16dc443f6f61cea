use std::{
    ffi::CString,
    fs::File,
    io::{Read, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use lb_model::bindings::lb_controller::provider::files::{FileError, PutOutcome};
use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, Stat},
    io::Errno,
};

use super::{Directory, TREES, UNFINISHED, entries, io, path::ProviderPath, trees};

/// The largest file that a provider can read.
const MAX_READ: u64 = 64 << 20;

impl Directory {
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        let elements = ProviderPath::parse(path)?;
        let (parents, name) = elements.file()?;
        let parent = self.walk(parents, false)?;
        let Some((file, status)) = open_file(&parent, name, path)? else {
            return Err(FileError::NotFound(path.to_owned()));
        };
        if size(&status) > MAX_READ {
            return Err(FileError::TooLarge(format!("{path}: larger than {MAX_READ} bytes")));
        }
        content(file, &status).map_err(|error| io(path, error))
    }

    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        let directory = match self.walk(ProviderPath::parse(path)?.elements(), false) {
            Err(FileError::NotFound(_)) => return Ok(Vec::new()),
            directory => directory?,
        };
        let mut names = Vec::new();
        for entry in entries::read(&directory).map_err(|errno| io(path, errno))? {
            let Ok(name) = entry.name.to_str() else { continue };
            if entry.is_hidden() {
                continue;
            }
            match entry.kind {
                FileType::RegularFile => names.push(name.to_owned()),
                FileType::Directory => names.push(format!("{name}/")),
                FileType::Symlink if path.is_empty() => {
                    let live = trees::live_copy(&self.root, name).map_err(|errno| io(path, errno))?;
                    names.extend(live.map(|_| format!("{name}/")));
                }
                _ => {}
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Writes a file in one step. A file of other mode is written even if its content is the same. Data is not forced
    /// to the disk: whoever starts after a crash of the machine applies everything anew.
    pub(crate) fn put(&self, path: &str, content: &[u8], mode: u32, most: u64) -> Result<PutOutcome, FileError> {
        let elements = ProviderPath::parse(path)?;
        let (parents, name) = elements.file()?;
        let parent = self.walk(parents, true)?;
        if holds(&parent, name, path, content, mode)? {
            return Ok(PutOutcome::Unchanged);
        }
        let fits = self.usage.take(&self.root, content.len() as u64, most).map_err(|errno| io(path, errno))?;
        if !fits {
            let message = format!("{path}: the directory would hold more than {most} bytes (grants.files.max-bytes)");
            return Err(FileError::TooLarge(message));
        }
        let unfinished = format!("{UNFINISHED}{}", self.serial());
        let written = write(&parent, &unfinished, content, mode)
            .and_then(|()| fs::renameat(&parent, unfinished.as_str(), &parent, name).map_err(Into::into));
        if let Err(error) = written {
            // What is left behind is removed when the directory is opened again.
            let _ = fs::unlinkat(&parent, unfinished.as_str(), AtFlags::empty());
            return Err(io(path, error));
        }
        Ok(PutOutcome::Written)
    }

    pub(crate) fn remove(&self, path: &str) -> Result<(), FileError> {
        let elements = ProviderPath::parse(path)?;
        let (parents, name) = elements.file()?;
        let parent = match self.walk(parents, false) {
            Err(FileError::NotFound(_)) => return Ok(()),
            parent => parent?,
        };
        if parents.is_empty() && self.remove_tree(name)? {
            return Ok(());
        }
        let name = CString::new(name).expect("a checked element holds no NUL");
        entries::remove(&parent, &name).map_err(|errno| io(path, errno))
    }

    /// Opens the directory that the elements lead to.
    pub(super) fn walk(&self, elements: &[&str], make: bool) -> Result<OwnedFd, FileError> {
        let so_far = |depth: usize| elements[..=depth].join("/");
        let mut directory: Option<OwnedFd> = None;
        for (depth, element) in elements.iter().copied().enumerate() {
            let parent: BorrowedFd<'_> = directory.as_ref().map_or(self.root.as_fd(), AsFd::as_fd);
            let opened = match entries::open(parent, element) {
                // A copy is made by `stage` alone.
                Err(Errno::NOENT) if make && (elements[0] != TREES || depth > 1) => {
                    // Checked with the file that it is made for.
                    self.usage.add_directory();
                    entries::make(parent, element)
                }
                Err(Errno::NOTDIR) if depth == 0 => self.open_live(element).and_then(|tree| tree.ok_or(Errno::NOTDIR)),
                opened => opened,
            };
            directory = Some(match opened {
                Ok(directory) => directory,
                Err(Errno::NOENT) => return Err(FileError::NotFound(so_far(depth))),
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    return Err(FileError::InvalidPath(format!("{}: no directory, or a link", so_far(depth))));
                }
                Err(errno) => return Err(io(&so_far(depth), errno)),
            });
        }
        match directory {
            Some(directory) => Ok(directory),
            None => self.root.try_clone().map_err(|error| io("", error)),
        }
    }
}

/// Opens a regular file for reading.
fn open_file(parent: &OwnedFd, name: &str, path: &str) -> Result<Option<(OwnedFd, Stat)>, FileError> {
    // Without NONBLOCK, opening a pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match fs::openat(parent, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(FileError::InvalidPath(format!("{path}: a link"))),
        Err(errno) => return Err(io(path, errno)),
    };
    let status = fs::fstat(&file).map_err(|errno| io(path, errno))?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(FileError::InvalidPath(format!("{path}: not a file")));
    }
    Ok(Some((file, status)))
}

fn holds(parent: &OwnedFd, name: &str, path: &str, wanted: &[u8], mode: u32) -> Result<bool, FileError> {
    let Some((file, status)) = open_file(parent, name, path)? else { return Ok(false) };
    if size(&status) != wanted.len() as u64 || status.st_mode & 0o7777 != mode {
        return Ok(false);
    }
    Ok(content(file, &status).map_err(|error| io(path, error))? == wanted)
}

fn content(file: OwnedFd, status: &Stat) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::with_capacity(usize::try_from(size(status)).unwrap_or(0));
    File::from(file).read_to_end(&mut content)?;
    Ok(content)
}

fn size(status: &Stat) -> u64 {
    u64::try_from(status.st_size).unwrap_or(0)
}

fn write(parent: &OwnedFd, name: &str, content: &[u8], mode: u32) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(fs::openat(parent, name, flags, Mode::from_raw_mode(mode & 0o600))?);
    file.write_all(content)?;
    fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    Ok(())
}
