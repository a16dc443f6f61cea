//! Which backend gets a request.

use std::net::Ipv6Addr;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::networking::v1::Ingress;
use kube::{ResourceExt, api::DynamicObject};
use lb_tests::{
    World, eventually, exact, implementation_specific, ingress,
    objects::{self, Conditions, HTTP, Port},
    prefix,
    workload::Workload,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_default_backend_gets_what_no_rule_matches() -> Result<()> {
    let world = World::start("default-backend").await?;
    let _fallback = world.workload("fallback", 1).await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/shop", "shop")]).default_backend("fallback")).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/shop", "shop").await?;
    controller.serves("shop.test", "/other", "fallback").await?;
    controller.serves("unknown.test", "/", "fallback").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_default_backend_the_answer_is_404() -> Result<()> {
    let world = World::start("no-match").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/shop", "shop")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/shop", "shop").await?;
    controller.answers("shop.test", "/other", 404).await?;
    controller.answers("unknown.test", "/shop", 404).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_without_host_matches_every_host() -> Result<()> {
    let world = World::start("any-host").await?;
    let _any = world.workload("any", 1).await?;
    let _named = world.workload("named", 1).await?;
    world.apply(ingress("any").rule("", [prefix("/", "any")])).await?;
    world.apply(ingress("named").rule("named.test", [prefix("/", "named")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("whatever.test", "/", "any").await?;
    controller.serves("named.test", "/", "named").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_matches_whatever_its_case_and_port() -> Result<()> {
    let world = World::start("exact-host").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/", "shop").await?;
    controller.serves("SHOP.test", "/", "shop").await?;
    controller.serves("shop.test:8080", "/", "shop").await?;
    controller.answers("shop.test.example", "/", 404).await?;
    controller.answers("a.shop.test", "/", 404).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_matches_exactly_one_label_and_yields_to_an_exact_host() -> Result<()> {
    let world = World::start("wildcard").await?;
    let _wild = world.workload("wild", 1).await?;
    let _named = world.workload("named", 1).await?;
    world.apply(ingress("wild").rule("*.foo.test", [prefix("/", "wild")])).await?;
    world.apply(ingress("named").rule("named.foo.test", [prefix("/", "named")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("bar.foo.test", "/", "wild").await?;
    controller.serves("named.foo.test", "/", "named").await?;
    controller.answers("baz.bar.foo.test", "/", 404).await?;
    controller.answers("foo.test", "/", 404).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exact_path_matches_byte_for_byte() -> Result<()> {
    let world = World::start("exact-path").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [exact("/foo", "shop"), exact("/bar/", "shop")])).await?;
    let controller = world.controller().start().await?;
    for path in ["/foo", "/foo?query=1", "/bar/"] {
        controller.serves("shop.test", path, "shop").await?;
    }
    for path in ["/foo/", "/FOO", "/foo/bar", "/foobar", "/bar", "/"] {
        controller.answers("shop.test", path, 404).await.with_context(|| path.to_owned())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_matches_by_path_element() -> Result<()> {
    let world = World::start("prefix").await?;
    let _plain = world.workload("plain", 1).await?;
    let _slash = world.workload("slash", 1).await?;
    let paths = [prefix("/aaa/bbb", "plain"), prefix("/slash/", "slash")];
    world.apply(ingress("rules").rule("shop.test", paths)).await?;
    let controller = world.controller().start().await?;
    for path in ["/aaa/bbb", "/aaa/bbb/", "/aaa/bbb/ccc", "/aaa/bbb?query=1"] {
        controller.serves("shop.test", path, "plain").await?;
    }
    for path in ["/slash/", "/slash", "/slash/more"] {
        controller.serves("shop.test", path, "slash").await?;
    }
    for path in ["/aaa/bbbxyz", "/aaa", "/aaa/bb", "/slashes", "/"] {
        controller.answers("shop.test", path, 404).await.with_context(|| path.to_owned())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_prefix_wins_and_exact_wins_over_prefix() -> Result<()> {
    let world = World::start("precedence").await?;
    let mut workloads = Vec::new();
    for name in ["root", "short", "long", "precise"] {
        workloads.push(world.workload(name, 1).await?);
    }
    let paths =
        [prefix("/", "root"), prefix("/aaa", "short"), prefix("/aaa/bbb", "long"), exact("/aaa/bbb", "precise")];
    world.apply(ingress("rules").rule("shop.test", paths)).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/zzz", "root").await?;
    controller.serves("shop.test", "/aaa", "short").await?;
    controller.serves("shop.test", "/aaa/ccc", "short").await?;
    controller.serves("shop.test", "/aaa/bbb", "precise").await?;
    controller.serves("shop.test", "/aaa/bbb/", "long").await?;
    controller.serves("shop.test", "/aaa/bbb/ccc", "long").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_implementation_specific_path_is_served() -> Result<()> {
    let world = World::start("specific").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [implementation_specific("/shop", "shop")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/shop", "shop").await?;
    controller.serves("shop.test", "/shop/cart", "shop").await?;
    controller.answers("shop.test", "/other", 404).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ingresses_share_a_host_and_the_older_one_wins_a_conflict() -> Result<()> {
    let world = World::start("conflict").await?;
    let _old = world.workload("old", 1).await?;
    let _new = world.workload("new", 1).await?;
    // The names sort against the age, so that only the age can decide.
    let older = world.apply(ingress("zulu").rule("shop.test", [prefix("/both", "old"), prefix("/old", "old")])).await?;
    let newer = ingress("alpha").rule("shop.test", [prefix("/both", "new"), prefix("/new", "new")]);
    apply_younger(&world, &older, newer).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/old", "old").await?;
    controller.serves("shop.test", "/new", "new").await?;
    controller.serves("shop.test", "/both", "old").await?;
    world.warned("alpha", &["/both", "zulu"]).await?;
    assert!(world.warnings("Ingress", "zulu").await?.is_empty(), "the older one is not to blame");
    world.delete("Ingress", "zulu").await?;
    controller.serves("shop.test", "/both", "new").await?;
    controller.answers("shop.test", "/old", 404).await?;
    Ok(())
}

/// Timestamps of Kubernetes are whole seconds: makes the Ingress anew until it is younger than another one.
async fn apply_younger(world: &World, than: &DynamicObject, ingress: objects::Ingress) -> Result<()> {
    eventually("the second is over", async || {
        let made = world.apply(ingress.clone()).await?;
        if made.metadata.creation_timestamp <= than.metadata.creation_timestamp {
            world.delete("Ingress", &made.name_any()).await?;
            bail!("they are of one second");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_port_is_found_by_number_and_by_name() -> Result<()> {
    let world = World::start("ports").await?;
    let mut shop = Workload::start(&world, "shop", &[Port("http", 80, "TCP"), Port("admin", 8081, "TCP")]).await?;
    shop.add().await?;
    let paths = [
        prefix("/number", "shop").port_number(8081),
        prefix("/name", "shop").port_name("admin"),
        prefix("/usual", "shop").port_name("http"),
    ];
    world.apply(ingress("rules").rule("shop.test", paths)).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/number", "shop.admin").await?;
    controller.serves("shop.test", "/name", "shop.admin").await?;
    controller.serves("shop.test", "/usual", "shop.http").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_may_be_ipv6() -> Result<()> {
    let world = World::start("ipv6").await?;
    if world.cluster.is_real() || std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        eprintln!("skipped: needs the in-memory API, which takes loopback endpoints, and IPv6 on this machine");
        return Ok(());
    }
    let mut shop = Workload::start(&world, "shop", &[HTTP]).await?;
    shop.add_at(Ipv6Addr::LOCALHOST.into(), Conditions::READY).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/", "shop").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_reaches_the_backend_as_it_was_sent() -> Result<()> {
    let world = World::start("forwarded").await?;
    let _shop = world.workload("shop", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "shop")])).await?;
    let controller = world.controller().start().await?;
    let path = "/a%20b/%C3%BC//c/../d?x=1&y=%2F";
    let echo = controller.serves("shop.test", path, "shop").await?.echo()?;
    assert_eq!(echo["path"], path);
    assert_eq!(echo["host"], "shop.test");
    assert_eq!(echo["headers"]["x-forwarded-proto"], "http");
    assert_eq!(echo["headers"]["x-forwarded-for"], "127.0.0.1");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_ingress_is_served_anew_and_a_deleted_one_no_more() -> Result<()> {
    let world = World::start("edit").await?;
    let _first = world.workload("first", 1).await?;
    let _second = world.workload("second", 1).await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "first")])).await?;
    let controller = world.controller().start().await?;
    controller.serves("shop.test", "/", "first").await?;
    world.apply(ingress("rules").rule("shop.test", [prefix("/", "second")])).await?;
    controller.serves("shop.test", "/", "second").await?;
    world.apply(ingress("rules").rule("other.test", [prefix("/", "second")])).await?;
    controller.serves("other.test", "/", "second").await?;
    controller.answers("shop.test", "/", 404).await?;
    world.delete("Ingress", "rules").await?;
    controller.answers("other.test", "/", 404).await?;
    assert!(world.api::<Ingress>().get_opt("rules").await?.is_none(), "nothing holds the object back");
    Ok(())
}
