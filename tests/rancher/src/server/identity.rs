//! Serving HTTPS.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::Error;

/// A certificate and its key.
#[derive(Clone)]
pub struct Identity {
    /// PEM, the server's own certificate first.
    pub chain: String,
    /// PEM.
    pub key: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Identity").finish_non_exhaustive()
    }
}

#[derive(Clone)]
pub(super) struct Acceptor(pub(super) TlsAcceptor);

impl Acceptor {
    pub(super) fn new(identity: &Identity) -> Result<Self, Error> {
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(identity.chain.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| Error::Identity(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())
            .map_err(|error| Error::Identity(error.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut configuration = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key))
            .map_err(|error| Error::Identity(error.to_string()))?;
        configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(configuration))))
    }
}
