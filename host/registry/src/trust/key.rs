//! Keys that sign, and keys that verify.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
        UnparsedPublicKey,
    },
};
use rustls_pki_types::{
    PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer,
    pem::{Error as PemError, PemObject},
};
use zeroize::Zeroizing;

use crate::Error;

/// What stands before the key in the DER of a `SubjectPublicKeyInfo` (RFC 5480): an uncompressed point on P-256 follows.
const P256_PREFIX: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
/// The same for Ed25519 (RFC 8410): 32 bytes follow.
const ED25519_PREFIX: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

const OTHER_KEY: &str = "it is of another kind than ECDSA on P-256 or Ed25519. Make one with `openssl genpkey -algorithm \
                         EC -pkeyopt ec_paramgen_curve:P-256` or with `cosign generate-key-pair`";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    P256,
    Ed25519,
}

/// A key that verifies.
#[derive(Debug, Clone)]
pub(crate) struct PublicKey {
    algorithm: Algorithm,
    key: Vec<u8>,
    path: PathBuf,
}

impl PublicKey {
    /// All keys of a PEM file, at least one.
    pub(crate) fn read_all(path: &Path) -> Result<Vec<Self>, Error> {
        let wrong = |reason: String| Error::Key { path: path.to_owned(), reason };
        let pem = fs::read(path).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
        let keys = SubjectPublicKeyInfoDer::pem_slice_iter(&pem).map(|der| {
            let der = der.map_err(|error| wrong(format!("it is no PEM file: {error}")))?;
            Self::from_der(&der, path).ok_or_else(|| wrong(OTHER_KEY.to_owned()))
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(wrong("it holds no public key; it must be a PEM file with BEGIN PUBLIC KEY".to_owned()));
        }
        Ok(keys)
    }

    fn from_der(der: &[u8], path: &Path) -> Option<Self> {
        let path = path.to_owned();
        let key = |algorithm, key: &[u8]| Some(Self { algorithm, key: key.to_owned(), path });
        match (der.strip_prefix(P256_PREFIX), der.strip_prefix(ED25519_PREFIX)) {
            (Some(point @ [4, ..]), _) if point.len() == 65 => key(Algorithm::P256, point),
            (_, Some(point)) if point.len() == 32 => key(Algorithm::Ed25519, point),
            _ => None,
        }
    }

    /// Whether this key made the signature of the message.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::P256 => UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.key).verify(message, signature),
            Algorithm::Ed25519 => UnparsedPublicKey::new(&ED25519, &self.key).verify(message, signature),
        }
        .is_ok()
    }

    /// The file it comes from.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// A private key that signs: ECDSA on P-256, or Ed25519.
pub struct SigningKey {
    pair: Pair,
    path: PathBuf,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Reads a PEM file in PKCS#8 (`BEGIN PRIVATE KEY`), not encrypted, as `openssl genpkey` writes it.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let wrong = |reason: &str| Error::Key { path: path.to_owned(), reason: reason.to_owned() };
        let pem = fs::read(path).map(Zeroizing::new);
        let pem = pem.map_err(|error| wrong(&format!("it cannot be read: {error}")))?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|error| match error {
            PemError::NoItemsFound => wrong(other_form(&pem)),
            error => wrong(&format!("it is no PEM file: {error}")),
        })?;
        let der = der.secret_pkcs8_der();
        let p256 = || EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &SystemRandom::new());
        let pair = match p256() {
            Ok(pair) => Pair::P256(pair),
            // Older tools write Ed25519 keys without the public half.
            Err(_) => Pair::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| wrong(OTHER_KEY))?),
        };
        Ok(Self { pair, path: path.to_owned() })
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature = match &self.pair {
            Pair::P256(pair) => pair.sign(&SystemRandom::new(), message),
            Pair::Ed25519(pair) => Ok(pair.sign(message)),
        };
        let reason = "it cannot sign: the system gives no random numbers".to_owned();
        signature
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_| Error::Key { path: self.path.clone(), reason })
    }

    /// The other half.
    pub(crate) fn public(&self) -> PublicKey {
        let (algorithm, key) = match &self.pair {
            Pair::P256(pair) => (Algorithm::P256, pair.public_key().as_ref()),
            Pair::Ed25519(pair) => (Algorithm::Ed25519, pair.public_key().as_ref()),
        };
        PublicKey { algorithm, key: key.to_vec(), path: self.path.clone() }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKey").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What to do with a PEM file that holds something else.
fn other_form(pem: &[u8]) -> &'static str {
    let has = |label: &str| pem.windows(label.len()).any(|window| window == label.as_bytes());
    if has("ENCRYPTED") {
        "it is encrypted, and no password is asked for. Sign with the tool that made it (`cosign sign --key`), or use a \
         key in PKCS#8 without a password, as `openssl genpkey` writes it"
    } else if has("BEGIN EC PRIVATE KEY") {
        "it is in the older form of OpenSSL. Make PKCS#8 of it with `openssl pkcs8 -topk8 -nocrypt`"
    } else if has("PUBLIC KEY") {
        "it is a public key; signing takes the private one"
    } else {
        "it holds no private key; it must be a PEM file with BEGIN PRIVATE KEY"
    }
}

#[cfg(test)]
mod tests;
