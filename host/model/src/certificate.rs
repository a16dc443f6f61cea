//! TLS Secrets: a certificate chain, and the private key that must fit it.
//!
//! The PEM text of a Secret is decoded and written anew, so that what else its author put between the blocks goes no
//! further, and the same content has the same identity however it was wrapped.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Secret;
use pem::{EncodeConfig, LineEnding, Pem};
use rustls::crypto::ring::sign::any_supported_type;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName};
use zeroize::Zeroizing;

use crate::{
    provider::PrivateKey,
    types::{Certificate, ObjectRef},
};

/// `type` of a TLS Secret.
pub const SECRET_TYPE: &str = "kubernetes.io/tls";

const CHAIN: &str = "tls.crt";
const KEY: &str = "tls.key";

/// Why a Secret holds no usable certificate. The text names the key of the Secret and never shows its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The Secret is of another type.
    #[error("the Secret is not of type {SECRET_TYPE}")]
    Type,
    /// A key is not there, or empty.
    #[error("data[\"{0}\"] is missing or empty")]
    Missing(&'static str),
    /// Not PEM, or PEM of something else.
    #[error("data[\"{CHAIN}\"] is not a certificate in PEM")]
    NoCertificate,
    /// A PEM block that does not hold an X.509 certificate; counted from 1.
    #[error("certificate {0} of data[\"{CHAIN}\"] is not a valid X.509 certificate")]
    Malformed(usize),
    /// Not PEM, PEM of something else, or an encrypted key.
    #[error("data[\"{KEY}\"] is not an unencrypted private key in PEM")]
    NoKey,
    /// A kind of key that servers do not use.
    #[error(
        "data[\"{KEY}\"] is not a private key of a supported kind: RSA of 2048 to 4096 bits, ECDSA P-256 or P-384, Ed25519"
    )]
    UnsupportedKey,
    /// The key fits a later certificate of the chain; its position, counted from 1.
    #[error("data[\"{CHAIN}\"] has the certificate of data[\"{KEY}\"] in place {0}; put it first, then its issuers")]
    Order(usize),
    /// The key fits none of the certificates.
    #[error("data[\"{KEY}\"] is not the private key of the certificate in data[\"{CHAIN}\"]")]
    Mismatch,
}

/// Reads the certificate chain and the private key of a TLS Secret and checks that they belong together. Does not look
/// at the validity time: there is no clock here.
pub fn parse(secret: &Secret) -> Result<(Certificate, PrivateKey), CertificateError> {
    if secret.type_.as_deref() != Some(SECRET_TYPE) {
        return Err(CertificateError::Type);
    }
    let chain = parse_chain(value(secret, CHAIN)?)?;
    let key = PrivateKeyDer::from_pem_slice(value(secret, KEY)?).map_err(|_| CertificateError::NoKey)?;
    let key = Zeroizing::new(key);
    let certificates = parse_certificates(&chain)?;
    let leaf = check_key(&certificates, &key)?;

    let encode = |der: &CertificateDer<'_>| pem::encode_config(&Pem::new("CERTIFICATE", der.as_ref()), encoding());
    let chain: String = chain.iter().map(encode).collect();
    let key = encode_key(&key);
    let identity = Sha256::new().chain_update(&chain).chain_update(key.reveal()).finalize();
    let metadata = &secret.metadata;
    let certificate = Certificate {
        id: hex::encode(identity),
        names: names(leaf),
        chain,
        not_after: leaf.validity().not_after.timestamp(),
        sources: vec![ObjectRef {
            kind: String::from("Secret"),
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
        }],
    };
    Ok((certificate, key))
}

fn value<'a>(secret: &'a Secret, key: &'static str) -> Result<&'a [u8], CertificateError> {
    let value = secret.data.as_ref().and_then(|data| data.get(key)).map(|value| value.0.as_slice());
    value.filter(|value| !value.is_empty()).ok_or(CertificateError::Missing(key))
}

fn parse_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or(CertificateError::NoCertificate)
}

fn parse_certificates<'a>(chain: &'a [CertificateDer<'_>]) -> Result<Vec<X509Certificate<'a>>, CertificateError> {
    let parse = |(index, der): (usize, &'a CertificateDer<'_>)| match x509_parser::parse_x509_certificate(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(CertificateError::Malformed(index + 1)),
    };
    chain.iter().enumerate().map(parse).collect()
}

/// The first certificate, if the key is its own.
fn check_key<'a, 'b>(
    certificates: &'a [X509Certificate<'b>],
    key: &PrivateKeyDer<'_>,
) -> Result<&'a X509Certificate<'b>, CertificateError> {
    let signer = any_supported_type(key).map_err(|_| CertificateError::UnsupportedKey)?;
    let public = signer.public_key().ok_or(CertificateError::UnsupportedKey)?;
    match certificates.iter().position(|certificate| certificate.public_key().raw == public.as_ref()) {
        Some(0) => Ok(&certificates[0]),
        Some(index) => Err(CertificateError::Order(index + 1)),
        None => Err(CertificateError::Mismatch),
    }
}

/// The subject alternative names that name a server. The common name has not counted since RFC 9525.
fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = leaf.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match *name {
        GeneralName::DNSName(name) if name.bytes().all(|byte| byte.is_ascii_graphic()) => Some(name.to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|address| address.to_string())
        }
        _ => None,
    };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn encoding() -> EncodeConfig {
    EncodeConfig::new().set_line_ending(LineEnding::LF)
}

fn encode_key(key: &PrivateKeyDer<'_>) -> PrivateKey {
    let tag = match key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    let block = Pem::new(tag, key.secret_der());
    let text = pem::encode_config(&block, encoding());
    drop(Zeroizing::new(block.into_contents()));
    PrivateKey::new(text)
}
