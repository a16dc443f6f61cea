//! Certificates, and which of them a client is shown.

use lb_provider::{HostMatch, Listener, VirtualHost};

use super::Scope;
use crate::{
    config::{CertificateFiles, CertificateSelection, Certificates, ConnectionPolicy, Sni, Tls},
    names::{chain_path, digest, key_path},
    text::HostName,
};

/// No certificate has this tag, so there is no handshake.
const REFUSED: &str = "refused";

/// Every certificate that can be used.
pub(super) fn app(scope: &Scope) -> Tls {
    let usable = scope.change.certificates.upsert.iter().filter(|it| !scope.exclusions.certificate(&it.id));
    let load_files = usable.map(|certificate| CertificateFiles {
        certificate: chain_path(&certificate.id),
        key: key_path(&certificate.id),
        tags: vec![digest(&certificate.id)],
    });
    // A certificate is shown as it is: nobody else is asked about it.
    Tls { certificates: Certificates { load_files: load_files.collect() }, disable_ocsp_stapling: true }
}

/// By name for each host, in the order of the hosts, and last for all other names.
pub(super) fn policies(scope: &Scope, listener: &Listener, hosts: &[&VirtualHost]) -> Vec<ConnectionPolicy> {
    let select = |certificate: Option<&String>| {
        let usable = certificate.filter(|id| !scope.exclusions.certificate(id));
        CertificateSelection { any_tag: vec![usable.map_or_else(|| REFUSED.to_owned(), digest)] }
    };
    let default = listener.default_certificate.as_ref();
    let mut policies = Vec::new();
    let mut others = default;
    for host in hosts {
        let certificate = host.certificate.as_ref().or(default);
        match HostName::of(&host.host) {
            Ok(Some(name)) => policies.push(ConnectionPolicy {
                matches: Some(Sni { sni: vec![name] }),
                certificate_selection: select(certificate),
            }),
            Ok(None) if matches!(host.host, HostMatch::Any) => others = certificate,
            // It is not served either.
            Ok(None) | Err(_) => {}
        }
    }
    policies.push(ConnectionPolicy { matches: None, certificate_selection: select(others) });
    policies
}
