//! Many objects at once.

use std::net::Ipv4Addr;

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use lb_tests::{World, ingress, objects, prefix};
use serde_json::{Value, json};

/// Objects that are made at the same time.
const HANDS: usize = 16;
/// As many as the endpoints controller of Kubernetes puts into one.
const PER_SLICE: usize = 100;

/// So many Ingresses with a host and a Service each; every Service has so many endpoints, where nobody answers.
pub(crate) async fn gather(world: &World, ingresses: usize, endpoints: usize) -> Result<()> {
    stream::iter(0..ingresses)
        .map(|number| async move {
            let name = format!("crowd-{number}");
            world.apply(objects::service(&name, &[objects::HTTP])).await?;
            for first in (0..endpoints).step_by(PER_SLICE) {
                world.apply(slice(&name, number, first, (endpoints - first).min(PER_SLICE))).await?;
            }
            world.apply(ingress(&name).rule(&format!("{name}.test"), [prefix("/", &name)])).await?;
            anyhow::Ok(())
        })
        .buffer_unordered(HANDS)
        .try_collect()
        .await
}

/// An EndpointSlice of the crowd; `first` tells it from others of its Service, and its addresses from theirs.
pub(crate) fn slice(service: &str, number: usize, first: usize, count: usize) -> Value {
    let address = |endpoint: usize| {
        let [_, a, b, c] = u32::try_from(number * 1000 + endpoint).unwrap_or_default().to_be_bytes();
        Ipv4Addr::new(10, a, b, c).to_string()
    };
    let endpoints: Vec<_> = (first..first + count)
        .map(|endpoint| json!({ "addresses": [address(endpoint)], "conditions": { "ready": true } }))
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": { "name": format!("{service}-{first}"), "labels": { "kubernetes.io/service-name": service } },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{ "name": "http", "port": 8080, "protocol": "TCP" }],
    })
}

/// Changes an endpoint of one Service after the other until it is dropped.
pub(crate) async fn churn(world: &World, ingresses: usize) -> Result<()> {
    for round in 0.. {
        let number = round % ingresses;
        world.apply(slice(&format!("crowd-{number}"), number, 0, 1 + round % 5)).await?;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    Ok(())
}
