//! The providers, and the guests that only tests load.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{command::run, terminal::Step, workspace::Workspace};

const TARGET: &str = "wasm32-unknown-unknown";

/// Builds every crate of `plugins/` into `target/plugins/<name>.wasm`, its `<name>.yaml` beside it.
pub(crate) fn providers(workspace: &Workspace) -> Result<()> {
    let destination = workspace.plugins();
    fs::create_dir_all(&destination).with_context(|| format!("cannot make {}", destination.display()))?;
    for name in crates(&workspace.root.join("plugins"))? {
        let mut step = Step::begin(&format!("provider {name}.wasm"));
        let package = format!("lb-plugin-{name}");
        let log = workspace.target.join(format!("plugin-{name}.log"));
        let built = component(workspace, &mut step, &package, &log)?;
        let size = replace(&built, &destination.join(format!("{name}.wasm")))?;
        let settings = workspace.root.join(format!("plugins/{name}/{name}.yaml"));
        replace(&settings, &destination.join(format!("{name}.yaml")))?;
        step.done(&format!("{} KB", size.div_ceil(1000)));
    }
    Ok(())
}

/// Builds the misbehaving providers that tests load. A test builds them itself if need be; here it shows progress.
pub(crate) fn guests(workspace: &Workspace) -> Result<()> {
    let mut step = Step::begin("hostile guests");
    let mut cargo = workspace.cargo();
    cargo.args([
        "build",
        "--locked",
        "--profile",
        "plugin",
        "--target",
        TARGET,
        "--package",
        "lb-guests",
        "--examples",
    ]);
    run(&mut step, &mut cargo, &workspace.target.join("guests.log"))?;
    step.done("");
    Ok(())
}

/// Compiles a crate into a component, and says where it is.
fn component(workspace: &Workspace, step: &mut Step, package: &str, log: &Path) -> Result<PathBuf> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--locked", "--profile", "plugin", "--target", TARGET, "--package", package]);
    run(step, &mut cargo, log)?;
    Ok(workspace.target.join(TARGET).join("plugin").join(format!("{}.wasm", package.replace('-', "_"))))
}

/// The names of the directories that hold a crate, in order.
fn crates(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let entry = entry.with_context(|| format!("cannot read {}", directory.display()))?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Puts a copy in place in one step: a controller that watches the file sees the old one or the new one. Returns its
/// size in bytes.
fn replace(from: &Path, to: &Path) -> Result<usize> {
    let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|present| present == content) {
        return Ok(content.len());
    }
    let staged = to.with_extension("staged");
    fs::write(&staged, &content).with_context(|| format!("cannot write {}", staged.display()))?;
    fs::rename(&staged, to).with_context(|| format!("cannot replace {}", to.display()))?;
    Ok(content.len())
}
