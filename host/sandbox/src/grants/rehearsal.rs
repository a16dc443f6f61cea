//! Calls that change nothing outside: what they would change is written down.

use std::sync::{Mutex, PoisonError};

/// The methods that only read (RFC 9110, section 9.2.1).
const SAFE: [&str; 3] = ["GET", "HEAD", "OPTIONS"];

/// What one call would have changed, beside files.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    /// One line for people: a verb and what it would be done to.
    pub(crate) fn record(&self, action: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(action);
    }

    /// What was recorded until now.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether a request with this method may change something.
pub(crate) fn writes(method: &str) -> bool {
    !SAFE.contains(&method)
}
