use std::path::{Path, PathBuf};

/// A component to load.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The file.
    pub path: &'a Path,
    /// What messages call it: the path, or where the file came from. Its last part names the provider until that has
    /// told its name.
    pub name: &'a Path,
    /// The SHA-256 that the content must have, in hexadecimal, where somebody has checked it before. A file that was
    /// exchanged since is refused before it is compiled.
    pub digest: Option<&'a str>,
}

impl<'a> From<&'a Path> for Source<'a> {
    fn from(path: &'a Path) -> Self {
        Self { path, name: path, digest: None }
    }
}

impl<'a> From<&'a PathBuf> for Source<'a> {
    fn from(path: &'a PathBuf) -> Self {
        Self::from(path.as_path())
    }
}
