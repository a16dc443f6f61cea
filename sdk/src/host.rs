//! The capabilities that a provider may be granted. `wit/` says what each function means, down to its errors; the doubles
//! for native tests are in `testing`.

use crate::{FileError, HttpError, KeyError, Level, PutOutcome, Report, Request, Response, ServiceError, StartOutcome};

/// Everything that a host can grant. The component imports the capabilities that the provider takes from here, and only
/// those.
pub trait Host {
    /// The granted directory.
    fn files(&self) -> &dyn Files;
    /// The granted local programs.
    fn services(&self) -> &dyn Services;
    /// Private keys for a local data plane.
    fn keys(&self) -> &dyn Keys;
    /// Private keys for a remote API.
    fn key_reveal(&self) -> &dyn KeyReveal;
    /// The granted HTTP APIs.
    fn http(&self) -> &dyn Http;
    /// Who the provider works for; always granted.
    fn identity(&self) -> &dyn Identity;
    /// The log; always granted.
    fn log(&self) -> &dyn Log;
    /// Time; always granted.
    fn clock(&self) -> &dyn Clock;
    /// Randomness; always granted.
    fn random(&self) -> &dyn Random;
}

/// One directory, and nothing above it: `wit/files.wit`.
pub trait Files {
    /// The content of a file.
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError>;
    /// The names in a directory, ordered; those of directories end with `/`. Empty if it is not there.
    fn list(&self, path: &str) -> Result<Vec<String>, FileError>;
    /// Replaces a file in one step, and makes the directories above it.
    fn put(&self, path: &str, content: &[u8]) -> Result<PutOutcome, FileError>;
    /// Removes a file, or a directory with all that is in it, if it is there.
    fn remove(&self, path: &str) -> Result<(), FileError>;
    /// A private copy of a tree, to change and check before it goes live.
    fn stage(&self, tree: &str) -> Result<String, FileError>;
    /// Makes a staged copy the live tree in one step; returns the old one, which can be activated again.
    fn activate(&self, tree: &str, staged: &str) -> Result<Option<String>, FileError>;
    /// Drops a staged copy, or the tree that `activate` returned.
    fn discard(&self, staged: &str) -> Result<(), FileError>;
}

/// Local programs that the host supervises: `wit/services.wit`.
pub trait Services {
    /// Starts the service unless it runs, and waits until it is ready.
    fn start(&self, service: &str) -> Result<StartOutcome, ServiceError>;
    /// Runs the service's check on a path of the granted directory.
    fn check(&self, service: &str, path: &str) -> Result<Report, ServiceError>;
    /// Has the service read its configuration again, and waits until it did or refused.
    fn reload(&self, service: &str) -> Result<Report, ServiceError>;
    /// Whether it runs now.
    fn running(&self, service: &str) -> Result<bool, ServiceError>;
    /// Ends it gracefully, and restarts it no more.
    fn stop(&self, service: &str) -> Result<(), ServiceError>;
}

/// Private keys that reach a local data plane and never the guest: `wit/keys.wit`.
pub trait Keys {
    /// Writes the private key of a certificate, as PEM, to a path of the granted directory.
    fn store(&self, certificate: &str, path: &str) -> Result<PutOutcome, KeyError>;
}

/// Private keys for a remote API that must be sent them: `wit/keys.wit`.
pub trait KeyReveal {
    /// The private key of a certificate, as PEM. Keep it out of logs and errors.
    fn reveal(&self, certificate: &str) -> Option<String>;
}

/// HTTP to APIs that the operator granted by name: `wit/http.wit`.
pub trait Http {
    /// Sends one request on a grant.
    fn send(&self, grant: &str, request: &Request) -> Result<Response, HttpError>;
    /// Sends requests side by side; the answers stand in the order of the requests.
    fn send_all(&self, grant: &str, requests: &[Request]) -> Vec<Result<Response, HttpError>>;
}

/// Who the provider works for: `wit/identity.wit`.
pub trait Identity {
    /// The controller: the same for all its life, and unlike any other that may share a load balancer's API with it.
    fn controller(&self) -> String;
}

/// Log lines, to which the host adds provider, version and load balancer: `wit/log.wit`.
pub trait Log {
    /// Writes one line.
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]);

    /// A line for whoever looks closely.
    fn debug(&self, message: &str, fields: &[(&str, &str)]) {
        self.log(Level::Debug, message, fields);
    }
    /// A line about something that was done.
    fn info(&self, message: &str, fields: &[(&str, &str)]) {
        self.log(Level::Info, message, fields);
    }
    /// A line about something that the operator may have to change.
    fn warn(&self, message: &str, fields: &[(&str, &str)]) {
        self.log(Level::Warn, message, fields);
    }
    /// A line about something that does not work.
    fn error(&self, message: &str, fields: &[(&str, &str)]) {
        self.log(Level::Error, message, fields);
    }
}

/// Time: `wit/clock.wit`.
pub trait Clock {
    /// Milliseconds since the Unix epoch, UTC; may jump.
    fn now(&self) -> u64;
    /// Nanoseconds since some moment before this call; never goes back.
    fn monotonic(&self) -> u64;
    /// Waits so many milliseconds, within the deadline of the call.
    fn sleep(&self, milliseconds: u32);
}

/// Randomness: `wit/random.wit`.
pub trait Random {
    /// So many bytes, fit for cryptography; at most 65536.
    fn bytes(&self, length: u32) -> Vec<u8>;
}
