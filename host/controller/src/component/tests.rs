use super::*;

fn options(provider: &str, directory: &Path) -> Options {
    Options {
        provider: Some(provider.to_owned()),
        plugin_dir: Some(directory.to_owned()),
        state_dir: Some(directory.join("state")),
        ..Options::default()
    }
}

async fn refused(options: &Options) -> String {
    format!("{:#}", Component::find(options).await.unwrap_err())
}

/// A file that could be a provider, signed by `signer` if there is one.
fn written(directory: &Path, signer: Option<&str>) -> PathBuf {
    let path = directory.join("web.wasm");
    std::fs::write(&path, b"\0asm\x0d\0\x01\0").unwrap();
    if let Some(signer) = signer {
        lb_registry::sign_file(&path, &lb_registry::SigningKey::from_file(&key(signer)).unwrap()).unwrap();
    }
    path
}

fn key(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../registry/tests/keys").join(name)
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_told_with_what_is() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("other.wasm"), b"").unwrap();
    let error = refused(&options("nginx", directory.path())).await;
    assert!(error.contains("nginx.wasm") && error.contains("known are: other"), "{error}");
    let error = refused(&Options { provider: None, ..options("", directory.path()) }).await;
    assert!(error.contains("--provider is missing; known are: other"), "{error}");
}

#[tokio::test]
async fn a_name_a_path_and_what_lies_beside_are_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = written(directory.path(), None);
    std::fs::write(directory.path().join("web.yaml"), "settings: {a: 1}\n").unwrap();
    for provider in ["web", path.to_str().unwrap()] {
        let options = options(provider, directory.path());
        let component = Component::find(&options).await.unwrap();
        assert_eq!((component.name(), component.signed_by()), (path.as_path(), None));
        assert_eq!(component.configuration().unwrap(), serde_json::json!({ "settings": { "a": 1 } }));
        assert_eq!(files(&options), [path.clone(), path.with_extension("yaml")]);
    }
    std::fs::write(directory.path().join("web.yaml"), "settings: {}\ngrant: {}\n").unwrap();
    let component = Component::find(&options("web", directory.path())).await.unwrap();
    let error = component.configuration().unwrap_err().to_string();
    assert!(error.contains("web.yaml") && error.contains("line 2") && error.contains("grant"), "{error}");
}

#[tokio::test]
async fn with_a_policy_only_what_is_signed_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let trusting = |keys: &[&str]| Options {
        provider_trust: keys.iter().map(|name| key(name)).collect(),
        ..options("web", directory.path())
    };
    let path = written(directory.path(), None);
    let error = refused(&trusting(&["p256.pub"])).await;
    assert!(error.contains("web.wasm is not signed") && error.contains("web.wasm.sig"), "{error}");

    written(directory.path(), Some("p256.key"));
    let component = Component::find(&trusting(&["ed25519.pub", "p256.pub"])).await.unwrap();
    assert_eq!(component.signed_by(), Some(key("p256.pub").as_path()));
    assert_eq!(component.source().digest.map(str::len), Some(64));
    let watched = files(&trusting(&["p256.pub"]));
    assert!(
        watched.contains(&directory.path().join("web.wasm.sig")) && watched.contains(&key("p256.pub")),
        "{watched:?}"
    );

    let error = refused(&trusting(&["stranger.pub"])).await;
    assert!(error.contains("not signed by a key of --provider-trust"), "{error}");
    std::fs::write(&path, b"\0asm\x0d\0\x01\0\0\0").unwrap();
    let error = refused(&trusting(&["p256.pub"])).await;
    assert!(error.contains("was changed since"), "{error}");
    let error = refused(&trusting(&["missing.pub"])).await;
    assert!(error.contains("--provider-trust: the key") && error.contains("missing.pub"), "{error}");
}

#[tokio::test]
async fn what_names_no_artifact_is_a_mistake_of_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    for provider in ["oci://", "oci://registry.example.com", "oci://registry.example.com/Team/web"] {
        let error = Component::find(&options(provider, directory.path())).await.unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains("--provider: "), "{error}");
    }
}
