use std::time::Duration;

use lb_model::provider::{Breach, CallError, Provider};
use serde_json::{Value, json};

use crate::{
    events::Events,
    world::{World, breach, change, eventually},
};

/// The behaviour breaks the limit, which is told with its name and counted once; the plugin goes on.
async fn breaks(behaviour: &str, limits: Value, expected: Breach, named: &str) -> String {
    let world = World::new();
    let plugin = world.hostile(json!({ "behaviour": behaviour }), limits).await;
    let (kind, message) = breach(plugin.apply(change("lb")).await.unwrap_err());
    assert_eq!(kind, expected, "{message}");
    assert!(message.contains(named) && !message.contains('\n'), "{message}");
    assert_eq!(plugin.observe().await.unwrap().len(), 1, "the next call is untouched");
    let counted = world.counted();
    for line in [
        format!("lb_provider_breaches_total{{provider=\"hostile\",kind=\"{}\"}} 1", kind.label()),
        "lb_provider_calls_total{provider=\"hostile\",function=\"apply\",outcome=\"breach\"} 1".to_owned(),
        "lb_provider_calls_total{provider=\"hostile\",function=\"observe\",outcome=\"ok\"} 1".to_owned(),
        "lb_provider_call_duration_seconds_count{provider=\"hostile\",function=\"apply\"} 1".to_owned(),
    ] {
        assert!(counted.lines().any(|it| it == line), "{line} is not in\n{counted}");
    }
    message
}

#[tokio::test]
async fn a_trap() {
    let message = breaks("trap", json!({}), Breach::Trap, "unreachable").await;
    assert!(message.contains("; in ") && message.contains("apply"), "it says where: {message}");
}

#[tokio::test]
async fn an_endless_loop() {
    breaks("loop", json!({ "compute-ms": 100 }), Breach::ComputeDeadline, "limits.compute-ms").await;
}

#[tokio::test]
async fn a_wait_without_end() {
    breaks("sleep", json!({ "wall-ms": 100 }), Breach::WallDeadline, "limits.wall-ms").await;
}

#[tokio::test]
async fn computing_beyond_the_wall_deadline() {
    breaks("loop", json!({ "compute-ms": 60_000, "wall-ms": 100 }), Breach::WallDeadline, "limits.wall-ms").await;
}

/// The service of the hostile guest is given ten seconds to be ready; it says so too late.
#[tokio::test]
async fn waiting_for_a_service_beyond_the_wall_deadline() {
    let world = World::new();
    let mut configuration =
        world.hostile_configuration(json!({ "behaviour": "start-service" }), json!({ "wall-ms": 200 }));
    configuration["grants"]["services"]["web"]["args"] = json!(["-c", "exec sleep 600"]);
    let plugin = world.load(&lb_guests::component("hostile"), configuration).await.unwrap();
    let (kind, message) = breach(plugin.apply(change("lb")).await.unwrap_err());
    assert_eq!(kind, Breach::WallDeadline, "{message}");
    plugin.shutdown().await;
}

#[tokio::test]
async fn a_memory_bomb() {
    breaks("allocate", json!({ "memory-bytes": "32MiB" }), Breach::Memory, "limits.memory-bytes").await;
}

#[tokio::test]
async fn recursion_without_end() {
    breaks("recurse", json!({}), Breach::Stack, "limits.stack-bytes").await;
    breaks("recurse", json!({ "stack-bytes": "64KiB" }), Breach::Stack, "65536").await;
}

#[tokio::test]
async fn a_flood_of_host_calls() {
    breaks("host-calls", json!({ "host-calls": 1000 }), Breach::HostCalls, "limits.host-calls").await;
}

#[tokio::test]
async fn a_huge_text() {
    breaks("huge-text", json!({}), Breach::Bytes, "limits.bytes").await;
}

#[tokio::test]
async fn a_million_addresses() {
    breaks("many-addresses", json!({ "bytes": "16MiB" }), Breach::Bytes, "limits.bytes").await;
}

/// What is checked in the host, since by default so many still fit into `limits.bytes`.
#[tokio::test]
async fn a_million_addresses_with_the_defaults() {
    breaks("many-addresses", json!({}), Breach::Addresses, "more than 256 addresses").await;

    let world = World::new();
    let plugin = world.hostile(json!({ "behaviour": "observe-many-addresses" }), json!({ "addresses": 9_999 })).await;
    let (kind, message) = breach(plugin.observe().await.unwrap_err());
    assert_eq!(kind, Breach::Addresses);
    assert!(message.contains("more than 9999 addresses") && message.contains("limits.addresses"), "{message}");
    assert!(world.counted().contains("lb_provider_breaches_total{provider=\"hostile\",kind=\"addresses\"} 1"));
}

#[tokio::test]
async fn too_much_randomness() {
    breaks("random-flood", json!({}), Breach::Trap, "65537 bytes asked for, 65536 at most").await;
}

