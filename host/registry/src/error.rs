use std::{io, path::PathBuf};

use crate::{Digest, InvalidReference};

/// The longest text of a registry or an artifact that is repeated, in characters.
const LONGEST: usize = 300;

/// A stranger's text, fit for one line of a message.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().take(LONGEST).map(|character| if character.is_control() { ' ' } else { character }).collect()
}

const LARGER: &str = "A provider has a few megabytes; if this one is really meant, raise --registry-max-bytes";

/// Why an artifact could not be had, pushed or trusted. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text names no artifact.
    #[error(transparent)]
    Reference(#[from] InvalidReference),

    /// The cache cannot be read or written.
    #[error("cannot keep what is pulled: {}: {source}. Make room, or choose a writable directory", path.display())]
    Cache {
        /// The directory or the file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The file of credentials, or that of certificate authorities, cannot be used.
    #[error("{}: {reason}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do; never a credential.
        reason: String,
    },

    /// The registry does not have it.
    #[error("{registry} does not know {what}. Check the spelling, and that it was pushed")]
    NotFound {
        /// The registry, as in the reference.
        registry: String,
        /// What was asked for.
        what: String,
    },

    /// The registry, or the token server that it names, wants other credentials.
    #[error("{registry} refused {action}, asked {credential}: {answer}. {advice}")]
    Denied {
        /// The registry, as in the reference.
        registry: String,
        /// What was to be done.
        action: String,
        /// Who asked: anonymously, or a user and the file it comes from.
        credential: String,
        /// What the registry said.
        answer: String,
        /// What to do.
        advice: &'static str,
    },

    /// The artifact is something else.
    #[error(
        "{reference} is no provider: {found}. Push providers with `lb-controller provider push`, or with a tool of \
             the CNCF layout for WebAssembly artifacts"
    )]
    NotAProvider {
        /// The artifact.
        reference: String,
        /// What it is.
        found: String,
    },

    /// The content is not what its digest says.
    #[error(
        "{what}, from {registry}: the digest should be {expected} and is {found}. It was damaged or exchanged; \
             nothing of it is used. Push it anew, or find out who changed it"
    )]
    Corrupt {
        /// The registry, as in the reference.
        registry: String,
        /// What was read.
        what: String,
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },

    /// Less came than was announced.
    #[error(
        "{what}, from {registry}: {received} bytes of {expected} came. Try again; if that does not help, push it anew"
    )]
    Truncated {
        /// The registry, as in the reference.
        registry: String,
        /// What was read.
        what: String,
        /// The announced size in bytes.
        expected: u64,
        /// What came of it.
        received: u64,
    },

    /// More than is taken.
    #[error("{what} has {size} bytes, and {limit} at most are taken; nothing was downloaded. {}", LARGER)]
    TooLarge {
        /// What was to be read.
        what: String,
        /// Its size in bytes, as the manifest or the file system says.
        size: u64,
        /// The most that is taken, in bytes.
        limit: u64,
    },

    /// More came than the manifest says, or than is taken where it says nothing; the rest was not read.
    #[error(
        "{what}, from {registry}: more than the {limit} bytes came that were announced or are taken. It was damaged \
             or exchanged; nothing of it is used. Push it anew, or find out who changed it"
    )]
    Oversized {
        /// The registry, as in the reference.
        registry: String,
        /// What was read.
        what: String,
        /// Where reading ended, in bytes.
        limit: u64,
    },

    /// No secure connection.
    #[error("no secure connection to {registry}: {reason}")]
    Tls {
        /// The registry, as in the reference.
        registry: String,
        /// What is wrong and what to do.
        reason: String,
    },

    /// The registry cannot be reached, or cannot answer now. Trying later may help.
    #[error("{registry} cannot be reached: {reason}")]
    Unavailable {
        /// The registry, as in the reference.
        registry: String,
        /// How it failed.
        reason: String,
    },

    /// The registry answers what the protocol does not foresee.
    #[error("asked for {action}, {registry} answered {answer}. Is it a registry, and does it take OCI artifacts?")]
    Unexpected {
        /// The registry, as in the reference.
        registry: String,
        /// What was to be done.
        action: String,
        /// What it answered.
        answer: String,
    },

    /// Signatures are asked for, and there is none.
    #[error(
        "{what} is not signed: there is no {missing}. Have its author sign it, sign it yourself once you have \
             checked it, or run without --provider-trust"
    )]
    Unsigned {
        /// The artifact or the file.
        what: String,
        /// The tag or the file that would hold the signature.
        missing: String,
    },

    /// Signatures are asked for, and none of those there are is good.
    #[error(
        "{what} is not signed by a key of --provider-trust: {reason}. It is not used. Add the author's key if you \
             trust it, or find out who changed it"
    )]
    Untrusted {
        /// The artifact or the file.
        what: String,
        /// Why each signature is refused.
        reason: String,
    },

    /// A key cannot be used.
    #[error("the key {}: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do; never the key.
        reason: String,
    },

    /// A local file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// What is to be pushed is no provider.
    #[error("{} is not pushed: {reason}", path.display())]
    Package {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
}

impl Error {
    /// Whether the same may work later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Truncated { .. })
    }
}
