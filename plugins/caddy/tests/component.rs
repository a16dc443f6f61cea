//! The component imports what the descriptor asks for, and nothing else.

use std::{collections::BTreeSet, path::Path, process::Command};

use lb_plugin_caddy::Caddy;
use lb_provider::Provider as _;
use wasmparser::{Parser, Payload};

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
    let component = std::fs::read(target.join("wasm32-unknown-unknown/plugin/lb_plugin_caddy.wasm")).unwrap();

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
    let wanted = Caddy::describe().grants.into_iter().map(|grant| grant.capability);
    let expected: BTreeSet<_> = wanted
        .chain(["clock", "log", "random", "types"].map(str::to_owned))
        .map(|interface| format!("lb-controller:provider/{interface}@0.1.0"))
        .collect();
    assert_eq!(imports, expected);
}
