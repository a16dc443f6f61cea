//! Private keys of the watched TLS Secrets.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lb_model::provider::{KeySource, PrivateKey};
use tokio::time::Instant;

/// Private keys by the id of their certificate. A key is wiped when no Secret holds it any more and the last provider
/// call that may still ask for it has ended.
#[derive(Debug, Default)]
pub struct Keys(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    holdings: HashMap<String, Holding>,
    /// What the last Secret let go of, and when.
    released: VecDeque<(Instant, String)>,
}

#[derive(Debug)]
struct Holding {
    key: PrivateKey,
    /// How many Secrets hold it.
    secrets: usize,
    /// The controller's own default certificate: never wiped.
    permanent: bool,
}

impl Keys {
    /// No keys.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Adds the key of the controller's own default certificate; it stays.
    pub fn insert_default(&self, certificate_id: impl Into<String>, key: PrivateKey) {
        self.lock().holding(certificate_id.into(), key).permanent = true;
    }

    /// One more Secret holds this key.
    pub(crate) fn hold(&self, certificate_id: &str, key: PrivateKey) {
        self.lock().holding(certificate_id.to_owned(), key).secrets += 1;
    }

    /// One Secret less holds it.
    pub(crate) fn release(&self, certificate_id: &str, now: Instant) {
        let mut inner = self.lock();
        if let Some(holding) = inner.holdings.get_mut(certificate_id) {
            holding.secrets = holding.secrets.saturating_sub(1);
            if holding.secrets == 0 {
                inner.released.push_back((now, certificate_id.to_owned()));
            }
        }
    }

    /// Wipes what was released before the oldest call in flight began.
    pub(crate) fn sweep(&self, oldest_call: Instant) {
        let mut inner = self.lock();
        while let Some((_, id)) = inner.released.pop_front_if(|(at, _)| *at < oldest_call) {
            // A Secret may hold it again.
            if inner.holdings.get(&id).is_some_and(|holding| holding.secrets == 0 && !holding.permanent) {
                inner.holdings.remove(&id);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code panics while it holds the lock half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn holding(&mut self, id: String, key: PrivateKey) -> &mut Holding {
        self.holdings.entry(id).or_insert(Holding { key, secrets: 0, permanent: false })
    }
}

impl KeySource for Keys {
    fn private_key(&self, certificate: &str) -> Option<PrivateKey> {
        self.lock().holdings.get(certificate).map(|holding| holding.key.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(text: &str) -> PrivateKey {
        PrivateKey::new(text.to_owned())
    }

    #[test]
    fn a_key_that_two_secrets_hold_outlives_one() {
        let keys = Keys::new();
        let now = Instant::now();
        keys.hold("a", key("secret"));
        keys.hold("a", key("secret"));
        keys.release("a", now);
        keys.sweep(now + Duration::from_secs(1));
        assert_eq!(keys.private_key("a").unwrap().reveal(), "secret");
        keys.release("a", now);
        keys.sweep(now + Duration::from_secs(1));
        assert!(keys.private_key("a").is_none());
    }

    #[test]
    fn a_key_stays_for_calls_that_began_before_its_release() {
        let keys = Keys::new();
        let now = Instant::now();
        keys.hold("a", key("secret"));
        keys.release("a", now + Duration::from_secs(1));
        keys.sweep(now);
        assert!(keys.private_key("a").is_some());
    }

    #[test]
    fn the_default_key_is_never_wiped() {
        let keys = Keys::new();
        let now = Instant::now();
        keys.insert_default("a", key("secret"));
        keys.hold("a", key("secret"));
        keys.release("a", now);
        keys.sweep(now + Duration::from_secs(1));
        assert!(keys.private_key("a").is_some());
    }

    #[test]
    fn nothing_is_shown() {
        let keys = Keys::new();
        keys.insert_default("a", key("very secret"));
        assert!(!format!("{keys:?}").contains("very secret"));
    }
}
