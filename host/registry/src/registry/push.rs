use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{Registry, within_limit};
use crate::{
    Digest, Error, Proposal, Reference, SigningKey,
    client::{Scope, Session},
    component::Config,
    manifest::{CONFIGURATION, Descriptor, Manifest, WASM, WASM_CONFIG},
    trust::read_file,
};

const TITLE: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";
const SOURCE: &str = "org.opencontainers.image.source";

/// A component that is ready to be pushed. The same files make the same digest.
#[derive(Clone)]
pub struct Package {
    path: PathBuf,
    component: Bytes,
    config: Bytes,
    annotations: BTreeMap<String, String>,
}

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of the artifact, by which it is pulled.
    pub digest: Digest,
    /// The digest of the component's bytes.
    pub component_digest: Digest,
}

impl Package {
    /// Reads a component, and the configuration beside it if there is one (`nginx.yaml` for `nginx.wasm`), which becomes
    /// the [`Proposal`] of the artifact.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let beside = path.with_extension("yaml");
        match fs::exists(&beside) {
            Ok(true) => Self::from_files(path, Some(&beside)),
            Ok(false) => Self::from_files(path, None),
            Err(source) => Err(Error::File { path: beside, source }),
        }
    }

    /// Reads a component, and the configuration that becomes the [`Proposal`] of the artifact, if there is to be one.
    pub fn from_files(path: &Path, configuration: Option<&Path>) -> Result<Self, Error> {
        let wrong = |path: &Path, reason: String| Error::Package { path: path.to_owned(), reason };
        let component = read_file(path)?;
        let config = Config::of(&component).map_err(|reason| wrong(path, reason))?;
        let mut annotations = BTreeMap::new();
        if let Some(name) = path.file_name() {
            annotations.insert(TITLE.to_owned(), name.to_string_lossy().into_owned());
        }
        if let Some(configuration) = configuration {
            let text = fs::read_to_string(configuration);
            let text = text.map_err(|source| Error::File { path: configuration.to_owned(), source })?;
            Proposal::read(&text).map_err(|reason| wrong(configuration, reason))?;
            annotations.insert(CONFIGURATION.to_owned(), text);
        }
        Ok(Self { path: path.to_owned(), component: component.into(), config: config.write().into(), annotations })
    }

    /// The version that people see.
    #[must_use]
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.annotations.insert(VERSION.to_owned(), version.into());
        self
    }

    /// The URL of its source code.
    #[must_use]
    pub fn with_source(mut self, url: impl Into<String>) -> Self {
        self.annotations.insert(SOURCE.to_owned(), url.into());
        self
    }

    fn manifest(&self) -> Manifest {
        let config = Descriptor::of(WASM_CONFIG, &self.config);
        Manifest::new(config, vec![Descriptor::of(WASM, &self.component)], self.annotations.clone())
    }
}

impl fmt::Debug for Package {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Package");
        shown.field("path", &self.path).field("annotations", &self.annotations).finish_non_exhaustive()
    }
}

impl Registry {
    /// Pushes a component to the tag of a reference. With a key it is signed before it has the tag, so that nobody who
    /// pulls the tag finds it unsigned.
    pub async fn push(
        &self,
        reference: &Reference,
        package: &Package,
        key: Option<&SigningKey>,
    ) -> Result<Pushed, Error> {
        within_limit(reference, self.push_in(reference, package, key)).await
    }

    async fn push_in(
        &self,
        reference: &Reference,
        package: &Package,
        key: Option<&SigningKey>,
    ) -> Result<Pushed, Error> {
        let refused = |reason: String| Err(Error::Package { path: package.path.clone(), reason });
        if reference.digest().is_some() {
            return refused(format!("{reference} has a digest; give a tag, the digest follows from the content"));
        }
        let size = package.component.len() as u64;
        if size > self.max_component_bytes {
            return refused(format!("it has {size} bytes, and {} at most would be pulled", self.max_component_bytes));
        }
        let tag = reference.tag().expect("a reference without a digest has a tag");
        let session: Session<'_> = self.session(reference, Scope::Push);
        let what = format!("the push of {reference}");
        session.put_blob(package.component.clone(), &what).await?;
        session.put_blob(package.config.clone(), &what).await?;
        let manifest = package.manifest().write();
        let digest = Digest::of(&manifest);
        if let Some(key) = key {
            session.put_manifest(&digest.to_string(), manifest.clone(), &what).await?;
            self.sign_in(&session, digest, key).await?;
        }
        session.put_manifest(tag, manifest, &what).await?;
        Ok(Pushed { digest, component_digest: Digest::of(&package.component) })
    }
}
