use std::{
    collections::HashSet,
    os::fd::OwnedFd,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::{fs::FileType, io::Result};

use super::entries;

/// How much a directory holds. Only an upper bound is kept, which every write raises; it is counted exactly when it
/// reaches the limit, so that what was removed or replaced need not be followed.
pub(super) struct Usage {
    bound: AtomicU64,
    counting: Mutex<()>,
}

impl Usage {
    pub(super) fn count(root: &OwnedFd) -> Result<Self> {
        Ok(Self { bound: AtomicU64::new(count(root)?), counting: Mutex::new(()) })
    }

    /// Takes so many bytes. `false`: they would be more than `most` in all, and nothing was taken.
    pub(super) fn take(&self, root: &OwnedFd, bytes: u64, most: u64) -> Result<bool> {
        let bytes = blocks(bytes);
        if self.add(bytes, most) {
            return Ok(true);
        }
        let _counting = self.counting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.bound.store(count(root)?, Ordering::Relaxed);
        Ok(self.add(bytes, most))
    }

    /// Takes a directory, whatever the limit.
    pub(super) fn add_directory(&self) {
        self.add(blocks(0), u64::MAX);
    }

    fn add(&self, bytes: u64, most: u64) -> bool {
        let sum = |bound: u64| bound.checked_add(bytes).filter(|sum| *sum <= most);
        self.bound.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum).is_ok()
    }
}

/// A file takes whole blocks and an empty one takes one, so that the limit bounds the number of files too.
fn blocks(bytes: u64) -> u64 {
    const BLOCK: u64 = 4096;
    bytes.div_ceil(BLOCK).max(1).saturating_mul(BLOCK)
}

/// Counts a file with several links once.
fn count(root: &OwnedFd) -> Result<u64> {
    let mut sum = 0_u64;
    let mut linked = HashSet::new();
    entries::visit(root, &mut |directory, entry| {
        if entry.kind == FileType::Directory {
            sum = sum.saturating_add(blocks(0));
        } else if entry.kind == FileType::RegularFile
            && let Some(status) = entries::status(directory, &*entry.name)?
            && (status.st_nlink == 1 || linked.insert(status.st_ino))
        {
            sum = sum.saturating_add(blocks(u64::try_from(status.st_size).unwrap_or(0)));
        }
        Ok(())
    })?;
    Ok(sum)
}
