//! A plugin directory that a test changes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::{controller::plugins, provider};

/// A plugin directory of one's own, with the built provider of the run in it.
pub struct PluginDirectory(tempfile::TempDir);

impl PluginDirectory {
    /// With the provider as it was built.
    pub fn new() -> Result<Self> {
        let (directory, name) = (tempfile::tempdir()?, provider::name());
        let built = provider::plugin_directory(&name, directory.path())?;
        for file in [format!("{name}.wasm"), format!("{name}.yaml")] {
            fs::copy(built.join(&file), directory.path().join(&file))?;
        }
        Ok(Self(directory))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts a component in the place of the one there, in one step as a package manager does.
    pub fn replace(&self, content: &[u8]) -> Result<()> {
        let staged = self.path().join(".staged");
        fs::write(&staged, content)?;
        fs::rename(staged, self.component())?;
        Ok(())
    }

    /// The component.
    pub fn component(&self) -> PathBuf {
        self.path().join(format!("{}.wasm", provider::name()))
    }

    /// The configuration beside it.
    pub fn sidecar(&self) -> PathBuf {
        self.component().with_extension("yaml")
    }
}

/// The provider of the run as another build of it: the same code, and a custom section that makes its digest another one.
pub fn build(number: u32) -> Result<Vec<u8>> {
    let mut component = fs::read(plugins()?.join(format!("{}.wasm", provider::name())))?;
    let content = [&[5][..], b"build", &number.to_le_bytes()].concat();
    component.extend([0, u8::try_from(content.len())?]);
    component.extend(content);
    Ok(component)
}
