//! What every test needs: a client with a cache of its own, components, keys.

use std::{
    fs,
    path::{Path, PathBuf},
};

use lb_registry::{Digest, Options, Package, Pushed, Reference, Registry, SigningKey, Trust};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::Server;

pub(crate) const PROPOSAL: &str = "settings: { workers: 2 }\ngrants: { files: { path: / } }\n";

/// A client whose cache begins empty.
pub(crate) struct Client {
    pub(crate) registry: Registry,
    pub(crate) directory: TempDir,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Options)) -> Self {
        Self::in_directory(|_, options| change(options))
    }

    /// With a directory to put files into that the options name.
    pub(crate) fn in_directory(change: impl FnOnce(&Path, &mut Options)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut options = Options::new(directory.path().join("cache"));
        change(directory.path(), &mut options);
        Self { registry: Registry::new(options).unwrap(), directory }
    }

    /// What its cache has, by digest.
    pub(crate) fn cached(&self, digest: Digest) -> PathBuf {
        self.directory.path().join("cache/blobs").join(digest.hex())
    }

    /// How many downloads were begun and not ended.
    pub(crate) fn partial(&self) -> usize {
        fs::read_dir(self.directory.path().join("cache/partial")).unwrap().count()
    }
}

/// The bytes of a component that does nothing, unlike those of any other name.
pub(crate) fn component(name: &str) -> Vec<u8> {
    let name = [b"name", name.as_bytes()].concat();
    let mut section = vec![4_u8];
    section.extend(name);
    let mut component = b"\0asm\x0d\0\x01\0\0".to_vec();
    component.push(u8::try_from(section.len()).unwrap());
    component.extend(section);
    component
}

/// A component ready to be pushed, with a configuration beside it.
pub(crate) fn package(name: &str) -> Package {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(format!("{name}.wasm"));
    fs::write(&path, component(name)).unwrap();
    fs::write(path.with_extension("yaml"), PROPOSAL).unwrap();
    Package::from_file(&path).unwrap().with_version("1.2.0").with_source("https://example.com/nginx")
}

/// Pushes a component from another client than the one under test.
pub(crate) async fn push(reference: &Reference, name: &str, key: Option<&SigningKey>) -> Pushed {
    Client::new().registry.push(reference, &package(name), key).await.unwrap()
}

pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name)
}

pub(crate) fn key(name: &str) -> SigningKey {
    SigningKey::from_file(&file(&format!("{name}.key"))).unwrap()
}

pub(crate) fn trust(names: &[&str]) -> Trust {
    let files: Vec<_> = names.iter().map(|name| file(&format!("{name}.pub"))).collect();
    Trust::from_files(&files).unwrap()
}

/// The text of an error, which is checked to be one line that a person can read.
pub(crate) fn told<T>(result: Result<T, lb_registry::Error>) -> String {
    let text = result.err().expect("this has to fail").to_string();
    assert!(!text.contains(['\n', '\t']) && text.len() < 900, "{text}");
    text
}

/// Writes to a registry what no well-behaved client would.
pub(crate) struct Raw {
    client: reqwest::Client,
    base: String,
}

impl Raw {
    pub(crate) fn new(server: &Server, repository: &str) -> Self {
        let config = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into());
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        let client = reqwest::Client::builder().no_proxy().tls_backend_preconfigured(config).build().unwrap();
        Self { client, base: format!("http://{}/v2/{repository}", server.address()) }
    }

    pub(crate) async fn blob(&self, content: &[u8]) -> Digest {
        let digest = Digest::of(content);
        let begun = self.client.post(format!("{}/blobs/uploads/", self.base)).send().await.unwrap();
        let location = begun.headers()["location"].to_str().unwrap().to_owned();
        let upload = self.client.put(format!("{location}&digest={digest}")).body(content.to_vec());
        assert_eq!(upload.send().await.unwrap().status(), 201);
        digest
    }

    /// Pushes a manifest as it is.
    pub(crate) async fn manifest(&self, tag: &str, manifest: &Value) -> Digest {
        let content = manifest.to_string();
        let media_type = manifest["mediaType"].as_str().unwrap();
        let put = self.client.put(format!("{}/manifests/{tag}", self.base));
        let answer = put.header("content-type", media_type).body(content.clone()).send().await.unwrap();
        let status = answer.status();
        assert_eq!(status, 201, "{}", answer.text().await.unwrap());
        Digest::of(content.as_bytes())
    }

    /// The manifest of an artifact of one layer, whose size is what is said of it.
    pub(crate) async fn artifact(&self, config_type: &str, layer: &[u8], size: u64) -> Value {
        let (config, layer) = (self.blob(b"{}").await, self.blob(layer).await);
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": config_type, "digest": config, "size": 2 },
            "layers": [{ "mediaType": "application/wasm", "digest": layer, "size": size }],
        })
    }
}
