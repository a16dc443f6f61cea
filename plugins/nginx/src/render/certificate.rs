use lb_provider::Certificate;

use super::source;
use crate::{
    conf::{Conf, code, literal},
    names::{CERTIFICATES, digest},
    plan::{Content, Plan},
};

/// The path of what a server includes to use a certificate.
pub(super) fn conf_path(digest: &str) -> String {
    format!("{CERTIFICATES}/{digest}.conf")
}

/// The certificate, its key, and what servers include to use them.
pub(super) fn write(plan: &mut Plan, certificate: &Certificate) {
    let digest = digest(&certificate.id);
    let chain = format!("{CERTIFICATES}/{digest}.crt");
    let key = format!("{CERTIFICATES}/{digest}.key");
    let mut conf = Conf::default();
    conf.directive("ssl_certificate", [literal(&chain)]).directive("ssl_certificate_key", [literal(&key)]);
    let conf = conf.finish().expect("digests can be written");
    plan.put(conf_path(&digest), conf);
    // Whatever stands before the PEM blocks is a comment.
    plan.put(chain, [source::lines(&certificate.sources).as_slice(), certificate.chain.as_bytes()].concat());
    plan.files.insert(key, Content::PrivateKey(certificate.id.clone()));
}

/// What servers include in place of a certificate that nginx cannot use.
pub(super) fn write_refused(plan: &mut Plan, digest: &str) {
    plan.put(conf_path(digest), refuse_handshakes());
}

/// Without a certificate there is no handshake.
pub(super) fn refuse_handshakes() -> Vec<u8> {
    let mut conf = Conf::default();
    conf.directive("ssl_reject_handshake", [code("on")]);
    conf.finish().expect("code can be written")
}
