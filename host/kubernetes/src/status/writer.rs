//! Writes a status.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::networking::v1::Ingress;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use lb_model::{cluster::NamespacedName, types::Address};
use serde_json::json;
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::Written;
use crate::{
    addresses::{shown, to_status},
    error::one_line,
    metrics::Metrics,
};

/// Who writes, as `kubectl get -o yaml --show-managed-fields` shows it.
pub(crate) const FIELD_MANAGER: &str = "lb-controller";

const TIMEOUT: Duration = Duration::from_secs(20);

/// One write.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) ingress: NamespacedName,
    pub(crate) addresses: Arc<[Address]>,
    /// Only if the object still has this resource version.
    pub(crate) only_if: Option<Box<str>>,
}

/// Carries out a write, once.
pub(crate) async fn write(client: Client, write: &Write, metrics: &Metrics) -> Written {
    let Write { ingress, addresses, only_if } = write;
    let shown = shown(addresses);
    debug!(step = "status-begin", %ingress, addresses = shown);
    let api: Api<Ingress> = Api::namespaced(client, &ingress.namespace);
    let mut patch = json!({ "status": to_status(addresses) });
    if let Some(version) = only_if {
        patch["metadata"] = json!({ "resourceVersion": version });
    }
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(patch);
    let written = match timeout(TIMEOUT, api.patch_status(&ingress.name, &parameters, &patch)).await {
        Ok(Ok(object)) => {
            metrics.status_written();
            info!(%ingress, addresses = shown, "wrote the status");
            Written::Done { resource_version: object.resource_version().unwrap_or_default() }
        }
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Written::Gone,
        Ok(Err(kube::Error::Api(status))) if status.code == 409 => {
            debug!(%ingress, "the Ingress changed before its status could be written");
            Written::Failed
        }
        Ok(Err(error)) => {
            metrics.status_failed();
            warn!(%ingress, error = one_line(&error), "could not write the status; it is tried again");
            Written::Failed
        }
        Err(_elapsed) => {
            metrics.status_failed();
            warn!(%ingress, "the API server did not answer to a status write in time; it is tried again");
            Written::Failed
        }
    };
    debug!(step = "status-end", %ingress);
    written
}
