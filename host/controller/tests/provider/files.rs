//! Components that are files.

use std::fs::{self, OpenOptions};

use crate::world::World;

#[test]
fn a_provider_is_shown_to_people_and_to_programs() {
    let world = World::new();
    let quiet = world.guest("quiet", "quiet.wasm");
    let text = world.succeeds(&["inspect", &quiet]);
    assert!(text.starts_with("quiet  0.1.0\n") && text.contains("lb-controller:provider@0.1.0"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&world.succeeds(&["inspect", "--json", &quiet])).unwrap();
    assert_eq!((json["name"].as_str(), json["grants"].as_array().map(Vec::len)), (Some("quiet"), Some(0)));
    assert!(world.succeeds(&["check", &quiet]).contains("nothing that has to be granted"));
}

#[test]
fn what_it_needs_is_compared_with_what_lies_beside() {
    let world = World::new();
    let http = world.guest("http", "http.wasm");
    let text = world.succeeds(&["check", &http]);
    assert!(text.contains("- grants") && text.contains("base-url: <url>"), "{text}");
    world.write("http.yaml", b"grants: {}\n");
    let text = world.fails(&["check", &http]);
    assert!(text.contains("✗ grants") && text.contains("one thing has to be mended"), "{text}");
    world.write("http.yaml", b"grant: {}\n");
    assert!(world.fails(&["check", &http]).contains("http.yaml is not valid"));
    let text = world.fails(&["check", &world.guest("hostile", "hostile.wasm")]);
    assert!(text.contains("it imports files, services, keys, key-reveal, and its descriptor does not ask"), "{text}");
    let quiet = world.guest("quiet", "quiet.wasm");
    let other = world.write("other.yaml", b"settings: { a: 1 }\n");
    assert!(world.fails(&["check", &quiet, "--config", &other]).contains("no setting is known"));
}

#[test]
fn what_cannot_be_run_is_refused_with_what_to_do() {
    let world = World::new();
    let quiet = fs::read(lb_guests::component("quiet")).unwrap();
    let export = "lb-controller:provider/provider@0.1.0";
    let renamed = |to: &str| {
        let mut bytes = quiet.clone();
        let places: Vec<_> = (0..bytes.len()).filter(|&place| bytes[place..].starts_with(export.as_bytes())).collect();
        for place in places {
            bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
        }
        bytes
    };
    for (bytes, told) in [
        (renamed("xx-controller:provider/provider@0.1.0"), "it is a component of another world"),
        (renamed("lb-controller:provider/provider@0.2.0"), "Build it with the SDK of that version"),
        (renamed("lb-controller:provider/provider@0.0.1"), "Build it with the SDK of that version"),
        (quiet[..quiet.len() / 2].to_vec(), "Build it anew"),
        (b"\0asm\x01\0\0\0".to_vec(), "wasm-tools component new"),
    ] {
        let path = world.write("web.wasm", &bytes);
        for verb in ["check", "inspect"] {
            let text = world.fails(&[verb, &path]);
            assert!(text.contains(told) && text.contains("web.wasm"), "{text}");
        }
    }
    OpenOptions::new().write(true).open(world.path("web.wasm")).unwrap().set_len(1 << 30).unwrap();
    let text = world.fails(&["check", world.path("web.wasm").to_str().unwrap()]);
    assert!(text.contains("1073741824 bytes, of 536870912 at most"), "{text}");
}

#[test]
fn with_a_policy_only_what_is_signed_is_compiled() {
    let world = World::new();
    let ((private, public), (_, stranger)) = (world.keys("team"), world.keys("stranger"));
    let quiet = world.guest("quiet", "quiet.wasm");
    let text = world.fails(&["inspect", &quiet, "--provider-trust", &public]);
    assert!(text.contains("quiet.wasm is not signed") && text.contains("quiet.wasm.sig"), "{text}");
    world.succeeds(&["sign", &quiet, "--sign-key", &private]);
    let text = world.fails(&["inspect", &quiet, "--provider-trust", &stranger]);
    assert!(text.contains("not signed by a key of --provider-trust"), "{text}");
    fs::write(&quiet, fs::read(lb_guests::component("web")).unwrap()).unwrap();
    let text = world.fails(&["inspect", &quiet, "--provider-trust", &public]);
    assert!(text.contains("was changed since"), "{text}");
    assert_eq!(world.compiled(), 0);

    world.guest("quiet", "quiet.wasm");
    let text = world.succeeds(&["check", &quiet, "--provider-trust", &stranger, "--provider-trust", &public]);
    assert!(text.contains("✓ signed") && text.contains("team.pub"), "{text}");
}
