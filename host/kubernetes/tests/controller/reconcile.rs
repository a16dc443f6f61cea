use anyhow::Result;
use lb_model::{
    provider::{Breach, CallError, Provider as _},
    types::{ChangeKind, Error, ObjectRef, Placement, Rejection, Scope},
};

use crate::{
    provider::{Call, FakeProvider, unavailable},
    world::{World, eventually, eventually_is},
};

#[tokio::test]
async fn an_ingress_becomes_a_load_balancer() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1", "10.0.0.2"]).await?;
    world.ingress("shop", "shop.example", "web").await?;
    let provider = FakeProvider::shared();
    let controller = world.start(&provider);
    controller.ready.ready().await;
    assert_eq!(provider.hosts("lb"), ["shop.example"]);
    assert_eq!(provider.endpoints("lb", "default/web/80"), ["10.0.0.1", "10.0.0.2"]);
    let applies = provider.applies();
    assert_eq!(applies[0].kind, ChangeKind::Complete);
    controller.stop().await
}

#[tokio::test]
async fn a_changed_slice_is_one_backend_record() -> Result<()> {
    let world = World::new().await?;
    for name in ["web", "api"] {
        world.service(name, &["10.0.0.1"]).await?;
        world.ingress(name, &format!("{name}.example"), name).await?;
    }
    let provider = FakeProvider::shared();
    let controller = world.start(&provider);
    controller.ready.ready().await;
    world.endpoints("web", &["10.0.0.7"]).await?;
    eventually("the endpoint is served", || provider.endpoints("lb", "default/web/80") == ["10.0.0.7"]).await;
    let change = provider.applies().pop().unwrap();
    assert_eq!(change.kind, ChangeKind::Incremental);
    assert_eq!(change.backends.upsert.len(), 1);
    assert!(change.virtual_hosts.upsert.is_empty() && change.listeners.upsert.is_empty());
    assert!(controller.metric("lb_reconcile_lag_seconds_count").unwrap() >= 1.0);
    controller.stop().await
}

#[tokio::test]
async fn changes_during_a_call_become_one_call() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = FakeProvider::shared();
    let controller = world.start(&provider);
    controller.ready.ready().await;
    let before = provider.applies().len();
    let held = provider.hold().await;
    world.ingress("b", "b.example", "web").await?;
    eventually("a call is in flight", || provider.applies().len() == before + 1).await;
    for name in ["c", "d", "e", "f"] {
        world.ingress(name, &format!("{name}.example"), "web").await?;
    }
    eventually("all Ingresses are known", || controller.metric("lb_ingresses") == Some(6.0)).await;
    drop(held);
    eventually("all are served", || provider.hosts("lb").len() == 6).await;
    assert_eq!(provider.applies().len(), before + 2, "one call for four changes");
    controller.stop().await
}

#[tokio::test]
async fn after_a_breach_the_next_apply_is_complete() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = FakeProvider::shared();
    let controller = world.start(&provider);
    controller.ready.ready().await;
    provider.answer(Err(CallError::Breach { kind: Breach::Trap, message: "unreachable\nbacktrace".to_owned() }));
    world.ingress("b", "b.example", "web").await?;
    eventually("both are served", || provider.hosts("lb").len() == 2).await;
    assert_eq!(provider.applies().pop().unwrap().kind, ChangeKind::Complete);
    let told = "ProviderBreach: load balancer lb: the provider trapped: unreachable".to_owned();
    eventually_is("the class is told", true, async || Ok(world.events("lb").await?.contains(&told))).await;
    assert_eq!(controller.metric("lb_reconcile_total{provider=\"fake\",outcome=\"breach\"}"), Some(1.0));
    controller.stop().await
}

