use anyhow::Result;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use lb_model::types::{Address, Placement, Scope};
use serde_json::json;

use crate::{
    provider::FakeProvider,
    world::{ADDRESS, World, eventually, eventually_is, leased},
};

#[tokio::test]
async fn only_the_leader_calls_a_leaders_provider_and_another_takes_over() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = || FakeProvider::new(Scope::PerObject, Placement::Leader);
    let (first, second) = (provider(), provider());
    let leader = world.start_with(&first, leased("one"));
    eventually("the first leads", || first.serves("default/a")).await;
    let standby = world.start_with(&second, leased("two"));
    standby.ready.ready().await;
    assert_eq!(second.calls(), []);
    leader.stop().await?;
    eventually("the second took over", || second.serves("default/a")).await;
    assert_eq!(standby.metric("lb_leader"), Some(1.0));
    standby.stop().await
}

#[tokio::test]
async fn every_replica_drives_its_own_data_plane_and_the_leader_writes() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let (first, second) = (FakeProvider::shared(), FakeProvider::shared());
    let controllers = [world.start_with(&first, leased("one")), world.start_with(&second, leased("two"))];
    for controller in &controllers {
        controller.ready.ready().await;
    }
    assert_eq!((first.hosts("lb"), second.hosts("lb")), (vec!["a.example".to_owned()], vec!["a.example".to_owned()]));
    eventually_is("the address is shown", vec![ADDRESS.to_owned()], || world.addresses("a")).await;
    assert_eq!(world.status_writes("a"), 1);
    for controller in controllers {
        controller.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn who_loses_the_lease_stops() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = FakeProvider::new(Scope::PerObject, Placement::Leader);
    provider.report(&[Address::Ip(ADDRESS.to_owned())]);
    let controller = world.start_with(&provider, leased("one"));
    eventually_is("the address is shown", vec![ADDRESS.to_owned()], || world.addresses("a")).await;

    let thief = json!({ "spec": { "holderIdentity": "thief", "leaseDurationSeconds": 3600 } });
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), "default");
    leases.patch("lb-controller", &PatchParams::default(), &Patch::Merge(thief)).await?;
    eventually("the loss is noticed", || controller.metric("lb_leader") == Some(0.0)).await;
    let calls = provider.calls().len();
    world.ingress("b", "b.example", "web").await?;
    eventually("the Ingress is known", || controller.metric("lb_ingresses") == Some(2.0)).await;
    assert_eq!(provider.calls().len(), calls);
    assert_eq!(world.addresses("b").await?, [""; 0]);

    let free = json!({ "spec": { "holderIdentity": null } });
    leases.patch("lb-controller", &PatchParams::default(), &Patch::Merge(free)).await?;
    eventually_is("it leads again", vec![ADDRESS.to_owned()], || world.addresses("b")).await;
    assert_eq!(world.status_writes("a"), 1);
    controller.stop().await
}

#[tokio::test]
async fn a_call_in_flight_ends_with_the_lead() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = FakeProvider::new(Scope::PerObject, Placement::Leader);
    let held = provider.hold().await;
    let controller = world.start_with(&provider, leased("one"));
    eventually("a call is in flight", || provider.is_busy()).await;
    world.cluster.stop().await;
    eventually("it was ended", || !provider.is_busy()).await;
    assert!(!provider.serves("default/a"));
    drop(held);
    world.cluster.resume().await?;
    eventually("it is repeated by who leads again", || provider.serves("default/a")).await;
    controller.stop().await
}

#[tokio::test]
async fn a_leader_that_cannot_renew_stops_leading() -> Result<()> {
    let world = World::new().await?;
    let provider = FakeProvider::new(Scope::PerObject, Placement::Leader);
    let controller = world.start_with(&provider, leased("one"));
    eventually("it leads", || controller.metric("lb_leader") == Some(1.0)).await;
    world.cluster.stop().await;
    eventually("it leads no more", || controller.metric("lb_leader") == Some(0.0)).await;
    world.cluster.resume().await?;
    eventually("it leads again", || controller.metric("lb_leader") == Some(1.0)).await;
    controller.stop().await
}
