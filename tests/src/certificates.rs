//! Self-signed certificates.

use anyhow::Result;
use rcgen::{CertifiedKey, generate_simple_self_signed};

/// A certificate with its private key.
#[derive(Clone)]
pub struct Certificate {
    /// PEM.
    pub chain: String,
    /// PEM.
    pub key: String,
    /// DER, as a client sees it.
    pub der: Vec<u8>,
}

/// A certificate for these names; each call makes another one.
pub fn self_signed(names: &[&str]) -> Result<Certificate> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names)?;
    Ok(Certificate { chain: cert.pem(), key: signing_key.serialize_pem(), der: cert.der().to_vec() })
}
