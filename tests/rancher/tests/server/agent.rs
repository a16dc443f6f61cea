//! Services of a Kubernetes API become services of Rancher.

use std::time::{Duration, Instant};

use anyhow::Result;
use lb_devcluster::DevCluster;
use lb_rancher_double::{Agent, AgentOptions, Rancher};
use serde_json::{Value, json};

use crate::world::{PROJECT, World, eventually};

async fn kubernetes() -> Result<(DevCluster, kube::Client)> {
    let cluster = DevCluster::start(lb_devcluster::Options::default()).await?;
    let client = kube::Client::try_from(kube::Config::new(cluster.url().parse()?))?;
    Ok((cluster, client))
}

async fn apply(cluster: &DevCluster, name: &str) -> Result<String> {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
        "spec": {"ports": [{"port": 80}]},
    });
    let stored = cluster.apply_manifest("test", service).await?;
    Ok(stored["metadata"]["uid"].as_str().unwrap_or_default().to_owned())
}

/// UIDs of the services of this name that are not on their way out.
fn uids(rancher: &Rancher, name: &str) -> Vec<String> {
    let there = |row: &Value| row["name"] == name && row["state"] != "removed" && row["state"] != "removing";
    let rows = rancher.rows("kubernetesService");
    rows.iter().filter(|row| there(row)).map(|row| row["externalId"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn services_come_change_and_go() -> Result<()> {
    let world = World::start().await;
    let (cluster, client) = kubernetes().await?;
    let first = apply(&cluster, "web").await?;
    let _agent = Agent::start(client, world.rancher.clone());
    eventually("the first", async || uids(&world.rancher, "web") == [first.clone()]).await;
    let stack = world.rancher.stacks().into_iter().find(|stack| stack["externalId"] == "kubernetes://default");
    assert!(stack.is_some(), "a stack for the namespace");

    cluster.delete("v1", "Service", Some("default"), "web").await?;
    let second = apply(&cluster, "web").await?;
    assert_ne!(first, second);
    eventually("the second in its place", async || uids(&world.rancher, "web") == [second.clone()]).await;
    let rows = world.rancher.rows("kubernetesService");
    let old = rows.iter().find(|row| row["externalId"] == first.as_str());
    assert!(old.is_none_or(|row| row["state"] == "removed"), "the first is gone before: {old:?}");

    cluster.delete("v1", "Service", Some("default"), "web").await?;
    eventually("none", async || uids(&world.rancher, "web").is_empty()).await;
    Ok(())
}

#[tokio::test]
async fn what_went_while_nobody_watched_is_removed() -> Result<()> {
    let world = World::start().await;
    let (cluster, client) = kubernetes().await?;
    world.rancher.add_kubernetes_service(PROJECT, "stale", "default", "gone");
    world.rancher.add_kubernetes_service(PROJECT, "other", "default", "web");
    let uid = apply(&cluster, "web").await?;
    let _agent = Agent::start(client, world.rancher.clone());
    eventually("the stale one is gone", async || uids(&world.rancher, "gone").is_empty()).await;
    eventually("the new one", async || uids(&world.rancher, "web") == [uid.clone()]).await;
    Ok(())
}

#[tokio::test]
async fn nothing_appears_before_the_delay() -> Result<()> {
    let world = World::start().await;
    let (cluster, client) = kubernetes().await?;
    let delay = Duration::from_millis(150);
    let begun = Instant::now();
    apply(&cluster, "web").await?;
    let options = AgentOptions { project: PROJECT.to_owned(), delay };
    let _agent = Agent::start_with(client, world.rancher.clone(), options);
    eventually("the service", async || !uids(&world.rancher, "web").is_empty()).await;
    assert!(begun.elapsed() >= delay);
    Ok(())
}

#[tokio::test]
async fn a_dropped_agent_follows_no_more() -> Result<()> {
    let world = World::start().await;
    let (cluster, client) = kubernetes().await?;
    let agent = Agent::start(client.clone(), world.rancher.clone());
    apply(&cluster, "web").await?;
    eventually("the first", async || !uids(&world.rancher, "web").is_empty()).await;
    drop(agent);
    apply(&cluster, "late").await?;
    // A second agent in another server shows that the news would have been there.
    let other = World::start().await;
    let _agent = Agent::start(client, other.rancher.clone());
    eventually("the other agent", async || !uids(&other.rancher, "late").is_empty()).await;
    assert!(uids(&world.rancher, "late").is_empty());
    Ok(())
}
