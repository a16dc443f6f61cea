use std::{io, path::PathBuf};

use lb_model::provider::CallError;

use crate::configuration::InvalidConfiguration;

/// Why a provider could not be loaded. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine refused the host's own options.
    #[error("cannot set up the WebAssembly engine: {0}")]
    Engine(String),

    /// The cache of compiled providers cannot be used.
    #[error("cannot keep compiled providers in {}: {reason}. Choose a writable directory, or none", path.display())]
    Cache {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },

    /// The configuration holds a value that cannot be used.
    #[error("the provider's configuration: {0}")]
    Configuration(#[from] InvalidConfiguration),

    /// There is no such file.
    #[error("there is no provider at {}. Give the name of a bundled provider, or the path of a .wasm file", .0.display())]
    NotFound(PathBuf),

    /// The file cannot be read.
    #[error("cannot read the provider {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The file is not the one that was checked.
    #[error(
        "{} was changed after it was checked: its digest should be sha256:{expected} and is sha256:{found}. Nothing of it \
         was used. Try again if somebody just replaced it; else find out who did", path.display()
    )]
    Exchanged {
        /// The file.
        path: PathBuf,
        /// The digest of what was checked, in hexadecimal.
        expected: String,
        /// The digest of what is there, in hexadecimal.
        found: String,
    },

    /// The file holds something else.
    #[error("{} is not a WebAssembly component: {found}", path.display())]
    NotAComponent {
        /// The file.
        path: PathBuf,
        /// What it is instead, and how to make a component of it.
        found: String,
    },

    /// The file says it is a component and is none that the engine accepts.
    #[error("{} cannot be compiled: {reason}. Build it anew", path.display())]
    Compile {
        /// The file.
        path: PathBuf,
        /// What the compiler said.
        reason: String,
    },

    /// It is a component of another world, or of another version of ours.
    #[error("{} is not a provider of this version: {reason}", path.display())]
    World {
        /// The file.
        path: PathBuf,
        /// What it has and what it should have.
        reason: String,
    },

    /// It imports what no operator can grant.
    #[error(
        "the provider {} imports what is not in the contract: {}. Providers may import the interfaces of \
         lb-controller:provider@{} and WASI 0.2",
        path.display(), imports.join(", "), crate::CONTRACT_VERSION
    )]
    UnknownImports {
        /// The file.
        path: PathBuf,
        /// The imports, as they stand in the component.
        imports: Vec<String>,
    },

    /// It imports what it was not granted.
    #[error("the provider {} was not granted: {}.\n{advice}", path.display(), missing.join(", "))]
    NotGranted {
        /// The file.
        path: PathBuf,
        /// The capabilities that are missing.
        missing: Vec<String>,
        /// The configuration that would grant them.
        advice: String,
    },

    /// The granted directory cannot be used.
    #[error("the granted directory {}: {reason}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },

    /// The provider could not say what it is, or whether its settings are good.
    #[error("the provider {} failed in `{function}`: {source}", path.display())]
    Call {
        /// The file.
        path: PathBuf,
        /// The function of the contract.
        function: &'static str,
        /// How it failed.
        source: CallError,
    },

    /// What the provider says of itself cannot be true.
    #[error("the provider {} describes itself wrongly: {reason}", path.display())]
    Descriptor {
        /// The file.
        path: PathBuf,
        /// What its author has to change.
        reason: String,
    },

    /// The provider refuses its settings.
    #[error("the provider {provider} refuses its settings: {message}")]
    Settings {
        /// Its name.
        provider: String,
        /// What it says; names the key.
        message: String,
    },
}
