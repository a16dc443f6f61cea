//! Providers that misbehave, one example for each. This library builds them for the tests that load them.
#![cfg(not(target_family = "wasm"))]

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The component of an example, built if need be:
///
/// - `hostile` does what `settings.behaviour` says, with every capability but HTTP;
/// - `quiet` imports nothing;
/// - `http` sends what `settings.calls` says, and wants the HTTP grant `api`;
/// - `web` imports HTTP and wants no grant by name;
/// - `faulty` keeps the contract but for the clause that `settings.fault` names, by the HTTP grant `api`;
/// - `fickle` describes itself otherwise each time;
/// - `foreign` imports WASI, as the standard libraries of other toolchains do.
///
/// # Panics
/// If it cannot be built.
pub fn component(example: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let path = DIRECTORY.get_or_init(build).join(format!("{example}.wasm"));
    assert!(path.is_file(), "there is no guest {}", path.display());
    path
}

fn build() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies in tests/guests");
    let status = Command::new(cargo)
        .current_dir(workspace)
        .args(["build", "--quiet", "--package", "lb-guests", "--examples"])
        .args(["--profile", "plugin", "--target", "wasm32-unknown-unknown"])
        .status()
        .expect("cargo can be run");
    assert!(status.success(), "the guests do not build; is the target there? rustup target add wasm32-unknown-unknown");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    workspace.join(target).join("wasm32-unknown-unknown/plugin/examples")
}