#[tokio::test]
async fn what_the_provider_refuses_is_told_to_its_owner() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("good", "good.example", "web").await?;
    let provider = FakeProvider::shared();
    let controller = world.start(&provider);
    controller.ready.ready().await;
    let object = ObjectRef {
        kind: "Ingress".to_owned(),
        namespace: "default".to_owned(),
        name: "bad".to_owned(),
        uid: String::new(),
    };
    let field = "spec.rules[0].http.paths[0].path".to_owned();
    let rejection = Rejection { object, field, message: "the path is odd".to_owned() };
    provider.answer(Err(CallError::Provider(Error::Invalid(vec![rejection]))));
    world.ingress("bad", "bad.example", "web").await?;
    let told = vec!["Rejected: spec.rules[0].http.paths[0].path: the path is odd".to_owned()];
    eventually_is("the owner is told", told, || world.events("bad")).await;
    let calls = provider.calls().len();
    world.ingress("bad", "better.example", "web").await?;
    eventually("the change is tried", || provider.hosts("lb").contains(&"better.example".to_owned())).await;
    assert_eq!(provider.calls().len(), calls + 1, "nothing was tried before the change");
    let synced = "Synced: served by load balancer lb".to_owned();
    eventually_is("it is served", true, async || Ok(world.events("bad").await?.contains(&synced))).await;
    controller.stop().await
}

#[tokio::test]
async fn one_bad_ingress_is_rejected_alone_and_told_once() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("good", "good.example", "web").await?;
    let provider = FakeProvider::shared();
    let controller = world.start(&provider);
    controller.ready.ready().await;
    world
        .apply(serde_json::json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": { "name": "bad", "namespace": "default", "annotations": { "http.port": "eighty" } },
            "spec": {
                "ingressClassName": "lb",
                "rules": [{ "host": "bad.example", "http": { "paths": [{
                    "path": "/", "pathType": "Prefix",
                    "backend": { "service": { "name": "web", "port": { "number": 80 } } },
                }] } }],
            },
        }))
        .await?;
    eventually_is("its owner is told", 1, async || Ok(world.events("bad").await?.len())).await;
    let told = world.events("bad").await?.pop().unwrap();
    assert!(told.starts_with("Rejected: ") && told.contains("http.port"), "{told}");
    assert!(controller.metric("lb_notices{kind=\"rejected\"}").unwrap() >= 1.0);

    // A list that brings nothing new, and a change of another object that passes through after it.
    let lists = world.lists("ingresses");
    world.cluster.compact();
    world.cluster.drop_connections();
    eventually("Ingresses are listed anew", || world.lists("ingresses") > lists).await;
    world.ingress("later", "later.example", "web").await?;
    eventually("it is served", || provider.hosts("lb").contains(&"later.example".to_owned())).await;
    assert_eq!(world.events("bad").await?.len(), 1, "told once");
    assert!(!provider.hosts("lb").contains(&"bad.example".to_owned()));
    assert!(provider.hosts("lb").contains(&"good.example".to_owned()));
    controller.stop().await
}

#[tokio::test]
async fn a_deleted_ingress_takes_its_load_balancer_with_it() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    world.ingress("b", "b.example", "web").await?;
    let provider = FakeProvider::new(Scope::PerObject, Placement::Leader);
    let controller = world.start(&provider);
    controller.ready.ready().await;
    assert!(provider.serves("default/a") && provider.serves("default/b"));
    world.delete_ingress("a").await?;
    eventually("it is removed", || provider.removed("default/a")).await;
    assert!(provider.serves("default/b"));
    controller.stop().await
}

#[tokio::test]
async fn a_failing_load_balancer_does_not_hold_up_others_nor_readiness() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    world.ingress("b", "b.example", "web").await?;
    let provider = FakeProvider::new(Scope::PerObject, Placement::Leader);
    provider.answer(Err(unavailable()));
    let controller = world.start(&provider);
    controller.ready.ready().await;
    eventually("both are served in the end", || provider.serves("default/a") && provider.serves("default/b")).await;
    controller.stop().await
}

#[tokio::test]
async fn orphans_are_removed_and_drift_is_repaired() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    world.ingress("b", "b.example", "web").await?;
    let provider = FakeProvider::observing(Scope::PerObject, Placement::Leader, 1);
    provider.own("default/gone", Some("somebody"));
    provider.own("default/b", Some("a former b"));
    let held = provider.hold().await;
    let controller = world.start(&provider);
    eventually("the orphan is removed", || provider.removed("default/gone")).await;
    drop(held);
    eventually("both are served", || provider.serves("default/a") && provider.serves("default/b")).await;
    let complete = provider.complete_applies();
    provider.drift("default/a", "somebody turned a knob");
    eventually("the drift is repaired", || provider.complete_applies() > complete).await;
    assert!(!provider.removed("default/a"));
    controller.stop().await
}

