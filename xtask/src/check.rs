//! `cargo xtask test` and `cargo xtask lint`.

use std::process::Stdio;

use anyhow::{Context, Result};

use crate::{
    command::{find_program, run},
    demo, guide, plugins, prerequisites,
    terminal::{Step, headline},
    workspace::Workspace,
};

/// The error of a test says what was expected and what the log of the controller says; a backtrace of the test would push
/// both out of sight.
const QUIET: &str = "0";

/// Everything. The closing lines of the test runner are the last thing printed.
pub(crate) fn test(workspace: &Workspace) -> Result<()> {
    prepare(workspace)?;
    prerequisites::nginx(workspace)?;
    prerequisites::caddy(workspace)?;
    prerequisites::registry(workspace)?;

    headline("Checks", "");
    format_and_lints(workspace)?;

    headline("Build", "");
    plugins::providers(workspace)?;
    plugins::guests(workspace)?;
    let mut step = Step::begin("lb-controller");
    demo::build_programs(workspace, &mut step, &["lb-controller"])?;
    step.done("");

    headline("Guide", "a new provider, outside the checkout");
    guide::guide(workspace, guide::Language::Rust)?;

    headline("Tests", "");
    cargo_step(workspace, "documentation tests", &["test", "--locked", "--workspace", "--doc"])?;
    end_to_end_with_caddy(workspace)?;
    let arguments: &[&str] = if find_program("cargo-nextest").is_some() {
        &["nextest", "run", "--locked", "--workspace", "--no-fail-fast"]
    } else {
        &["test", "--locked", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]
    };
    let mut cargo = workspace.cargo();
    cargo.env("RUST_BACKTRACE", QUIET);
    let status = cargo.args(arguments).stdin(Stdio::null()).status().context("cannot run cargo")?;
    if !status.success() {
        // The runner has said what failed, and its closing lines are to be the last.
        std::process::exit(1);
    }
    Ok(())
}

/// The tests that hold for every data plane of this machine; the run that follows has them with nginx.
fn end_to_end_with_caddy(workspace: &Workspace) -> Result<()> {
    const TESTS: [&str; 10] =
        ["bad_input", "classes", "crash", "endpoints", "protocols", "resilience", "routing", "status", "swap", "tls"];
    let mut step = Step::begin("end to end with Caddy");
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--locked", "--workspace", "--no-fail-fast"]);
    cargo.args(TESTS.iter().flat_map(|test| ["--test", test])).env("LB_TEST_PROVIDER", "caddy");
    cargo.env("RUST_BACKTRACE", QUIET);
    run(&mut step, &mut cargo, &workspace.target.join("xtask-caddy.log"))?;
    step.done("");
    Ok(())
}

/// That a new provider builds and passes.
pub(crate) fn guide(workspace: &Workspace, language: guide::Language) -> Result<()> {
    prepare(workspace)?;
    let mut step = Step::begin("lb-controller");
    demo::build_programs(workspace, &mut step, &["lb-controller"])?;
    step.done("");
    headline("Guide", "a new provider, outside the checkout");
    guide::guide(workspace, language)
}

/// Formatting, lints, and that each crate builds without the features that its neighbours ask for.
pub(crate) fn lint(workspace: &Workspace) -> Result<()> {
    prepare(workspace)?;
    headline("Checks", "");
    format_and_lints(workspace)?;
    headline("Alone", "each crate with its own features only");
    for package in packages(workspace)? {
        cargo_step(workspace, &package, &["check", "--locked", "--package", &package])?;
    }
    if find_program("cargo-deny").is_some() {
        cargo_step(workspace, "cargo deny", &["deny", "--offline", "check", "bans", "licenses", "sources"])?;
    } else {
        Step::begin("cargo deny").skipped("cargo-deny is not installed");
    }
    Ok(())
}

fn prepare(workspace: &Workspace) -> Result<()> {
    headline("Prepare", "");
    prerequisites::rust(workspace)?;
    prerequisites::components(workspace)
}

fn format_and_lints(workspace: &Workspace) -> Result<()> {
    cargo_step(workspace, "formatting", &["fmt", "--all", "--check"])?;
    let clippy = ["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    cargo_step(workspace, "lints", &clippy)
}

fn cargo_step(workspace: &Workspace, label: &str, arguments: &[&str]) -> Result<()> {
    let mut step = Step::begin(label);
    let mut cargo = workspace.cargo();
    cargo.args(arguments);
    run(&mut step, &mut cargo, &workspace.target.join(format!("xtask-{}.log", label.replace(' ', "-"))))?;
    step.done("");
    Ok(())
}

/// The packages of the workspace, in its order.
fn packages(workspace: &Workspace) -> Result<Vec<String>> {
    let output = workspace
        .cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("cannot run cargo metadata")?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("cargo metadata is no JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    Ok(packages.iter().filter_map(|package| package["name"].as_str().map(str::to_owned)).collect())
}
