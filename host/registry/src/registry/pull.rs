use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Registry, within_limit};
use crate::{
    Digest, Error, Proposal, Reference, Trust, Verified,
    cache::Slot,
    client::{Scope, Session, transfer::BlobError},
    manifest::{CONFIGURATION, Descriptor, Manifest},
};

/// How the digest of an artifact was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The reference has it.
    Pinned,
    /// The registry says that the tag has it now.
    Current,
    /// The registry cannot be asked; the tag had it when it was last asked.
    Remembered,
}

/// An artifact that was pulled.
///
/// While it is held, its file stays in the cache; hold it until the component is loaded.
#[derive(Debug, Clone)]
pub struct Pulled {
    digest: Digest,
    resolution: Resolution,
    signed_by: Option<Verified>,
    proposal: Option<Proposal>,
    annotations: BTreeMap<String, String>,
    path: PathBuf,
    component: Arc<Slot>,
}

impl Pulled {
    /// The component, in the cache. No file lies beside it, so that nothing is taken for its configuration.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The digest of the artifact, by which it can be pulled again.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The digest of the component's bytes; to be compared with that of what was loaded.
    pub fn component_digest(&self) -> Digest {
        self.component.digest()
    }

    /// How the digest was found.
    pub fn resolution(&self) -> Resolution {
        self.resolution
    }

    /// Who signed it, if that was asked for.
    pub fn signed_by(&self) -> Option<&Verified> {
        self.signed_by.as_ref()
    }

    /// The configuration that its author proposes. It grants nothing by itself, see [`Proposal`].
    pub fn proposal(&self) -> Option<&Proposal> {
        self.proposal.as_ref()
    }

    /// What its author wrote on it, such as `org.opencontainers.image.version`; not checked by anybody.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }
}

impl Registry {
    /// The digest that a reference has now. What cannot be asked now is what it was last, with a warning.
    pub async fn resolve(&self, reference: &Reference) -> Result<(Digest, Resolution), Error> {
        within_limit(reference, self.resolve_in(&self.session(reference, Scope::Pull))).await
    }

    /// Brings a component here, if it is not here already.
    ///
    /// With a `trust`, an artifact that none of its keys signed is refused, and only its signatures are downloaded.
    /// Nothing is asked of the registry for a digest whose content, and signature if it needs one, are in the cache.
    pub async fn pull(&self, reference: &Reference, trust: Option<&Trust>) -> Result<Pulled, Error> {
        within_limit(reference, self.pull_in(reference, trust)).await
    }

    async fn pull_in(&self, reference: &Reference, trust: Option<&Trust>) -> Result<Pulled, Error> {
        let session = self.session(reference, Scope::Pull);
        let (digest, resolution) = self.resolve_in(&session).await?;
        let signed_by = match trust {
            Some(trust) => Some(self.verify_in(&session, trust, digest).await?),
            None => None,
        };
        let manifest = self.manifest(&session, digest).await?;
        let pinned = reference.at(digest);
        let layer = manifest.component(&pinned)?;
        let proposal = manifest.annotations.get(CONFIGURATION).map(|text| Proposal::read(text)).transpose();
        let proposal = proposal.map_err(|reason| Error::NotAProvider {
            reference: pinned.to_string(),
            found: format!("the configuration it proposes is none: {reason}"),
        })?;
        let what = format!("the component of {pinned}");
        let (path, component) = self.fetch(&session, layer, &what, self.max_component_bytes).await?;
        let annotations = manifest.annotations;
        Ok(Pulled { digest, resolution, signed_by, proposal, annotations, path, component })
    }

    async fn resolve_in(&self, session: &Session<'_>) -> Result<(Digest, Resolution), Error> {
        let reference = session.reference();
        if let Some(digest) = reference.digest() {
            return Ok((digest, Resolution::Pinned));
        }
        let tag = reference.tag().expect("a reference without a digest has a tag");
        match self.ask_tag(session, tag, &format!("the artifact {reference}")).await {
            Ok((digest, _)) => Ok((digest, Resolution::Current)),
            Err(error @ Error::Unavailable { .. }) => match self.remembered(session, tag).await? {
                Some(digest) => {
                    tracing::warn!(%reference, %digest, %error, "the registry cannot be asked; using what the tag was last");
                    Ok((digest, Resolution::Remembered))
                }
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// What a tag is now. It is kept, and so is what it was.
    pub(super) async fn ask_tag(
        &self,
        session: &Session<'_>,
        tag: &str,
        what: &str,
    ) -> Result<(Digest, Vec<u8>), Error> {
        let (content, _) = session.manifest(tag, what).await?;
        let key = format!("{}:{tag}", session.reference().name());
        self.cached(move |cache| {
            let digest = cache.write(&content)?;
            cache.remember(&key, digest)?;
            Ok((digest, content))
        })
        .await
    }

    /// What a tag was when it was last asked for.
    pub(super) async fn remembered(&self, session: &Session<'_>, tag: &str) -> Result<Option<Digest>, Error> {
        let key = format!("{}:{tag}", session.reference().name());
        self.cached(move |cache| cache.remembered(&key)).await
    }

    async fn manifest(&self, session: &Session<'_>, digest: Digest) -> Result<Manifest, Error> {
        let pinned = session.reference().at(digest);
        if let Some(content) = self.cached(move |cache| cache.read(digest)).await? {
            return Manifest::read(&pinned, &content);
        }
        let (content, _) = session.manifest(&digest.to_string(), &format!("the artifact {pinned}")).await?;
        let manifest = Manifest::read(&pinned, &content)?;
        self.cached(move |cache| cache.write(&content)).await?;
        Ok(manifest)
    }

    /// A blob in the cache; downloaded once, however many ask for it at the same time.
    pub(super) async fn fetch(
        &self,
        session: &Session<'_>,
        descriptor: &Descriptor,
        what: &str,
        limit: u64,
    ) -> Result<(PathBuf, Arc<Slot>), Error> {
        let Descriptor { digest, size, .. } = *descriptor;
        if size > limit {
            return Err(Error::TooLarge { what: what.to_owned(), size, limit });
        }
        let slot = self.cache.slot(digest);
        let filling = slot.fill().await;
        if let Some(path) = self.cached(move |cache| cache.find(digest)).await? {
            drop(filling);
            return Ok((path, slot));
        }
        let (file, partial) = self.cached(crate::cache::Cache::begin).await?.into_parts();
        let mut file = tokio::fs::File::from_std(file);
        session.blob(descriptor, what, &mut file).await.map_err(|error| match error {
            BlobError::Source(error) => error,
            BlobError::Sink(source) => Error::Cache { path: partial.to_path_buf(), source },
        })?;
        drop(file);
        let path = self.cached(move |cache| cache.commit(partial, digest)).await?;
        drop(filling);
        Ok((path, slot))
    }
}
