//! A directory that is granted, and what a provider keeps in it.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::Error;

/// A temporary directory, which goes when this is dropped.
pub(crate) struct Directory(TempDir);

/// One file: another inode or time of change is another write, whatever it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Print {
    inode: u64,
    changed: (i64, i64),
    content: [u8; 32],
}

/// Every file, by its path in the directory.
pub(crate) type Prints = BTreeMap<String, Print>;

impl Directory {
    pub(crate) fn new() -> Result<Self, Error> {
        let make = || -> io::Result<_> {
            let directory = tempfile::Builder::new().prefix("lb-suite-").tempdir()?;
            // A service that was started by root reads it as somebody else.
            fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
            Ok(directory)
        };
        make().map(Self).map_err(Error::machine("make a temporary directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The files that a provider can see, but for those that it never wrote.
    pub(crate) fn prints(&self) -> Result<Prints, Error> {
        let mut prints = Prints::new();
        self.walk(&mut |path, content, metadata| {
            let changed = (metadata.mtime(), metadata.mtime_nsec());
            let print = Print { inode: metadata.ino(), changed, content: Sha256::digest(content).into() };
            prints.insert(path.to_owned(), print);
        })?;
        Ok(prints)
    }

    /// The files that hold a text.
    pub(crate) fn holding(&self, text: &str) -> Result<Vec<String>, Error> {
        let mut holding = Vec::new();
        self.walk(&mut |path, content, _| {
            if content.windows(text.len()).any(|window| window == text.as_bytes()) {
                holding.push(path.to_owned());
            }
        })?;
        Ok(holding)
    }

    fn walk(&self, visit: &mut impl FnMut(&str, &[u8], &fs::Metadata)) -> Result<(), Error> {
        walk(self.path(), "", visit).map_err(Error::machine("read the granted directory"))
    }
}

/// What one set of files has that another has not, a line each.
pub(crate) fn differences(before: &Prints, after: &Prints) -> Vec<String> {
    let written = after.iter().filter(|(path, print)| before.get(*path) != Some(print));
    let removed = before.keys().filter(|path| !after.contains_key(*path));
    let written = written.map(|(path, print)| match before.get(path) {
        Some(old) if old.content == print.content => format!("write {path} again, as it was"),
        Some(_) => format!("change {path}"),
        None => format!("write {path}"),
    });
    written.chain(removed.map(|path| format!("remove {path}"))).collect()
}

/// Hidden entries are the host's; a link leads to the live copy of a tree. What vanishes meanwhile is a service's.
fn walk(directory: &Path, prefix: &str, visit: &mut impl FnMut(&str, &[u8], &fs::Metadata)) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let mut names = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = directory.join(&name);
        let shown = format!("{prefix}{name}");
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => walk(&path, &format!("{shown}/"), visit)?,
            Ok(metadata) if metadata.is_file() => match fs::read(&path) {
                Ok(content) => visit(&shown, &content, &metadata),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            },
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_told_apart_from_what_is_as_it_was() {
        let directory = Directory::new().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir_all(path(".trees/live-1")).unwrap();
        fs::write(path(".trees/live-1/a"), "text").unwrap();
        std::os::unix::fs::symlink(".trees/live-1", path("live")).unwrap();
        fs::write(path("b"), "text").unwrap();
        fs::write(path("c"), "text").unwrap();
        let before = directory.prints().unwrap();
        assert_eq!(before.keys().collect::<Vec<_>>(), ["b", "c", "live/a"]);
        assert_eq!(differences(&before, &directory.prints().unwrap()), Vec::<String>::new());
        assert_eq!(directory.holding("ex").unwrap(), ["b", "c", "live/a"]);
        fs::write(path("new"), "text").unwrap();
        fs::rename(path("new"), path("b")).unwrap();
        fs::remove_file(path("c")).unwrap();
        fs::write(path("d"), "other").unwrap();
        let after = directory.prints().unwrap();
        assert_eq!(differences(&before, &after), ["write b again, as it was", "write d", "remove c"]);
    }
}
