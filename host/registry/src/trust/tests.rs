use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Trust, sign_file};
use crate::{
    Digest, Reference, SigningKey,
    signature::{self, Signature},
};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name)
}

fn trust(names: &[&str]) -> Trust {
    Trust::from_files(&names.iter().map(|name| file(name)).collect::<Vec<_>>()).unwrap()
}

fn signature(key: &str, digest: Digest) -> Signature {
    let reference = Reference::parse("oci://ghcr.io/team/nginx").unwrap();
    Signature::make(&reference, digest, &SigningKey::from_file(&file(key)).unwrap()).unwrap()
}

/// A file with a signature beside it, both as they are here.
fn signed_file(signature: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("blob");
    fs::copy(file("blob"), &path).unwrap();
    fs::copy(file(signature), directory.path().join("blob.sig")).unwrap();
    (directory, path)
}

#[test]
fn signatures_by_openssl_are_understood() {
    for key in ["p256", "ed25519"] {
        let (_directory, path) = signed_file(&format!("blob.{key}.sig"));
        let verified = trust(&["stranger.pub", &format!("{key}.pub")]).verify_file(&path).unwrap();
        assert_eq!(verified.key, file(&format!("{key}.pub")));
        assert_eq!(verified.digest, Digest::of(&fs::read(&path).unwrap()));
    }
    let payload = fs::read(file("payload.json")).unwrap();
    let signature = signature::decode(&fs::read_to_string(file("payload.p256.sig")).unwrap()).unwrap();
    trust(&["p256.pub"]).judge(&[Signature { payload, signature }], Digest::of(b"")).unwrap();
}

#[test]
fn a_payload_is_written_as_cosign_writes_it() {
    let written = signature("p256.key", Digest::of(b"")).payload;
    assert_eq!(String::from_utf8(written), String::from_utf8(fs::read(file("payload.json")).unwrap()));
}

#[test]
fn a_file_is_signed_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nginx.wasm");
    fs::write(&path, b"component").unwrap();
    let key = SigningKey::from_file(&file("p256.key")).unwrap();
    assert_eq!(sign_file(&path, &key).unwrap(), directory.path().join("nginx.wasm.sig"));
    sign_file(&path, &key).unwrap();
    trust(&["p256.pub"]).verify_file(&path).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn a_file_that_is_not_well_signed_is_refused() {
    let refused = |trust: &Trust, path: &Path| trust.verify_file(path).unwrap_err().to_string();
    let (_directory, path) = signed_file("blob.p256.sig");
    assert!(refused(&trust(&["stranger.pub"]), &path).contains("made by another key"));
    assert!(refused(&trust(&[]), &path).contains("made by another key"));
    fs::write(&path, b"signed by nobody\n").unwrap();
    assert!(refused(&trust(&["p256.pub"]), &path).contains("changed since"));
    let beside = path.with_extension("sig");
    fs::write(&beside, b"!").unwrap();
    assert!(refused(&trust(&["p256.pub"]), &path).contains("base64"));
    fs::write(&beside, b"").unwrap();
    assert!(refused(&trust(&["p256.pub"]), &path).contains("--provider-trust"));
    fs::remove_file(&beside).unwrap();
    let error = refused(&trust(&["p256.pub"]), &path);
    assert!(error.contains("is not signed") && error.contains("blob.sig"), "{error}");
    fs::remove_file(&path).unwrap();
    assert!(refused(&trust(&["p256.pub"]), &path).contains("No such file"));
}

#[test]
fn one_good_signature_among_others_is_enough() {
    let digest = Digest::of(b"manifest");
    let broken = Signature { payload: b"{}".to_vec(), signature: Vec::new() };
    let signatures = [broken, signature("stranger.key", digest), signature("ed25519.key", digest)];
    let verified = trust(&["p256.pub", "ed25519.pub"]).judge(&signatures, digest).unwrap();
    assert_eq!(verified.key, file("ed25519.pub"));
}

#[test]
fn a_signature_counts_for_what_it_names_only() {
    let (digest, other) = (Digest::of(b"manifest"), Digest::of(b"other"));
    let reasons = trust(&["p256.pub"]).judge(&[signature("p256.key", other)], digest).unwrap_err();
    assert!(reasons[0].contains("for another artifact") && reasons[0].contains(&other.to_string()), "{reasons:?}");
    let mut tampered = signature("p256.key", other);
    tampered.payload = signature("stranger.key", digest).payload;
    let reasons = trust(&["p256.pub"]).judge(&[tampered], digest).unwrap_err();
    assert!(reasons[0].contains("was changed since"), "{reasons:?}");
}

#[test]
fn a_signed_text_that_is_no_payload_counts_for_nothing() {
    let key = SigningKey::from_file(&file("p256.key")).unwrap();
    let digest = Digest::of(b"manifest");
    let good = String::from_utf8(signature("p256.key", digest).payload).unwrap();
    for payload in ["", "{}", "[]", &good.replace("cosign container image signature", "another"), &good[1..]] {
        let signature = Signature { payload: payload.into(), signature: key.sign(payload.as_bytes()).unwrap() };
        assert!(trust(&["p256.pub"]).judge(&[signature], digest).is_err(), "{payload}");
    }
}

#[test]
fn a_file_of_a_gigabyte_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("web.wasm");
    fs::File::create(&path).unwrap().set_len(1 << 30).unwrap();
    let error = Trust::from_files(&[]).unwrap().verify_file(&path).unwrap_err().to_string();
    assert!(error.contains("larger than 536870912 bytes"), "{error}");
}