#[tokio::test]
async fn a_provider_that_is_told_of_a_change_is_observed() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    // By itself it is observed only at the start.
    let provider = FakeProvider::new(Scope::PerObject, Placement::Leader);
    let controller = world.start(&provider);
    controller.ready.ready().await;
    assert!(!provider.calls().contains(&Call::Observe));
    let complete = provider.complete_applies();
    provider.drift("default/a", "somebody turned a knob");
    provider.wake();
    eventually("the drift is repaired", || provider.complete_applies() > complete).await;
    controller.stop().await
}

#[tokio::test]
async fn what_an_earlier_owner_left_behind_is_cleaned_up_by_a_complete_apply() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = FakeProvider::new(Scope::PerObject, Placement::Leader);
    let controller = world.start(&provider);
    controller.ready.ready().await;
    let complete = provider.complete_applies();
    provider.own("default/a", Some("a former a"));
    provider.wake();
    eventually("it is applied completely", || provider.complete_applies() > complete).await;
    assert!(!provider.removed("default/a"), "the load balancer of the present owner stays");
    controller.stop().await
}

#[tokio::test]
async fn nothing_is_removed_before_all_watches_have_listed() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = FakeProvider::observing(Scope::PerObject, Placement::Leader, 1);
    provider.own("default/a", None);
    world.cluster.stop().await;
    let controller = world.start(&provider);
    eventually("the watches have failed", || {
        controller.metric("lb_watch_errors_total{resource=\"ingresses\"}").is_some()
    })
    .await;
    assert!(!controller.ready.is_ready());
    assert_eq!(provider.calls(), []);
    world.cluster.resume().await?;
    controller.ready.ready().await;
    assert!(!provider.removed("default/a"));
    assert!(provider.serves("default/a"));
    controller.stop().await
}

#[tokio::test]
async fn a_conflict_is_observed_and_repeated_at_once() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = FakeProvider::new(Scope::PerObject, Placement::Leader);
    provider.answer(Err(CallError::Provider(Error::Conflict("changed by somebody".to_owned()))));
    let controller = world.start(&provider);
    eventually("it is served", || provider.serves("default/a")).await;
    let calls = provider.calls();
    assert!(matches!(calls.as_slice(), [Call::Apply(_), Call::Observe, Call::Apply(_)]), "{calls:?}");
    controller.stop().await
}

#[tokio::test]
async fn a_swapped_provider_gets_everything_anew() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    let provider = FakeProvider::shared();
    let controller = world.start(&provider);
    controller.ready.ready().await;
    let before = provider.applies().len();
    // A call of the old one is under way meanwhile.
    let held = provider.hold().await;
    world.endpoints("web", &["10.0.0.7"]).await?;
    eventually("a call is in flight", || provider.applies().len() == before + 1).await;
    provider.swap();
    drop(held);
    eventually("the new one is told all", || provider.applies().len() == before + 2).await;
    let change = provider.applies().pop().unwrap();
    assert_eq!(change.kind, ChangeKind::Complete);
    assert_eq!(provider.hosts("lb"), ["a.example"]);
    controller.stop().await
}

#[tokio::test]
async fn a_preview_is_what_another_provider_would_get() -> Result<()> {
    let world = World::new().await?;
    world.service("web", &["10.0.0.1"]).await?;
    world.ingress("a", "a.example", "web").await?;
    world.ingress("b", "b.example", "web").await?;
    let provider = FakeProvider::shared();
    let controller = world.start(&provider);
    controller.ready.ready().await;
    let other = FakeProvider::new(Scope::PerObject, Placement::Leader).descriptor();
    let previewed = controller.previews.complete(other).await.unwrap();
    let ids: Vec<_> = previewed.iter().map(|change| change.load_balancer.id.as_str()).collect();
    assert_eq!(ids, ["default/a", "default/b"]);
    assert!(previewed.iter().all(|change| change.kind == ChangeKind::Complete));
    assert_eq!(provider.applies().len(), 1, "a preview calls nobody");
    controller.stop().await
}
