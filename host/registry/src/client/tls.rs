use std::{fs, path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::Error;

/// How a registry is verified: by the authorities of the system, which take a while to read, and those of `ca_file`.
pub(super) fn client_config(ca_file: Option<&Path>, with_system: bool) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    if with_system {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if let Some(path) = ca_file {
        let added = add(&mut roots, path);
        added.map_err(|reason| Error::Configuration { path: path.to_owned(), reason })?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("the provider knows the default versions");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let pem = fs::read(path).map_err(|error| format!("the certificate authority cannot be read: {error}"))?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| format!("it is no PEM file: {error}"))?;
        roots.add(certificate).map_err(|error| format!("it holds a certificate that cannot be used: {error}"))?;
        count += 1;
    }
    if count == 0 {
        return Err("it holds no certificate; it must be a PEM file with BEGIN CERTIFICATE".to_owned());
    }
    Ok(())
}
