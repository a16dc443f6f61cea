use std::collections::{BTreeMap, BTreeSet};

use crate::{
    names::{CERTIFICATES, HTTP_HOSTS, HTTP_LISTENERS, STREAM_HOSTS, STREAM_LISTENERS},
    rejections::Rejections,
};

/// What a change does to the tree.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Files that must be there, by path in the tree.
    pub(crate) files: BTreeMap<String, Content>,
    /// Whether everything else goes.
    complete: bool,
    /// What goes otherwise: paths, and beginnings of paths up to the first digest of the file name.
    gone: BTreeSet<String>,
    /// What cannot be served.
    pub(crate) rejections: Rejections,
    /// What cannot be served and has no object that could be told.
    pub(crate) complaints: Vec<String>,
}

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The private key of the certificate with this id.
    PrivateKey(String),
}

impl Plan {
    /// An empty plan; everything else goes if it is complete.
    pub(crate) fn new(complete: bool) -> Self {
        Self { complete, ..Self::default() }
    }

    /// The file must be there.
    pub(crate) fn put(&mut self, path: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), Content::Bytes(content.into()));
    }

    /// The file must not be there.
    pub(crate) fn remove(&mut self, path: impl Into<String>) {
        self.gone.insert(path.into());
    }

    /// Nothing of the certificate must be there but what is put.
    pub(crate) fn remove_certificate(&mut self, digest: &str) {
        self.gone.insert(format!("{CERTIFICATES}/{digest}"));
    }

    /// Nothing of the listener must be there among the HTTP files but what is put.
    pub(crate) fn remove_http_listener(&mut self, digest: &str) {
        self.gone.extend([HTTP_LISTENERS, HTTP_HOSTS].map(|directory| format!("{directory}/{digest}")));
    }

    /// Nothing of the listener must be there among the stream files but what is put.
    pub(crate) fn remove_stream_listener(&mut self, digest: &str) {
        self.gone.extend([STREAM_LISTENERS, STREAM_HOSTS].map(|directory| format!("{directory}/{digest}")));
    }

    /// Whether a file that is there has to go.
    pub(crate) fn removes(&self, path: &str) -> bool {
        !self.files.contains_key(path)
            && (self.complete || self.gone.contains(path) || self.gone.contains(first_digest(path)))
    }
}

/// A path up to the end of the digest that its file name begins with.
fn first_digest(path: &str) -> &str {
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let end = path[name..].find(['.', '-']).map_or(path.len(), |end| name + end);
    &path[..end]
}
