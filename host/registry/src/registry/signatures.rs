use super::{Registry, within_limit};
use crate::{
    Digest, Error, Reference, SigningKey, Trust, Verified,
    client::{Scope, Session},
    manifest::Manifest,
    signature::{self, MAX_SIGNATURES, Signature},
};

/// Signatures of an artifact, and why others are none.
#[derive(Default)]
struct Found {
    signatures: Vec<Signature>,
    refused: Vec<String>,
}

impl Registry {
    pub(crate) async fn verify(&self, trust: &Trust, reference: &Reference, digest: Digest) -> Result<Verified, Error> {
        let session = self.session(reference, Scope::Pull);
        within_limit(reference, self.verify_in(&session, trust, digest)).await
    }

    pub(super) async fn verify_in(
        &self,
        session: &Session<'_>,
        trust: &Trust,
        digest: Digest,
    ) -> Result<Verified, Error> {
        let tag = signature::tag_of(digest);
        // A good signature stays good, so what was fetched once is enough, and needs no registry.
        if let Some(manifest) = self.remembered(session, &tag).await?
            && let Some(content) = self.cached(move |cache| cache.read(manifest)).await?
            && let Ok(verified) = trust.judge(&self.found(session, &content, false).await?.signatures, digest)
        {
            return Ok(verified);
        }
        let what = session.reference().at(digest).to_string();
        let content = match self.ask_tag(session, &tag, &format!("the signatures of {what}")).await {
            Ok((_, content)) => content,
            Err(Error::NotFound { .. }) => return Err(Error::Unsigned { what, missing: format!("tag {tag}") }),
            Err(error) => return Err(error),
        };
        let Found { signatures, mut refused } = self.found(session, &content, true).await?;
        trust.judge(&signatures, digest).map_err(|reasons| {
            refused.extend(reasons);
            if refused.is_empty() {
                return Error::Unsigned { what, missing: format!("signature in the tag {tag}") };
            }
            refused.dedup();
            Error::Untrusted { what, reason: refused.join("; ") }
        })
    }

    /// The signatures that a manifest lists. A damaged one does not keep the others from being read.
    async fn found(&self, session: &Session<'_>, manifest: &[u8], online: bool) -> Result<Found, Error> {
        let mut found = Found::default();
        let manifest = match Manifest::read(session.reference(), manifest) {
            Ok(manifest) => manifest,
            Err(error) => {
                found.refused.push(error.to_string());
                return Ok(found);
            }
        };
        for (layer, signature) in signature::layers(&manifest) {
            let signature = match signature {
                Ok(signature) => signature,
                Err(reason) => {
                    found.refused.push(format!("a signature is none: {reason}"));
                    continue;
                }
            };
            let mut _held = None;
            if online {
                match self.fetch(session, layer, "the payload of a signature", layer.size).await {
                    Ok((_, slot)) => _held = Some(slot),
                    Err(error @ (Error::Cache { .. } | Error::Unavailable { .. })) => return Err(error),
                    Err(error) => {
                        found.refused.push(error.to_string());
                        continue;
                    }
                }
            }
            let digest = layer.digest;
            if let Some(payload) = self.cached(move |cache| cache.read(digest)).await? {
                found.signatures.push(Signature { payload, signature });
            }
        }
        Ok(found)
    }

    /// Signs an artifact that is in the registry already. An artifact that this key has signed stays as it is; signatures
    /// of others stay beside ours.
    ///
    /// The layout keeps all signatures of an artifact under one tag, so two signers at the same moment may lose one of the
    /// two: sign one after the other.
    pub async fn sign(&self, reference: &Reference, digest: Digest, key: &SigningKey) -> Result<(), Error> {
        let session = self.session(reference, Scope::Push);
        within_limit(reference, self.sign_in(&session, digest, key)).await
    }

    pub(super) async fn sign_in(&self, session: &Session<'_>, digest: Digest, key: &SigningKey) -> Result<(), Error> {
        let tag = signature::tag_of(digest);
        let what = format!("the signatures of {}", session.reference().at(digest));
        let existing = match self.ask_tag(session, &tag, &what).await {
            Ok((_, content)) => {
                let found = self.found(session, &content, true).await?;
                if Trust::of(key.public()).judge(&found.signatures, digest).is_ok() {
                    return Ok(());
                }
                Some(Manifest::read(session.reference(), &content)?)
            }
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        if existing.as_ref().is_some_and(|manifest| manifest.layers.len() >= MAX_SIGNATURES) {
            return Err(Error::Unexpected {
                registry: session.registry(),
                action: what,
                answer: format!("{MAX_SIGNATURES} of them already, which is the most that are looked at"),
            });
        }
        let signature = Signature::make(session.reference(), digest, key)?;
        let (manifest, config) = signature.add_to(existing);
        session.put_blob(signature.payload.into(), &what).await?;
        session.put_blob(config.into(), &what).await?;
        session.put_manifest(&tag, manifest.write(), &what).await
    }
}
