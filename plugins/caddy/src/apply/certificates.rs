use std::collections::BTreeSet;

use lb_provider::{ChangeSet, Error, Host, KeyError};

use crate::{
    exclusions::Part,
    names::{CERTIFICATES, chain_path, digest, key_path},
};

/// Writes the certificates that are not there yet; an id stands for one content. Returns those that have no key.
pub(super) fn write(host: &impl Host, change: &ChangeSet) -> Result<Vec<Part>, Error> {
    let files = host.files();
    let present: BTreeSet<String> = files.list(CERTIFICATES)?.into_iter().collect();
    let mut keyless = Vec::new();
    for certificate in &change.certificates.upsert {
        let name = digest(&certificate.id);
        if !present.contains(&format!("{name}.crt")) {
            files.put(&chain_path(&certificate.id), certificate.chain.as_bytes())?;
        }
        if !present.contains(&format!("{name}.key")) {
            match host.keys().store(&certificate.id, &key_path(&certificate.id)) {
                Ok(_) => {}
                Err(KeyError::UnknownCertificate(_)) => keyless.push(Part::Certificate(certificate.id.clone())),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(keyless)
}

/// Removes the files of all other certificates.
pub(super) fn remove_others(host: &impl Host, change: &ChangeSet) -> Result<(), Error> {
    let kept: BTreeSet<String> = change.certificates.upsert.iter().map(|certificate| digest(&certificate.id)).collect();
    for file in host.files().list(CERTIFICATES)? {
        let name = file.split('.').next().unwrap_or_default();
        if !kept.contains(name) {
            host.files().remove(&format!("{CERTIFICATES}/{file}"))?;
        }
    }
    Ok(())
}
