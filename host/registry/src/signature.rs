//! The simple signing layout, as cosign writes it: a signature of an artifact is a layer of another one, which has the
//! tag `sha256-<digits>.sig` in the same repository. The layer is a small JSON document, the payload, that names the
//! signed digest; the signature of the payload is an annotation beside it.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Digest, Error, Reference, SigningKey,
    manifest::{Descriptor, IMAGE_CONFIG, Manifest},
};

const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const TYPE: &str = "cosign container image signature";

/// The largest payload that is read, in bytes.
const MAX_PAYLOAD: u64 = 64 << 10;
/// As many signatures of one artifact are looked at.
pub(crate) const MAX_SIGNATURES: usize = 64;

/// A payload and a signature of it, both from a stranger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Payload {
    critical: Critical,
    optional: Option<Value>,
}

#[derive(Serialize, Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize, Deserialize)]
struct Identity {
    #[serde(rename = "docker-reference")]
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    docker_manifest_digest: Digest,
}

/// The tag that the signatures of an artifact have.
pub(crate) fn tag_of(digest: Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}

/// The layers of a manifest that are signatures, and those that are not what they say they are.
pub(crate) fn layers(manifest: &Manifest) -> impl Iterator<Item = (&Descriptor, Result<Vec<u8>, String>)> {
    let signatures = manifest.layers.iter().filter(|layer| layer.media_type == PAYLOAD);
    signatures.take(MAX_SIGNATURES).map(|layer| {
        let signature = match layer.annotations.get(SIGNATURE) {
            _ if layer.size > MAX_PAYLOAD => Err(format!("its payload has {} bytes", layer.size)),
            None => Err("it has no signature beside its payload".to_owned()),
            Some(text) => decode(text),
        };
        (layer, signature)
    })
}

/// The bytes of a signature that is written in base64.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, String> {
    BASE64_STANDARD.decode(text.trim_ascii()).map_err(|_| "it is not written in base64".to_owned())
}

/// The bytes of a signature as text.
pub(crate) fn encode(signature: &[u8]) -> String {
    BASE64_STANDARD.encode(signature)
}

impl Signature {
    /// Signs a digest.
    pub(crate) fn make(reference: &Reference, digest: Digest, key: &SigningKey) -> Result<Self, Error> {
        let payload = Payload {
            critical: Critical {
                identity: Identity { docker_reference: reference.name() },
                image: Image { docker_manifest_digest: digest },
                kind: TYPE.to_owned(),
            },
            optional: None,
        };
        let payload = serde_json::to_vec(&payload).expect("strings can be written as JSON");
        let signature = key.sign(&payload)?;
        Ok(Self { payload, signature })
    }

    /// The digest that the payload names. To be read only once the signature is found good.
    ///
    /// The repository in it is not compared: a mirror has the same content under another name.
    pub(crate) fn signed_digest(&self) -> Result<Digest, String> {
        let payload: Payload =
            serde_json::from_slice(&self.payload).map_err(|error| format!("its payload is none: {error}"))?;
        if payload.critical.kind != TYPE {
            return Err(format!("it signs a {:?}, not a {TYPE:?}", payload.critical.kind));
        }
        Ok(payload.critical.image.docker_manifest_digest)
    }

    fn layer(&self) -> Descriptor {
        let annotations = BTreeMap::from([(SIGNATURE.to_owned(), encode(&self.signature))]);
        Descriptor { annotations, ..Descriptor::of(PAYLOAD, &self.payload) }
    }

    /// The manifest of all signatures of an artifact with this one added, and the config that it refers to.
    pub(crate) fn add_to(&self, existing: Option<Manifest>) -> (Manifest, Vec<u8>) {
        let mut layers = existing.map(|manifest| manifest.layers).unwrap_or_default();
        layers.push(self.layer());
        let config = serde_json::json!({
            "architecture": "",
            "os": "",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|layer| layer.digest).collect::<Vec<_>>() },
        });
        let config = config.to_string().into_bytes();
        (Manifest::new(Descriptor::of(IMAGE_CONFIG, &config), layers, BTreeMap::new()), config)
    }
}