/// Rust cannot grow a table; its own is too large from the start.
#[tokio::test]
async fn a_large_table() {
    let world = World::new();
    let configuration = world.hostile_configuration(json!({}), json!({ "table-elements": 1 }));
    let error = world.load(&lb_guests::component("hostile"), configuration).await.err().unwrap();
    let lb_sandbox::Error::Call { source, function: "describe", .. } = error else { panic!("{error}") };
    let (kind, message) = breach(source);
    assert_eq!(kind, Breach::Table);
    assert!(message.contains("limits.table-elements"), "{message}");
    assert!(world.counted().contains("lb_provider_breaches_total{provider=\"hostile\",kind=\"table\"} 1"));
}

/// A component that imports functions is made of several.
#[tokio::test]
async fn too_many_instances() {
    let world = World::new();
    let configuration = world.hostile_configuration(json!({}), json!({ "instances": 1 }));
    let error = world.load(&lb_guests::component("hostile"), configuration).await.err().unwrap();
    let lb_sandbox::Error::Call { source, function: "describe", .. } = error else { panic!("{error}") };
    let (kind, message) = breach(source);
    assert_eq!(kind, Breach::Instances, "{message}");
    assert!(message.starts_with("more than 1 instances (limits.instances)"), "{message}");
    assert!(world.counted().contains("lb_provider_breaches_total{provider=\"hostile\",kind=\"instances\"} 1"));
}

#[tokio::test]
async fn too_many_log_lines_are_dropped_and_counted() {
    let (world, events) = (World::new(), Events::collect());
    let plugin = world.hostile(json!({ "behaviour": "log-flood" }), json!({ "log-lines": 10 })).await;
    plugin.apply(change("lb")).await.unwrap();
    let lines = events.of("provider");
    assert_eq!(lines.len(), 11, "{lines:#?}");
    assert!(lines[10].contains("WARN") && lines[10].contains("4990 log lines"), "{}", lines[10]);
    assert!(world.counted().contains("lb_provider_log_lines_dropped_total{provider=\"hostile\"} 4990\n"));
}

/// Ticks of the clock pass while the provider waits in the host; they are not its own.
#[tokio::test]
async fn waiting_is_not_computing() {
    let world = World::new();
    let settings = json!({ "behaviour": "script", "script": ["sleep 500", "sleep 500"] });
    let plugin = world.hostile(settings, json!({ "compute-ms": 200 })).await;
    plugin.apply(change("lb")).await.unwrap();
}

#[tokio::test]
async fn a_call_that_computes_does_not_keep_others_waiting() {
    let world = World::new();
    let busy = world.hostile(json!({ "behaviour": "loop" }), json!({ "compute-ms": 60_000 })).await;
    let idle = world.hostile(json!({}), json!({})).await;
    let busy = busy.apply(change("lb"));
    tokio::pin!(busy);
    // One thread runs both.
    tokio::select! {
        result = &mut busy => panic!("{result:?}"),
        result = async {
            for _ in 0..10 {
                idle.observe().await.unwrap();
            }
        } => result,
    }
}

#[tokio::test]
async fn a_dropped_call_ends() {
    let world = World::new();
    let plugin = world.hostile(json!({ "behaviour": "sleep" }), json!({})).await;
    let call = plugin.apply(change("lb"));
    assert!(tokio::time::timeout(Duration::from_millis(50), call).await.is_err());
    assert_eq!(plugin.observe().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_call_staged_goes_with_it() {
    let world = World::new();
    let copies = || std::fs::read_dir(world.path(".trees")).map_or(0, Iterator::count);
    let plugin = world.hostile(json!({ "behaviour": "stage-and-trap" }), json!({})).await;
    plugin.apply(change("lb")).await.unwrap_err();
    eventually("the copy of the call that trapped is gone", || world.path(".trees").exists() && copies() == 0).await;

    let plugin = world.hostile(json!({ "behaviour": "stage-and-sleep" }), json!({})).await;
    tokio::select! {
        result = plugin.apply(change("lb")) => panic!("{result:?}"),
        () = eventually("the copy is there", || copies() == 1) => {}
    }
    eventually("the copy of the dropped call is gone", || copies() == 0).await;
}

#[tokio::test]
async fn errors_of_the_contract_are_no_breaches() {
    let world = World::new();
    for (behaviour, told) in [
        ("invalid", "Ingress default/web: refused as told"),
        ("denied", "denied: refused as told"),
        ("unavailable", "unavailable: later"),
    ] {
        let plugin = world.hostile(json!({ "behaviour": behaviour }), json!({})).await;
        let error = plugin.apply(change("lb")).await.unwrap_err();
        assert!(matches!(error, CallError::Provider(_)) && error.to_string().contains(told), "{error}");
        let line = format!("{{provider=\"hostile\",function=\"apply\",outcome=\"{behaviour}\"}} 1");
        assert!(world.counted().contains(&line));
    }
    assert!(!world.counted().contains("lb_provider_breaches_total{"));
}
