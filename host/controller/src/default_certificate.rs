//! The certificate for clients whose host no Ingress has one for.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::Api;
use lb_kubernetes::Keys;
use lb_model::{certificate, cluster::NamespacedName, types::Certificate};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

/// How long the API server may take to answer for the Secret.
const DEADLINE: Duration = Duration::from_secs(30);

/// Reads the certificate of a Secret, once, at start.
pub(crate) async fn from_secret(
    client: kube::Client,
    name: &NamespacedName,
    keys: &Keys,
) -> anyhow::Result<Arc<Certificate>> {
    let api: Api<Secret> = Api::namespaced(client, &name.namespace);
    let secret = tokio::time::timeout(DEADLINE, api.get(&name.name))
        .await
        .map_err(anyhow::Error::from)
        .and_then(|answer| Ok(answer?))
        .with_context(|| format!("the Secret {name} of --default-certificate cannot be read"))?;
    keep(&secret, keys).with_context(|| format!("the Secret {name} of --default-certificate cannot be used"))
}

/// Makes a self-signed certificate: it encrypts, and no client will take it for anything else than a default.
pub(crate) fn self_signed(keys: &Keys) -> anyhow::Result<Arc<Certificate>> {
    let key = KeyPair::generate().context("no key for the default certificate could be made")?;
    let mut params = CertificateParams::new(vec!["default.lb-controller.invalid".to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "lb-controller default certificate");
    let chain = params.self_signed(&key)?.pem();
    let data = [("tls.crt", chain), ("tls.key", key.serialize_pem())];
    let secret = Secret {
        type_: Some("kubernetes.io/tls".to_owned()),
        data: Some(data.map(|(name, text)| (name.to_owned(), ByteString(text.into_bytes()))).into()),
        ..Secret::default()
    };
    let mut certificate = keep(&secret, keys)?;
    // It is in no Secret, and another one at each start.
    Arc::make_mut(&mut certificate).sources.clear();
    Ok(certificate)
}

fn keep(secret: &Secret, keys: &Keys) -> anyhow::Result<Arc<Certificate>> {
    let (certificate, key) = certificate::parse(secret)?;
    keys.insert_default(certificate.id.clone(), key);
    Ok(Arc::new(certificate))
}
