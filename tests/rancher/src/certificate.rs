//! Certificates: parsed and described by the server, never compared with their key.

use std::fmt::Write;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha1::{Digest, Sha1};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;

use crate::error::{ApiError, Result};
use crate::schema::{CERTIFICATE, LOAD_BALANCER};
use crate::store::{Id, Row};
use crate::world::World;

impl World {
    /// Checks the fields of a write and adds what the server reads out of the certificate. A write without `cert` is
    /// malformed, an update too.
    pub(crate) fn check_certificate(
        &self,
        project: Id,
        own: Option<Id>,
        fields: &mut Map<String, Value>,
    ) -> Result<()> {
        let text = fields.get("cert").and_then(Value::as_str);
        let text = text.ok_or_else(|| ApiError::invalid("InvalidFormat", "cert"))?;
        let facts = describe(text).map_err(|reason| ApiError::invalid_because("InvalidFormat", "cert", reason))?;
        if let Some(name) = fields.get("name").and_then(Value::as_str) {
            self.check_unique_name(CERTIFICATE.name, project, own, name)?;
        }
        fields.extend(facts);
        Ok(())
    }

    /// Only the default certificate of a load balancer is protected; those it offers by SNI are not.
    pub(crate) fn check_certificate_unused(&self, certificate: Id) -> Result<()> {
        let id = certificate.to_string();
        let refers = |row: &&Row| {
            row.kind.name == LOAD_BALANCER.name
                && row.removed.is_none()
                && row.fields.get("lbConfig").is_some_and(|config| config["defaultCertificateId"] == json!(id))
        };
        match self.store.iter().find(refers) {
            Some(user) => Err(ApiError::certificate_in_use(format!(
                "Certificate is in use by load balancer service(s): {}",
                user.name()
            ))),
            None => Ok(()),
        }
    }
}

/// The read-only fields, from the first PEM block; the error is the parser's text.
fn describe(text: &str) -> std::result::Result<Map<String, Value>, String> {
    let (_, block) = x509_parser::pem::parse_x509_pem(text.as_bytes()).map_err(|error| error.to_string())?;
    let certificate = block.parse_x509().map_err(|error| error.to_string())?;
    let name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    let facts = json!({
        "certFingerprint": fingerprint(&block.contents),
        "CN": name,
        "issuer": certificate.issuer().to_string(),
        "issuedAt": java_date(certificate.validity().not_before),
        "expiresAt": java_date(certificate.validity().not_after),
        "version": (certificate.version().0 + 1).to_string(),
        "serialNumber": certificate.tbs_certificate.serial.to_string(),
        "algorithm": certificate.signature_algorithm.algorithm.to_id_string(),
        "keySize": key_size(&certificate),
        "subjectAlternativeNames": alternative_names(&certificate),
    });
    match facts {
        Value::Object(facts) => Ok(facts),
        _ => Ok(Map::new()),
    }
}

/// SHA-1 of the DER, lower-case hex with colons.
fn fingerprint(der: &[u8]) -> String {
    Sha1::digest(der).iter().enumerate().fold(String::new(), |mut text, (at, byte)| {
        if at > 0 {
            text.push(':');
        }
        write!(text, "{byte:02x}").expect("writing to a string succeeds");
        text
    })
}

/// `Fri Feb 17 18:17:41 UTC 2017`, as Java prints a date.
fn java_date(time: ASN1Time) -> Option<String> {
    let time = Timestamp::from_second(time.timestamp()).ok()?;
    Some(time.strftime("%a %b %d %H:%M:%S UTC %Y").to_string())
}

fn key_size(certificate: &X509Certificate<'_>) -> Option<usize> {
    match certificate.public_key().parsed().ok()? {
        PublicKey::RSA(key) => Some(key.key_size()),
        PublicKey::EC(key) => Some(key.key_size()),
        _ => None,
    }
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            ref bytes => <[u8; 16]>::try_from(bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    };
    names.iter().flat_map(|names| &names.value.general_names).filter_map(text).collect()
}
