//! `cargo xtask bench`.

use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::{
    command::run,
    plugins, prerequisites,
    terminal::{Step, headline},
    workspace::Workspace,
};

/// Measures, with everything optimised. The benchmarks themselves are `tests/benches/budgets.rs`.
pub(crate) fn bench(workspace: &Workspace, names: &[&str]) -> Result<()> {
    headline("Prepare", "");
    prerequisites::rust(workspace)?;
    prerequisites::nginx(workspace)?;

    headline("Build", "optimised");
    plugins::providers(workspace)?;
    for (label, arguments) in [
        ("lb-controller", ["build", "--locked", "--release", "--workspace", "--bin", "lb-controller"]),
        ("benchmarks", ["bench", "--locked", "--no-run", "--workspace", "--bench", "budgets"]),
    ] {
        let mut step = Step::begin(label);
        let mut cargo = workspace.cargo();
        run(&mut step, cargo.args(arguments), &workspace.target.join("xtask-bench.log"))?;
        step.done("");
    }

    headline("Budgets", "");
    let mut cargo = workspace.cargo();
    cargo.args(["bench", "--quiet", "--locked", "--workspace", "--bench", "budgets", "--"]).args(names);
    let status = cargo.env("RUST_BACKTRACE", "0").stdin(Stdio::null()).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("a benchmark did not come to its end");
    }
    Ok(())
}
