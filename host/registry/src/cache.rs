//! What was pulled, on disk, by digest.
//!
//! ```text
//! <directory>/blobs/<64 digits>     manifests, components, signatures' payloads
//! <directory>/tags/<64 digits>      the digest that a tag had last; named by the digest of the reference
//! <directory>/partial/              downloads under way
//! ```
//!
//! A file comes into being by a rename, and is checked against its name whenever it is read. So nothing is flushed to
//! disk: what a power failure left half written is a file that is not there.

mod slot;

use std::{
    collections::HashMap,
    fs::{self, DirBuilder, File, FileTimes},
    io::{self, Read},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, SystemTime},
};

use tempfile::NamedTempFile;

use crate::{Digest, Error, digest::Digesting};
pub(crate) use slot::Slot;

/// After this time nobody downloads into a partial file any more: a download may take less.
const ABANDONED: Duration = Duration::from_hours(1);

pub(crate) struct Cache {
    directory: PathBuf,
    max_bytes: u64,
    slots: Mutex<HashMap<Digest, Weak<Slot>>>,
}

impl Cache {
    /// Opens a cache, or begins one that only this user can read.
    pub(crate) fn open(directory: &Path, max_bytes: u64) -> Result<Self, Error> {
        let cache = Self { directory: directory.to_owned(), max_bytes, slots: Mutex::default() };
        for part in ["blobs", "tags", "partial"] {
            let path = directory.join(part);
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(|source| Error::Cache { path, source })?;
        }
        cache.remove_abandoned()?;
        Ok(cache)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The place of one content. While it is held, the content is not removed.
    pub(crate) fn slot(&self, digest: Digest) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&digest).and_then(Weak::upgrade) {
            return slot;
        }
        slots.retain(|_, slot| slot.strong_count() > 0);
        let slot = Arc::new(Slot::new(digest));
        slots.insert(digest, Arc::downgrade(&slot));
        slot
    }

    /// The file of a content, if it is there and whole; it counts as used now.
    pub(crate) fn find(&self, digest: Digest) -> Result<Option<PathBuf>, Error> {
        let path = self.blob(digest);
        let Some(mut file) = open(&path)? else { return Ok(None) };
        let mut digesting = Digesting::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => digesting.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Cache { path, source }),
            }
        }
        judge(&path, &file, digest, digesting.finish()).map(|good| good.then_some(path))
    }

    /// A content that is small.
    pub(crate) fn read(&self, digest: Digest) -> Result<Option<Vec<u8>>, Error> {
        let path = self.blob(digest);
        let Some(mut file) = open(&path)? else { return Ok(None) };
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(|source| Error::Cache { path: path.clone(), source })?;
        judge(&path, &file, digest, Digest::of(&content)).map(|good| good.then_some(content))
    }

    /// A file to download into.
    pub(crate) fn begin(&self) -> Result<NamedTempFile, Error> {
        let path = self.directory.join("partial");
        NamedTempFile::new_in(&path).map_err(|source| Error::Cache { path, source })
    }

    /// Takes a file whose content has this digest, and makes room for it.
    pub(crate) fn commit(&self, partial: tempfile::TempPath, digest: Digest) -> Result<PathBuf, Error> {
        let path = self.blob(digest);
        partial.persist(&path).map_err(|error| Error::Cache { path: path.clone(), source: error.error })?;
        self.make_room(digest)?;
        Ok(path)
    }

    /// Takes a content that is small.
    pub(crate) fn write(&self, content: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(content);
        let partial = self.begin()?;
        fs::write(partial.path(), content)
            .map_err(|source| Error::Cache { path: partial.path().to_owned(), source })?;
        self.commit(partial.into_temp_path(), digest)?;
        Ok(digest)
    }

    /// Keeps the digest that a tag has, for when the registry cannot be asked.
    pub(crate) fn remember(&self, tag: &str, digest: Digest) -> Result<(), Error> {
        let path = self.tag(tag);
        if open_text(&path)?.is_some_and(|text| text == line(tag, digest)) {
            return Ok(());
        }
        let partial = self.begin()?;
        let wrong = |source| Error::Cache { path: path.clone(), source };
        fs::write(partial.path(), line(tag, digest)).map_err(wrong)?;
        partial.persist(&path).map_err(|error| wrong(error.error))?;
        Ok(())
    }

    /// The digest that a tag had last.
    pub(crate) fn remembered(&self, tag: &str) -> Result<Option<Digest>, Error> {
        let text = open_text(&self.tag(tag))?;
        // The whole line has to be as it was written, so that half of one is none.
        let read = |text: String| {
            let digest = text.split_once(' ')?.0.parse().ok()?;
            (text == line(tag, digest)).then_some(digest)
        };
        Ok(text.and_then(read))
    }

    /// Removes what was used longest ago, until the rest fits. What is held stays, and so does `newest`.
    fn make_room(&self, newest: Digest) -> Result<(), Error> {
        let directory = self.directory.join("blobs");
        let wrong = |source| Error::Cache { path: directory.clone(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(&directory).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            // Another process may have removed it meanwhile.
            let Ok(metadata) = entry.metadata() else { continue };
            files.push((metadata.modified().map_err(wrong)?, metadata.len(), entry.path()));
        }
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        files.sort();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| slot.strong_count() > 0);
        let stays = |path: &Path| path == self.blob(newest) || slots.keys().any(|held| path == self.blob(*held));
        for (_, size, path) in files {
            if total <= self.max_bytes {
                break;
            }
            if !stays(&path) {
                remove(&path).map_err(|source| Error::Cache { path, source })?;
                total -= size;
            }
        }
        Ok(())
    }

    /// Removes what a process that was killed left, and tags whose content is gone.
    fn remove_abandoned(&self) -> Result<(), Error> {
        let files = |part: &str| {
            let path = self.directory.join(part);
            let entries = fs::read_dir(&path).map_err(|source| Error::Cache { path, source })?;
            Ok::<_, Error>(entries.filter_map(Result::ok).map(|entry| entry.path()))
        };
        for path in files("partial")? {
            let age = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
            if age.and_then(|modified| modified.elapsed().ok()).is_some_and(|age| age > ABANDONED) {
                remove(&path).map_err(|source| Error::Cache { path, source })?;
            }
        }
        for path in files("tags")? {
            let digest = open_text(&path)?.and_then(|text| text.split_once(' ')?.0.parse().ok());
            if digest.is_none_or(|digest| !self.blob(digest).exists()) {
                remove(&path).map_err(|source| Error::Cache { path, source })?;
            }
        }
        Ok(())
    }

    fn blob(&self, digest: Digest) -> PathBuf {
        self.directory.join("blobs").join(digest.hex())
    }

    fn tag(&self, tag: &str) -> PathBuf {
        self.directory.join("tags").join(Digest::of(tag.as_bytes()).hex())
    }
}

/// Whether a file holds what its name says. If so it is the last that is removed, else it is removed now.
fn judge(path: &Path, file: &File, expected: Digest, found: Digest) -> Result<bool, Error> {
    let wrong = |source| Error::Cache { path: path.to_owned(), source };
    if found == expected {
        let now = FileTimes::new().set_modified(SystemTime::now());
        file.set_times(now).map_err(wrong)?;
        return Ok(true);
    }
    tracing::warn!(path = %path.display(), "a cached file is damaged and is fetched anew");
    remove(path).map_err(wrong)?;
    Ok(false)
}

fn line(tag: &str, digest: Digest) -> String {
    format!("{digest} {tag}\n")
}

fn open(path: &Path) -> Result<Option<File>, Error> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Cache { path: path.to_owned(), source }),
    }
}

/// The text of a file; one that is no text holds nothing.
fn open_text(path: &Path) -> Result<Option<String>, Error> {
    match fs::read(path) {
        Ok(content) => Ok(String::from_utf8(content).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Cache { path: path.to_owned(), source }),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
