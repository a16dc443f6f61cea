//! Who this controller is, for providers that mark what is theirs in an API that others use too.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use lb_sandbox::ControllerIdentity;
use tokio::time::sleep;

use crate::config::Usage;

/// The namespace that lives as long as its cluster.
const CLUSTER: &str = "kube-system";

const LONGEST: usize = 128;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Checks an identity that the operator chose.
pub(crate) fn check(id: &str) -> Result<(), Usage> {
    if is_legal(id) {
        return Ok(());
    }
    Err(Usage(format!(
        "--controller-id {id:?} is not 1 to {LONGEST} characters of A-Z, a-z, 0-9, `.`, `_`, `/` and `-`"
    )))
}

/// Tells providers who the controller is, once one of them asks.
#[derive(Clone)]
pub(crate) struct Identify {
    pub(crate) client: Client,
    pub(crate) class: String,
    /// What the operator chose.
    pub(crate) chosen: Option<String>,
    pub(crate) identity: ControllerIdentity,
}

impl Identify {
    /// Makes sure that it is told.
    pub(crate) async fn ensure(&self) -> anyhow::Result<()> {
        if self.identity.is_told() {
            return Ok(());
        }
        let found = match &self.chosen {
            Some(chosen) => chosen.clone(),
            None => find(self.client.clone(), &self.class).await?,
        };
        tracing::info!(controller_id = found, "what marks load balancers as ours");
        self.identity.tell(found);
        Ok(())
    }
}

/// The cluster and the class; waits for an API server that is away.
async fn find(client: Client, class: &str) -> anyhow::Result<String> {
    let namespaces: Api<Namespace> = Api::all(client);
    let mut pause = FIRST_PAUSE;
    loop {
        match namespaces.get(CLUSTER).await {
            Ok(namespace) => {
                let uid = namespace.metadata.uid.unwrap_or_default();
                return Ok(join(&uid, class));
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403 | 404) => anyhow::bail!(
                "the provider marks what is its own with the UID of the namespace {CLUSTER}, which cannot be read ({}): \
                 allow `get` on it, or choose a --controller-id that no other controller has",
                status.message
            ),
            Err(error) => {
                tracing::warn!(%error, "the namespace {CLUSTER} cannot be read yet; it is tried again");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

fn join(cluster: &str, class: &str) -> String {
    let id = format!("{cluster}/{class}");
    if is_legal(&id) {
        return id;
    }
    let digest = <sha2::Sha256 as sha2::Digest>::digest(class);
    format!("{cluster}/{}", hex::encode(&digest[..16]))
}

fn is_legal(id: &str) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_legal_identity_of_its_own() {
        let uid = "2f0f1a9e-7b6c-4c27-9a60-5f2f6a0c9f11";
        assert_eq!(join(uid, "lb"), format!("{uid}/lb"));
        assert_eq!(join(uid, "example.com/ingress"), format!("{uid}/example.com/ingress"));
        let long: Vec<_> = ["a", "b"].iter().map(|end| join(uid, &format!("{}{end}", "x".repeat(200)))).collect();
        assert!(long.iter().all(|id| is_legal(id)), "{long:?}");
        assert_ne!(long[0], long[1]);
    }

    #[test]
    fn what_the_operator_chose_is_checked() {
        check("production/lb").unwrap();
        for bad in ["", "a b", "a:b", "\n", &"x".repeat(129)] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
