//! `provider test`: the suite itself has tests of its own.

use serde_json::Value;

use crate::world::World;

#[test]
fn what_is_kept_and_what_is_broken_is_shown_to_people_and_to_programs() {
    let world = World::new();
    let quiet = world.guest("quiet", "quiet.wasm");
    let text = world.succeeds(&["test", &quiet, "--clause", "describe,remove-unknown"]);
    assert!(text.starts_with("quiet 0.1.0, ") && text.contains("✓ remove-unknown"), "{text}");
    assert!(text.contains("\n2 kept, 0 broken, 0 skipped in "), "{text}");
    let json = world.succeeds(&["test", &quiet, "--clause", "describe", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["provider"], &json["clauses"][0]["verdict"]), (&"quiet".into(), &"kept".into()));

    // It takes everything and keeps nothing.
    let text = world.fails(&["test", &quiet, "--clause", "observe", "--patience", "1"]);
    assert!(text.contains("✗ observe") && text.contains("one clause of the contract is broken"), "{text}");
    assert!(text.contains("expected suite") || text.contains("is ready within 1 s"), "{text}");
}

#[test]
fn what_calls_take_is_measured() {
    let world = World::new();
    let plugins = crate::recording::plugins();
    let target = ["bench", "nginx", "--plugin-dir", &plugins, "--endpoints", "15,30"];
    let text = world.succeeds(&target);
    assert!(text.contains("endpoints ") && text.contains("one endpoint changed "), "{text}");
    let json = world.succeeds(&[&target[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["sizes"][1]["endpoints"], &json["provider"]), (&30.into(), &"nginx".into()));
    assert!(json["sizes"][0]["again"]["median"].as_f64().unwrap() > 0.0, "{json}");
}

#[test]
fn what_cannot_be_tested_is_told() {
    let world = World::new();
    let quiet = world.guest("quiet", "quiet.wasm");
    let text = world.fails(&["test", &quiet, "--clause", "obsevre"]);
    assert!(text.contains("there is no clause \"obsevre\"; there are: describe, "), "{text}");
    let text = world.fails(&["test", &quiet, "--api", "api=http://127.0.0.1:1"]);
    assert!(text.contains("there is no HTTP grant \"api\""), "{text}");
    let text = world.fails(&["test", &world.write("no.wasm", b"#!/bin/sh")]);
    assert!(text.contains("no.wasm"), "{text}");
}
