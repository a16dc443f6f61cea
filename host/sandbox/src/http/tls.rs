use std::{fs, path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::configuration::InvalidConfiguration;

/// How servers are verified: by the CA certificates of `ca_file`, else by those of the system. `key` is the path of the
/// grant in the configuration.
pub(crate) fn client_config(
    key: &str,
    ca_file: Option<&Path>,
    is_https: bool,
) -> Result<ClientConfig, InvalidConfiguration> {
    let roots = match ca_file {
        Some(path) => {
            from_file(path).map_err(|message| InvalidConfiguration::new(format!("{key}.ca-file"), message))?
        }
        None if is_https => from_system().map_err(|message| InvalidConfiguration::new(key, message))?,
        None => RootCertStore::empty(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("the provider knows the default versions");
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn from_file(path: &Path) -> Result<RootCertStore, String> {
    let shown = path.display();
    let pem = fs::read(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| format!("{shown} is no PEM file: {error}"))?;
        roots.add(certificate).map_err(|error| format!("{shown} holds a certificate that cannot be used: {error}"))?;
    }
    if roots.is_empty() {
        return Err(format!("{shown} holds no certificate; it must be a PEM file with BEGIN CERTIFICATE"));
    }
    Ok(roots)
}

fn from_system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err("the system has no CA certificates; install them (ca-certificates) or set `ca-file`".to_owned());
    }
    Ok(roots)
}
