use std::{fs, sync::Arc};

use lb_model::{
    provider::Provider,
    types::{Outcome, Readiness},
};
use lb_sandbox::{Plugin, Slot};
use serde_json::{Value, json};

use crate::world::{World, change, eventually};

/// So many swaps, or `LB_TEST_SWAPS`: 10,000 take some minutes.
const SWAPS: usize = 500;
/// How much the process may grow over the second half of them: what is left behind by each would be far more.
const GROWTH_BYTES: u64 = 32 << 20;

fn text(outcome: Outcome) -> String {
    let Readiness::Pending(text) = outcome.readiness else { panic!("{outcome:?}") };
    text
}

async fn scripted(world: &World, lines: &[&str]) -> Plugin {
    world.hostile(json!({ "behaviour": "script", "script": lines }), json!({})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_end_on_the_version_that_they_began_on() {
    let world = World::new();
    let slot = Arc::new(Slot::new(world.hostile(json!({ "behaviour": "nap" }), json!({})).await));
    let begun = tokio::spawn({
        let slot = slot.clone();
        async move { slot.apply(change("first")).await.unwrap() }
    });
    eventually("the call is under way", || world.path("napping").exists()).await;
    slot.swap(world.hostile(json!({ "behaviour": "" }), json!({})).await);
    assert_eq!(slot.swaps(), 1);
    // The new one is called at once, while the old one still works.
    assert_eq!(text(slot.apply(change("second")).await.unwrap()), "second");
    assert!(!begun.is_finished());
    fs::write(world.path("wake"), "").unwrap();
    assert_eq!(text(begun.await.unwrap()), "napped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_outlives_a_swap_and_ends_with_the_last_version() {
    let world = World::new();
    let slot = Slot::new(scripted(&world, &["start web"]).await);
    slot.apply(change("lb")).await.unwrap();
    let id = || fs::read_to_string(world.path("pid")).unwrap_or_default();
    eventually("it runs", || !id().is_empty()).await;
    let before = id();
    slot.swap(scripted(&world, &["running web", "start web"]).await);
    let answers = text(slot.apply(change("lb")).await.unwrap());
    assert!(answers.contains("true") && answers.contains("AlreadyRunning"), "{answers}");
    assert_eq!(id(), before, "it was started again");
    slot.shutdown().await;
    let process = format!("/proc/{}", before.trim());
    eventually("it ended", || !fs::exists(&process).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_was_shut_down_can_be_opened_again() {
    let world = World::new();
    let first = scripted(&world, &["start web"]).await;
    first.apply(change("lb")).await.unwrap();
    first.shutdown().await;
    let refused = text(first.apply(change("lb")).await.unwrap());
    assert!(refused.contains("has let go"), "{refused}");
    let again = world.sandbox.reopen(&first).await.unwrap();
    assert_eq!(again.digest(), first.digest());
    let started = text(again.apply(change("lb")).await.unwrap());
    assert!(started.contains("Started"), "{started}");
    again.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_tells_what_would_change_and_changes_nothing() {
    let world = World::new();
    // What is live: a file, a tree, and a service.
    let live = scripted(&world, &["put keep old", "put change old", "put drop old", "start web"]).await;
    live.apply(change("lb")).await.unwrap();
    let service = fs::read_to_string(world.path("pid")).unwrap();
    let lines = [
        "put keep old",
        "put change new",
        "put added new",
        "remove drop",
        "store-key known key",
        "reload web",
        "stop web",
    ];
    let other = scripted(&world, &lines).await;
    let plan = other.plan(vec![change("lb")]).await.unwrap();
    let shown: Vec<_> = plan.changes.iter().map(|it| format!("{}:{}", it.load_balancer, it.action)).collect();
    assert_eq!(
        shown,
        [":write added", ":write change", ":write key", ":remove drop", "lb:reload service web", "lb:stop service web",]
    );
    assert!(plan.problems.is_empty(), "{plan:?}");
    for (name, content) in [("keep", "old"), ("change", "old"), ("drop", "old")] {
        assert_eq!(fs::read_to_string(world.path(name)).unwrap(), content, "{name}");
    }
    assert!(!world.path("added").exists() && !world.path("key").exists());
    assert!(fs::exists(format!("/proc/{}", service.trim())).unwrap(), "the service goes on");
    let copies = fs::read_dir(world.path(".rehearsals")).unwrap().count();
    assert_eq!(copies, 0, "the copy is gone");
    // What would change nothing says so.
    let same = scripted(&world, &["put keep old", "put change old", "running web"]).await;
    assert!(same.plan(vec![change("lb")]).await.unwrap().is_empty());
    live.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_that_fails_or_breaks_a_limit_is_told() {
    let world = World::new();
    let refuses = world.hostile(json!({ "behaviour": "unavailable" }), json!({})).await;
    let plan = refuses.plan(vec![change("a"), change("b")]).await.unwrap();
    assert!(plan.changes.is_empty() && plan.problems.len() == 2, "{plan:?}");
    assert!(plan.problems[0].action.contains("later"), "{plan:?}");
    let traps = world.hostile(json!({ "behaviour": "trap" }), json!({})).await;
    let error = traps.plan(vec![change("a")]).await.unwrap_err().to_string();
    assert!(error.contains("while it rehearsed a") && error.contains("trapped"), "{error}");
}

/// Prints how memory and file descriptors go, a line for each tenth.
#[tokio::test(flavor = "multi_thread")]
async fn many_swaps_leave_memory_and_descriptors_flat() {
    let swaps = std::env::var("LB_TEST_SWAPS").map_or(SWAPS, |swaps| swaps.parse().unwrap());
    let world = World::new();
    // Two builds that differ in nothing but their digest.
    let component = fs::read(lb_guests::component("hostile")).unwrap();
    let builds: Vec<_> = (0_u8..2)
        .map(|number| {
            let path = world.path(&format!("build-{number}.wasm"));
            fs::write(&path, [&component[..], &[0, 7, 5, b'b', b'u', b'i', b'l', b'd', number]].concat()).unwrap();
            path
        })
        .collect();
    let configuration: Value = world.hostile_configuration(json!({ "behaviour": "" }), json!({}));
    let slot = Slot::new(world.load(&builds[0], configuration.clone()).await.unwrap());
    let mut seen = Vec::new();
    for number in 1..=swaps {
        slot.swap(world.load(&builds[number % 2], configuration.clone()).await.unwrap());
        slot.apply(change("lb")).await.unwrap();
        if number % (swaps / 10) == 0 {
            let now = (resident_bytes(), descriptors());
            eprintln!("{number:>6} swaps: {:>4} MiB, {} descriptors", now.0 >> 20, now.1);
            seen.push(now);
        }
    }
    let (half, end) = (seen[4], seen[9]);
    assert!(end.0 <= half.0 + GROWTH_BYTES, "memory grows: {seen:?}");
    assert!(end.1 <= half.1 + 8, "descriptors grow: {seen:?}");
    slot.shutdown().await;
}

fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}
