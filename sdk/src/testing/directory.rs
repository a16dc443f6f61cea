use std::{
    cell::Cell,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::{FileError, Files, PutOutcome};

/// A temporary directory by the rules of the `files` capability, without its size limit. It is removed when dropped.
pub struct Directory {
    root: TempDir,
    serial: Cell<u64>,
}

/// Where staged copies live; the host's own name, like that of the real one.
const TREES: &str = ".trees";

impl Directory {
    /// A new one.
    pub fn temporary() -> Self {
        let root =
            tempfile::Builder::new().prefix("lb-provider-").tempdir().expect("a temporary directory can be made");
        // A service may drop its privileges and must still be able to read.
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        Self { root, serial: Cell::new(0) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Like `put`, readable by its owner only.
    pub(super) fn put_private(&self, path: &str, content: &[u8]) -> Result<PutOutcome, FileError> {
        self.write(path, content, 0o600)
    }

    fn write(&self, path: &str, content: &[u8], mode: u32) -> Result<PutOutcome, FileError> {
        let target = self.resolve(path)?;
        if fs::read(&target).is_ok_and(|old| old == content) {
            return Ok(PutOutcome::Unchanged);
        }
        let failed = |error| failed(path, &error);
        let parent = target.parent().expect("a checked path has a parent");
        fs::create_dir_all(parent).map_err(failed)?;
        // Written beside and renamed, never into: the old file may be linked from another tree.
        let unfinished = self.root.path().join(format!(".put-{}", self.next()));
        fs::write(&unfinished, content).map_err(failed)?;
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(mode)).map_err(failed)?;
        fs::rename(&unfinished, &target).map_err(failed)?;
        Ok(PutOutcome::Written)
    }

    fn next(&self) -> u64 {
        self.serial.replace(self.serial.get() + 1)
    }

    fn resolve(&self, path: &str) -> Result<PathBuf, FileError> {
        let elements = path.strip_prefix(TREES).and_then(|rest| rest.strip_prefix('/')).unwrap_or(path);
        let is_element = |element: &str| {
            (1..=255).contains(&element.len())
                && !element.starts_with('.')
                && element.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        if !elements.split('/').all(is_element) {
            return Err(FileError::InvalidPath(path.escape_debug().to_string()));
        }
        Ok(self.root.path().join(path))
    }

    /// What `activate` made of a tree.
    fn live(&self, tree: &str) -> Option<String> {
        fs::read_link(self.root.path().join(tree)).ok()?.to_str().map(str::to_owned)
    }
}

impl Files for Directory {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        fs::read(self.resolve(path)?).map_err(|error| failed(path, &error))
    }

    fn list(&self, path: &str) -> Result<Vec<String>, FileError> {
        let directory = if path.is_empty() { self.root.path().to_owned() } else { self.resolve(path)? };
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| failed(path, &error))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| failed(path, &error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            match entry.path().is_dir() {
                _ if name.starts_with('.') => {}
                true => names.push(format!("{name}/")),
                false => names.push(name),
            }
        }
        names.sort();
        Ok(names)
    }

    fn put(&self, path: &str, content: &[u8]) -> Result<PutOutcome, FileError> {
        self.write(path, content, 0o644)
    }

    fn remove(&self, path: &str) -> Result<(), FileError> {
        let target = self.resolve(path)?;
        if let Some(copy) = self.live(path) {
            fs::remove_file(&target).map_err(|error| failed(path, &error))?;
            return self.discard(&copy);
        }
        let removed = if target.is_dir() { fs::remove_dir_all(&target) } else { fs::remove_file(&target) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, &error)),
            _ => Ok(()),
        }
    }

    fn stage(&self, tree: &str) -> Result<String, FileError> {
        let staged = format!("{TREES}/{tree}-{}", self.next());
        let copy = self.root.path().join(&staged);
        let live = self.resolve(tree)?;
        let filled = fs::create_dir_all(&copy).and_then(|()| link_all(&live, &copy));
        filled.map(|()| staged.clone()).map_err(|error| failed(&staged, &error))
    }

    fn activate(&self, tree: &str, staged: &str) -> Result<Option<String>, FileError> {
        let failed = |error| failed(staged, &error);
        fs::metadata(self.resolve(staged)?).map_err(failed)?;
        let before = self.live(tree);
        let link = self.root.path().join(format!(".link-{}", self.next()));
        std::os::unix::fs::symlink(staged, &link).map_err(failed)?;
        fs::rename(&link, self.resolve(tree)?).map_err(failed)?;
        Ok(before)
    }

    fn discard(&self, staged: &str) -> Result<(), FileError> {
        match fs::remove_dir_all(self.resolve(staged)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(staged, &error)),
            _ => Ok(()),
        }
    }
}

fn link_all(from: &Path, into: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let target = into.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target)?;
            link_all(&entry.path(), &target)?;
        } else {
            fs::hard_link(entry.path(), target)?;
        }
    }
    Ok(())
}

fn failed(path: &str, error: &io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound => FileError::NotFound(path.to_owned()),
        _ => FileError::Io(format!("{path}: {error}")),
    }
}

#[cfg(test)]
mod tests;
