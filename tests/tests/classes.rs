//! Whose Ingress it is.

use anyhow::Result;
use k8s_openapi::api::networking::v1::Ingress;
use lb_tests::{World, controller::PUBLISHED, ingress, objects::ingress_class, prefix};

#[tokio::test(flavor = "multi_thread")]
async fn only_the_named_class_is_served() -> Result<()> {
    let world = World::start("class").await?;
    let _shop = world.workload("shop", 1).await?;
    let foreign = format!("{}-foreign", world.class);
    world.apply(ingress_class(&foreign, "example.com/another-controller", false)).await?;
    world.apply(ingress("ours").rule("ours.test", [prefix("/", "shop")])).await?;
    world.apply(ingress("foreign").class(&foreign).rule("foreign.test", [prefix("/", "shop")])).await?;
    let before =
        world.apply(ingress("unknown").class("no-such-class").rule("unknown.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("ours.test", "/", "shop").await?;
    assert_eq!(world.published("ours").await?, [PUBLISHED]);
    for (name, host) in [("foreign", "foreign.test"), ("unknown", "unknown.test")] {
        controller.answers(host, "/", 404).await?;
        assert!(world.addresses(name).await?.is_empty(), "{name} is none of ours");
        assert!(world.warnings("Ingress", name).await?.is_empty(), "{name} is none of ours");
    }
    let after = world.api::<Ingress>().get("unknown").await?;
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
    world.delete("IngressClass", &foreign).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_of_another_controller_is_not_served_though_its_name_is_ours() -> Result<()> {
    let world = World::start("other-controller").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    world.delete("IngressClass", &world.class).await?;
    world.apply(ingress_class(&world.class, "example.com/another-controller", false)).await?;
    let controller = world.controller().start().await?;
    controller.answers("shop.test", "/", 404).await?;
    world.delete("IngressClass", &world.class).await?;
    world.apply(ingress_class(&world.class, &world.controller_name, false)).await?;
    controller.serves("shop.test", "/", "shop").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingress_without_class_belongs_to_the_default_class() -> Result<()> {
    let world = World::start("default-class").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("sign").rule("sign.test", [prefix("/", "shop")])).await?;
    world.apply(ingress("bare").without_class().rule("bare.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("sign.test", "/", "shop").await?;
    controller.answers("bare.test", "/", 404).await?;
    world.apply(ingress_class(&world.class, &world.controller_name, true)).await?;
    controller.serves("bare.test", "/", "shop").await?;
    world.published("bare").await?;
    world.apply(ingress_class(&world.class, &world.controller_name, false)).await?;
    controller.answers("bare.test", "/", 404).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingress_without_class_is_taken_where_the_operator_says_so() -> Result<()> {
    let world = World::start("classless").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("bare").without_class().rule("bare.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().argument("--watch-ingress-without-class").start().await?;
    controller.serves("bare.test", "/", "shop").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_legacy_annotation_names_a_class() -> Result<()> {
    let world = World::start("legacy").await?;
    let _shop = world.workload("shop", 1).await?;
    let legacy =
        |name: &str, class: &str| ingress(name).without_class().annotation("kubernetes.io/ingress.class", class);
    world.apply(legacy("ours", &world.class).rule("ours.test", [prefix("/", "shop")])).await?;
    world.apply(legacy("foreign", "foreign").rule("foreign.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("ours.test", "/", "shop").await?;
    controller.answers("foreign.test", "/", 404).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_controllers_of_different_classes_leave_each_other_alone() -> Result<()> {
    let world = World::start("two").await?;
    let _shop = world.workload("shop", 1).await?;
    let other_class = format!("{}-other", world.class);
    let other_name = format!("{}-other", world.controller_name);
    world.apply(ingress_class(&other_class, &other_name, false)).await?;
    world.apply(ingress("first").rule("first.test", [prefix("/", "shop")])).await?;
    world.apply(ingress("second").class(&other_class).rule("second.test", [prefix("/", "shop")])).await?;
    let first = world.controller().start().await?;
    let second = world.controller().class(&other_class, &other_name).publish("203.0.113.8").start().await?;
    first.serves("first.test", "/", "shop").await?;
    second.serves("second.test", "/", "shop").await?;
    first.answers("second.test", "/", 404).await?;
    second.answers("first.test", "/", 404).await?;
    assert_eq!(world.published("first").await?, [PUBLISHED]);
    assert_eq!(world.published("second").await?, ["203.0.113.8"]);

    // The first one moves over; both controllers follow.
    world.apply(ingress("first").class(&other_class).rule("first.test", [prefix("/", "shop")])).await?;
    second.serves("first.test", "/", "shop").await?;
    first.answers("first.test", "/", 404).await?;
    lb_tests::eventually("the address is that of the new class", async || {
        let addresses = world.addresses("first").await?;
        anyhow::ensure!(addresses == ["203.0.113.8"], "it is {addresses:?}");
        Ok(())
    })
    .await?;
    world.delete("IngressClass", &other_class).await
}
