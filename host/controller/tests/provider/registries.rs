//! Components that come from a registry.

use std::fs;

use crate::{server::Server, world::World};

/// The pinned reference that a push prints.
fn pinned(printed: &str) -> String {
    let reference = printed.split_whitespace().nth(1).unwrap();
    assert!(reference.starts_with("oci://") && reference.contains("@sha256:"), "{printed}");
    reference.to_owned()
}

#[test]
fn what_is_pushed_and_signed_is_shown_with_its_proposal() {
    let (world, server) = (World::new(), Server::start());
    let (private, public) = world.keys("team");
    let http = world.guest("http", "http.wasm");
    world.write("http.yaml", b"settings: {}\ngrants: { http: { api: { base-url: 'https://api.test' } } }\n");
    let reference = server.reference("team/http:1").to_string();
    let pinned = pinned(&world.succeeds(&["push", &http, &reference, "--sign-key", &private]));
    let text = world.succeeds(&["inspect", &pinned, "--provider-trust", &public]);
    assert!(text.contains("team.pub") && text.contains("base-url: 'https://api.test'"), "{text}");
    let json = world.succeeds(&["inspect", "--json", &reference, "--provider-trust", &public]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["annotations"]["org.opencontainers.image.version"], "0.1.0");
    assert!(pinned.ends_with(json["artifact"].as_str().unwrap()));
    // What its author proposes grants nothing.
    let text = world.succeeds(&["check", &pinned, "--provider-trust", &public]);
    assert!(text.contains("- grants") && text.contains("base-url: <url>"), "{text}");
}

#[test]
fn a_configuration_from_elsewhere_is_proposed() {
    let (world, server) = (World::new(), Server::start());
    let quiet = world.guest("quiet", "quiet.wasm");
    let configuration = world.write("my.yaml", b"settings: {}\n# as it is\n");
    let reference = server.reference("team/quiet:1").to_string();
    world.succeeds(&["push", &quiet, &reference, "--configuration", &configuration]);
    assert!(world.succeeds(&["inspect", &reference]).contains("# as it is"));
    let text = world.fails(&["push", &world.write("no.wasm", b"#!/bin/sh"), &reference]);
    assert!(text.contains("not WebAssembly"), "{text}");
}

#[test]
fn what_cannot_be_trusted_is_not_compiled() {
    let (world, server) = (World::new(), Server::start());
    let ((private, public), (_, stranger)) = (world.keys("team"), world.keys("stranger"));
    let author = World::new();
    let quiet = author.guest("quiet", "quiet.wasm");
    let unsigned = pinned(&author.succeeds(&["push", &quiet, &server.reference("team/unsigned:1").to_string()]));
    let text = world.fails(&["inspect", &unsigned, "--provider-trust", &public]);
    assert!(text.contains("is not signed: there is no tag sha256-"), "{text}");

    let signed = server.reference("team/quiet:1").to_string();
    author.succeeds(&["push", &quiet, &signed, "--sign-key", &private]);
    let text = world.fails(&["inspect", &signed, "--provider-trust", &stranger]);
    assert!(text.contains("not signed by a key of --provider-trust"), "{text}");

    let text = world.fails(&["inspect", &signed, "--registry-max-bytes", "1000"]);
    assert!(text.contains("1000 at most are taken; nothing was downloaded"), "{text}");

    let component = fs::read(lb_guests::component("quiet")).unwrap();
    let digest = lb_registry::Digest::of(&component);
    let mut tampered = component.clone();
    *tampered.last_mut().unwrap() ^= 1;
    for (content, told) in [(&tampered[..], "should be sha256:"), (&component[..100], "100 bytes of ")] {
        fs::write(server.file(digest), content).unwrap();
        let text = world.fails(&["check", &signed, "--provider-trust", &public]);
        assert!(text.contains("✗ found") && text.contains(told), "{text}");
    }
    assert_eq!(world.compiled(), 0);

    fs::write(server.file(digest), &component).unwrap();
    world.succeeds(&["check", &signed, "--provider-trust", &public]);
    assert!(world.compiled() > 0);
}
