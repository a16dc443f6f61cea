//! Whose providers may run.

pub(crate) mod key;

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use crate::{
    Digest, Error, Reference, Registry, SigningKey,
    signature::{self, Signature},
};
use key::PublicKey;

/// The largest component whose detached signature is checked: the sandbox takes none larger.
const MAX_FILE: u64 = 512 << 20;

/// The public keys of an operator. Whatever one of them has signed may run, and nothing else.
#[derive(Debug, Clone)]
pub struct Trust {
    keys: Vec<PublicKey>,
}

/// What was signed, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The file of the public key.
    pub key: PathBuf,
    /// What was signed: the digest of an artifact's manifest, or that of a file.
    pub digest: Digest,
}

impl Trust {
    /// Reads public keys: PEM files (`BEGIN PUBLIC KEY`) with keys of ECDSA on P-256, or of Ed25519. Without any file
    /// nobody is trusted, and everything is refused.
    pub fn from_files(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut keys = Vec::new();
        for path in paths {
            keys.extend(PublicKey::read_all(path)?);
        }
        Ok(Self { keys })
    }

    pub(crate) fn of(key: PublicKey) -> Self {
        Self { keys: vec![key] }
    }

    /// Checks the signature of an artifact, of which `digest` is the manifest's digest. Signatures that were fetched
    /// before need no registry.
    pub async fn verify_artifact(
        &self,
        registry: &Registry,
        reference: &Reference,
        digest: Digest,
    ) -> Result<Verified, Error> {
        registry.verify(self, reference, digest).await
    }

    /// Checks the signature of a local component, which is in `<file>.sig` beside it: base64 of the signature, as
    /// `cosign sign-blob` and [`sign_file`] write it.
    ///
    /// The digest is that of the bytes that were checked. The file may be changed later, so compare it with the digest of
    /// what is loaded.
    pub fn verify_file(&self, path: &Path) -> Result<Verified, Error> {
        let content = read_file(path)?;
        let beside = signature_path(path);
        let text = fs::read_to_string(&beside).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => {
                Error::Unsigned { what: path.display().to_string(), missing: beside.display().to_string() }
            }
            _ => Error::File { path: beside.clone(), source },
        })?;
        let untrusted = |reason: String| Error::Untrusted { what: path.display().to_string(), reason };
        let signature =
            signature::decode(&text).map_err(|reason| untrusted(format!("{}: {reason}", beside.display())))?;
        match self.signer(&content, &signature) {
            Some(key) => Ok(Verified { key: key.path().to_owned(), digest: Digest::of(&content) }),
            None => {
                Err(untrusted(format!("{} was made by another key, or the file was changed since", beside.display())))
            }
        }
    }

    /// The first good one of an artifact's signatures; else why each is refused.
    pub(crate) fn judge(&self, signatures: &[Signature], digest: Digest) -> Result<Verified, Vec<String>> {
        let mut reasons = Vec::new();
        for signature in signatures {
            let Some(key) = self.signer(&signature.payload, &signature.signature) else {
                reasons.push("a signature was made by another key, or was changed since".to_owned());
                continue;
            };
            let by = key.path().display();
            match signature.signed_digest() {
                Ok(signed) if signed == digest => return Ok(Verified { key: key.path().to_owned(), digest }),
                Ok(signed) => reasons.push(format!("a signature by {by} is for another artifact, {signed}")),
                Err(reason) => reasons.push(format!("a signature by {by}: {reason}")),
            }
        }
        Err(reasons)
    }

    fn signer(&self, message: &[u8], signature: &[u8]) -> Option<&PublicKey> {
        self.keys.iter().find(|key| key.verify(message, signature))
    }
}

/// Signs a local component: writes `<file>.sig` beside it, and tells where that is.
pub fn sign_file(path: &Path, key: &SigningKey) -> Result<PathBuf, Error> {
    let signature = signature::encode(&key.sign(&read_file(path)?)?);
    let beside = signature_path(path);
    let wrong = |source| Error::File { path: beside.clone(), source };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let permissions = fs::metadata(path).map_err(wrong)?.permissions();
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(wrong)?;
    file.write_all(signature.as_bytes()).map_err(wrong)?;
    file.as_file().set_permissions(permissions).map_err(wrong)?;
    file.persist(&beside).map_err(|error| wrong(error.error))?;
    Ok(beside)
}

fn signature_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sig");
    name.into()
}

/// Reads a component, but none without end.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, Error> {
    let wrong = |source| Error::File { path: path.to_owned(), source };
    let mut content = Vec::new();
    let too_large = || io::Error::other(format!("it is larger than {MAX_FILE} bytes. Is it really a provider?"));
    let file = fs::File::open(path).map_err(wrong)?;
    if file.metadata().map_err(wrong)?.len() > MAX_FILE {
        return Err(wrong(too_large()));
    }
    file.take(MAX_FILE + 1).read_to_end(&mut content).map_err(wrong)?;
    if content.len() as u64 > MAX_FILE {
        return Err(wrong(too_large()));
    }
    Ok(content)
}

#[cfg(test)]
mod tests;
