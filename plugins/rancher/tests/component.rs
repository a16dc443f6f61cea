//! The component imports what the descriptor asks for, and nothing else; the sidecar grants it.

use std::{collections::BTreeSet, path::Path, process::Command};

use lb_plugin_rancher::Rancher;
use lb_provider::Provider as _;
use wasmparser::{Parser, Payload};

/// What the host does by itself, without an import.
const HOST_ONLY: &str = "subscriptions";

#[test]
fn the_component_imports_only_what_it_was_granted() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--profile", "plugin", "--target", "wasm32-unknown-unknown"])
        .args(["--package", env!("CARGO_PKG_NAME")])
        .current_dir(workspace)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), Into::into);
    let component = std::fs::read(target.join("wasm32-unknown-unknown/plugin/lb_plugin_rancher.wasm")).unwrap();

    let mut imports = BTreeSet::new();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(&component) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    let wanted = Rancher::describe().grants.into_iter().map(|grant| grant.capability);
    let expected: BTreeSet<_> = wanted
        .filter(|capability| capability != HOST_ONLY)
        .chain(["clock", "identity", "log", "random", "types"].map(str::to_owned))
        .map(|interface| format!("lb-controller:provider/{interface}@0.1.0"))
        .collect();
    assert_eq!(imports, expected);
}

#[test]
fn the_sidecar_grants_what_the_descriptor_asks_for() {
    let sidecar: serde_json::Value = serde_saphyr::from_str(include_str!("../rancher.yaml")).unwrap();
    let grants = &sidecar["grants"];
    for wanted in Rancher::describe().grants {
        let granted = match &*wanted.capability {
            "key-reveal" => grants["keys"]["reveal"] == true,
            capability => !grants[capability][&wanted.name].is_null(),
        };
        assert!(granted, "{} {}", wanted.capability, wanted.name);
    }
}
