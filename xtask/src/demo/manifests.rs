//! A copy of the example manifests that the demo may edit.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// The directory that `lb-controller dev` watches.
pub(crate) struct Manifests {
    pub(crate) directory: PathBuf,
}

impl Manifests {
    pub(crate) fn copy(from: &Path, directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
            let entry = entry.with_context(|| format!("cannot read {}", from.display()))?;
            let path = entry.path();
            fs::copy(&path, directory.join(entry.file_name()))
                .with_context(|| format!("cannot copy {}", path.display()))?;
        }
        Ok(Self { directory: directory.to_path_buf() })
    }

    pub(crate) fn read(&self, name: &str) -> Result<String> {
        let path = self.directory.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Gives the line of a manifest that begins so, after its indentation, another value.
    pub(crate) fn edit(&self, name: &str, key: &str, value: &str) -> Result<()> {
        let text = self.read(name)?;
        let Some((before, rest)) = text.split_once(key) else { bail!("{name} has no line `{key}`") };
        let after = rest.split_once('\n').map_or("", |(_, after)| after);
        self.put(name, &format!("{before}{key}{value}\n{after}"))
    }

    /// Writes a manifest in one step, so that nobody reads half of it.
    pub(crate) fn put(&self, name: &str, text: &str) -> Result<()> {
        let path = self.directory.join(name);
        let staged = self.directory.with_extension("staged");
        fs::write(&staged, text).with_context(|| format!("cannot write {}", staged.display()))?;
        fs::rename(&staged, &path).with_context(|| format!("cannot write {}", path.display()))
    }

    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let path = self.directory.join(name);
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }
}
