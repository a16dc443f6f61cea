//! The manifest of an artifact: the OCI image specification, as far as it is used here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, Error, Reference, error::one_line};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const WASM: &str = "application/wasm";
pub(crate) const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// The annotation that holds a provider's proposed configuration, as YAML.
///
/// An annotation and not a second layer: the artifact stays one that other tools of the layout can read (it has one
/// layer), the proposal can be read without the component, and the manifest's digest covers it, so the signature does.
pub(crate) const CONFIGURATION: &str = "io.lb-controller.provider.configuration";

/// The largest manifest that is read; registries take no larger one.
pub(crate) const MAX_MANIFEST: u64 = 4 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
}

/// What tells an index from a manifest, and an image from an artifact.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    pub(crate) fn new(config: Descriptor, layers: Vec<Descriptor>, annotations: BTreeMap<String, String>) -> Self {
        Self { schema_version: 2, media_type: Some(MANIFEST.to_owned()), config, layers, annotations }
    }

    /// Reads a manifest.
    pub(crate) fn read(reference: &Reference, bytes: &[u8]) -> Result<Self, Error> {
        let other = |found: String| Error::NotAProvider { reference: reference.to_string(), found: one_line(&found) };
        let kind: Kind = serde_json::from_slice(bytes).map_err(|error| other(format!("its manifest: {error}")))?;
        if kind.manifests.is_some() || kind.media_type.as_deref() == Some(INDEX) {
            let found = "it is an index of several artifacts; give the digest of the one that is meant";
            return Err(other(found.to_owned()));
        }
        serde_json::from_slice(bytes).map_err(|error| other(format!("its manifest: {error}")))
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers can be written as JSON")
    }

    /// The layer with the component, if this is the manifest of a WebAssembly artifact.
    pub(crate) fn component(&self, reference: &Reference) -> Result<&Descriptor, Error> {
        let other = |found: String| Error::NotAProvider { reference: reference.to_string(), found: one_line(&found) };
        if self.config.media_type != WASM_CONFIG {
            let image = matches!(
                self.config.media_type.as_str(),
                IMAGE_CONFIG | "application/vnd.docker.container.image.v1+json"
            );
            let what = if image { "it is a container image" } else { "it is another kind of artifact" };
            return Err(other(format!("{what} (its config is {:?}, and not {WASM_CONFIG})", self.config.media_type)));
        }
        match self.layers.as_slice() {
            [layer] if layer.media_type == WASM => Ok(layer),
            [layer] => Err(other(format!("its layer is {:?}, and not {WASM}", layer.media_type))),
            layers => Err(other(format!("it has {} layers, and not one", layers.len()))),
        }
    }
}

impl Descriptor {
    pub(crate) fn of(media_type: &str, content: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(content),
            size: content.len() as u64,
            annotations: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference() -> Reference {
        Reference::parse("oci://registry.example/team/nginx:1").unwrap()
    }

    fn artifact() -> Manifest {
        let (config, layer) = (Descriptor::of(WASM_CONFIG, b"{}"), Descriptor::of(WASM, b"component"));
        Manifest::new(config, vec![layer], BTreeMap::new())
    }

    fn refused(manifest: &Manifest) -> String {
        let manifest = Manifest::read(&reference(), &manifest.write()).unwrap();
        manifest.component(&reference()).unwrap_err().to_string()
    }

    #[test]
    fn a_manifest_is_read_as_it_is_written() {
        let manifest = artifact();
        assert_eq!(Manifest::read(&reference(), &manifest.write()).unwrap(), manifest);
        assert_eq!(manifest.component(&reference()).unwrap().digest, Digest::of(b"component"));
    }

    #[test]
    fn other_artifacts_are_told_by_what_they_are() {
        let mut image = artifact();
        image.config.media_type = IMAGE_CONFIG.to_owned();
        assert!(refused(&image).contains("a container image"));
        let mut chart = artifact();
        chart.config.media_type = "application/vnd.cncf.helm.config.v1+json".to_owned();
        assert!(refused(&chart).contains("helm"));
        let mut tar = artifact();
        tar.layers[0].media_type = "application/vnd.oci.image.layer.v1.tar+gzip".to_owned();
        assert!(refused(&tar).contains("tar+gzip"));
        let mut several = artifact();
        several.layers.push(several.layers[0].clone());
        assert!(refused(&several).contains("2 layers"));
        let index = format!(r#"{{"schemaVersion": 2, "mediaType": "{INDEX}", "manifests": []}}"#);
        let error = Manifest::read(&reference(), index.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("index of several") && error.contains("provider push"), "{error}");
        assert!(Manifest::read(&reference(), b"<html>").is_err());
        several.config.media_type = "\n".repeat(10_000);
        assert!(refused(&several).len() < 900 && !refused(&several).contains('\n'));
    }
}
