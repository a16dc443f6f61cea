//! TLS Secrets that are usable, and those that are not.

use k8s_openapi::ByteString;
use lb_model::certificate::{CertificateError, parse};

use crate::manifest::{file, secret};

#[test]
fn a_chain_keeps_its_order_and_tells_of_the_leaf() {
    let (certificate, key) = parse(&secret("tls", "chain.crt", "chain.key")).unwrap();
    assert_eq!(certificate.names, ["foo.com"]);
    assert_eq!(certificate.chain, file("certificates/chain.crt"));
    assert_eq!(key.reveal(), file("certificates/chain.key"));
    assert!(certificate.not_after > 4_900_000_000, "valid for a hundred years");
    assert_eq!(certificate.id.len(), 64);
    assert_eq!((certificate.sources[0].kind.as_str(), certificate.sources[0].name.as_str()), ("Secret", "tls"));
}

#[test]
fn names_are_dns_names_and_addresses() {
    let (certificate, _) = parse(&secret("tls", "many.crt", "many.key")).unwrap();
    assert_eq!(certificate.names, ["foo.com", "bar.com", "*.bar.com", "192.0.2.1", "2001:db8::1"]);
    let (certificate, _) = parse(&secret("tls", "nameless.crt", "nameless.key")).unwrap();
    assert!(certificate.names.is_empty(), "the common name does not count");
}

#[test]
fn every_usual_form_of_key_is_taken() {
    for (chain, key) in [
        ("foo.crt", "foo-sec1.key"),
        ("chain.crt", "chain-pkcs1.key"),
        ("ed25519.crt", "ed25519.key"),
        ("foo.crt", "foo.key"),
    ] {
        let (_, parsed) = parse(&secret("tls", chain, key)).unwrap();
        assert_eq!(parsed.reveal(), file(&format!("certificates/{key}")), "{key}");
    }
}

#[test]
fn the_identity_is_that_of_the_content() {
    let plain = secret("tls", "foo.crt", "foo.key");
    let mut wrapped = plain.clone();
    wrapped.metadata.name = Some(String::from("other"));
    for value in wrapped.data.as_mut().unwrap().values_mut() {
        let text = String::from_utf8(value.0.clone()).unwrap().replace('\n', "\r\n");
        *value = ByteString(format!("Bag Attributes; }} server {{\n{text}\n# end").into_bytes());
    }
    let (first, second) = (parse(&plain).unwrap(), parse(&wrapped).unwrap());
    assert_eq!(first.0.id, second.0.id);
    assert_eq!(first.0.chain, second.0.chain);
    assert_eq!(first.1.reveal(), second.1.reveal());
    let renewed = parse(&secret("tls", "foo-renewed.crt", "foo-renewed.key")).unwrap();
    assert_ne!(first.0.id, renewed.0.id);
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    for (chain, key, error) in [
        ("foo.crt", "foo-renewed.key", CertificateError::Mismatch),
        ("chain-reversed.crt", "chain.key", CertificateError::Order(2)),
        ("foo.key", "foo.key", CertificateError::NoCertificate),
        ("foo.crt", "foo.crt", CertificateError::NoKey),
        ("foo.crt", "foo-encrypted.key", CertificateError::NoKey),
        ("unsupported.crt", "unsupported.key", CertificateError::UnsupportedKey),
    ] {
        assert_eq!(parse(&secret("tls", chain, key)).unwrap_err(), error, "{chain} with {key}");
    }
}

#[test]
fn malformed_content_is_refused_and_not_shown() {
    let garbage = "-----BEGIN CERTIFICATE-----\nc2VjcmV0IHN0dWZm\n-----END CERTIFICATE-----\n";
    for (key, content, error) in [
        ("tls.crt", garbage, CertificateError::Malformed(1)),
        ("tls.crt", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n", CertificateError::NoCertificate),
        ("tls.crt", "c2VjcmV0IHN0dWZm", CertificateError::NoCertificate),
        ("tls.crt", "", CertificateError::Missing("tls.crt")),
        ("tls.key", "", CertificateError::Missing("tls.key")),
        ("tls.key", "c2VjcmV0IHN0dWZm", CertificateError::NoKey),
        (
            "tls.key",
            "-----BEGIN PRIVATE KEY-----\nc2VjcmV0IHN0dWZm\n-----END PRIVATE KEY-----\n",
            CertificateError::UnsupportedKey,
        ),
    ] {
        let mut secret = secret("tls", "foo.crt", "foo.key");
        secret.data.as_mut().unwrap().insert(key.to_owned(), ByteString(content.as_bytes().to_vec()));
        let found = parse(&secret).unwrap_err();
        assert_eq!(found, error);
        assert!(found.to_string().contains(key), "{found}");
        assert!(!found.to_string().contains("c2Vj"), "{found}");
    }
}

#[test]
fn a_secret_of_another_type_or_without_data_is_refused() {
    let mut opaque = secret("tls", "foo.crt", "foo.key");
    opaque.type_ = Some(String::from("Opaque"));
    assert_eq!(parse(&opaque).unwrap_err(), CertificateError::Type);
    let mut empty = secret("tls", "foo.crt", "foo.key");
    empty.data = None;
    assert_eq!(parse(&empty).unwrap_err(), CertificateError::Missing("tls.crt"));
}

#[test]
fn a_key_is_not_shown_by_debug() {
    let (certificate, key) = parse(&secret("tls", "foo.crt", "foo.key")).unwrap();
    assert_eq!(format!("{key:?}"), "PrivateKey(..)");
    let secret_line = file("certificates/foo.key").lines().nth(1).unwrap().to_owned();
    assert!(!format!("{certificate:?}").contains(&secret_line));
}
