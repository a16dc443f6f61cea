use std::path::{Path, PathBuf};

use super::{PublicKey, SigningKey};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name)
}

#[test]
fn what_one_key_signs_only_its_other_half_verifies() {
    for name in ["p256", "ed25519"] {
        let key = SigningKey::from_file(&file(&format!("{name}.key"))).unwrap();
        let public = PublicKey::read_all(&file(&format!("{name}.pub"))).unwrap().remove(0);
        let signature = key.sign(b"message").unwrap();
        assert!(public.verify(b"message", &signature) && key.public().verify(b"message", &signature), "{name}");
        assert!(!public.verify(b"Message", &signature), "{name}");
        assert!(!public.verify(b"message", &signature[1..]), "{name}");
        assert!(!public.verify(b"message", b""), "{name}");
        let stranger = PublicKey::read_all(&file("stranger.pub")).unwrap().remove(0);
        assert!(!stranger.verify(b"message", &signature), "{name}");
    }
}

#[test]
fn a_file_may_hold_several_keys() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.pub");
    let both = ["p256.pub", "ed25519.pub"].map(|name| std::fs::read_to_string(file(name)).unwrap()).concat();
    std::fs::write(&path, both).unwrap();
    assert_eq!(PublicKey::read_all(&path).unwrap().len(), 2);
}

#[test]
fn a_public_key_that_cannot_be_used_is_told_with_what_can() {
    for (name, expected) in [
        ("rsa.pub", "another kind"),
        ("p384.pub", "another kind"),
        ("p256.key", "holds no public key"),
        ("blob", "holds no public key"),
        ("missing.pub", "cannot be read"),
    ] {
        let error = PublicKey::read_all(&file(name)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(name), "{error}");
    }
}

#[test]
fn a_private_key_that_cannot_be_used_is_told_with_what_can() {
    for (name, expected) in [
        ("encrypted.key", "encrypted"),
        ("older.key", "openssl pkcs8 -topk8 -nocrypt"),
        ("p256.pub", "it is a public key"),
        ("blob", "BEGIN PRIVATE KEY"),
        ("missing.key", "cannot be read"),
    ] {
        let error = SigningKey::from_file(&file(name)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(name), "{error}");
    }
}

#[test]
fn a_private_key_is_not_shown() {
    let key = SigningKey::from_file(&file("p256.key")).unwrap();
    assert!(format!("{key:?}").ends_with("p256.key\", .. }"), "{key:?}");
}
