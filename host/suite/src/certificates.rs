//! Certificates of the suite's own, and their keys.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use lb_model::{
    provider::{KeySource, PrivateKey},
    types::Certificate,
};
use rcgen::CertifiedKey;
use sha2::{Digest, Sha256};

use crate::{Error, records::object};

/// Knows the key of each certificate that it made, or was given.
#[derive(Default)]
pub(crate) struct Certificates(Mutex<Known>);

#[derive(Default)]
struct Known {
    keys: HashMap<String, PrivateKey>,
    /// For certificates of which nobody has the key.
    made_up: Option<PrivateKey>,
}

impl Certificates {
    /// A new one for these names, held by a Secret of this name.
    pub(crate) fn make(&self, secret: &str, names: &[&str]) -> Result<Certificate, Error> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names.clone())
            .map_err(|error| Error::Machine { action: "make a certificate", reason: error.to_string() })?;
        let (chain, key) = (cert.pem(), signing_key.serialize_pem());
        let id = hex::encode(Sha256::new().chain_update(&chain).chain_update(&key).finalize());
        self.insert(id.clone(), PrivateKey::new(key));
        // rcgen's certificates are valid until the year 4096.
        Ok(Certificate { id, names, chain, not_after: 67_090_032_000, sources: vec![object("Secret", secret)] })
    }
}

impl Certificates {
    /// The key of a certificate from elsewhere.
    pub(crate) fn insert(&self, id: String, key: PrivateKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys.insert(id, key);
    }

    /// From now on there is a key for every certificate, which fits none.
    pub(crate) fn make_up(&self) -> Result<(), Error> {
        let made = rcgen::KeyPair::generate()
            .map_err(|error| Error::Machine { action: "make a key", reason: error.to_string() })?;
        let key = PrivateKey::new(made.serialize_pem());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).made_up = Some(key);
        Ok(())
    }
}

impl KeySource for Certificates {
    fn private_key(&self, certificate: &str) -> Option<PrivateKey> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.keys.get(certificate).or(known.made_up.as_ref()).cloned()
    }
}
