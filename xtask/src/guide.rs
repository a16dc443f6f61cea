//! What an outside author does first, outside this checkout: `provider new`, and then what its README says.

use std::{
    env, fs,
    path::PathBuf,
    process::{self, Command},
};

use anyhow::{Context, Result};

use crate::{command::run, terminal::Step, workspace::Workspace};

/// The languages of `provider new`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    Python,
    JavaScript,
}

/// Writes a new provider with the controller that was built last, and has it tested, built, checked and put to the test.
pub(crate) fn guide(workspace: &Workspace, language: Language) -> Result<()> {
    let directory = Directory::new()?;
    let project = directory.0.join("edge-lb");
    let target = workspace.target.join("guide");
    fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    let step = |label: &str, command: &mut Command| -> Result<()> {
        let mut step = Step::begin(label);
        run(&mut step, command, &target.join("guide.log"))?;
        step.done("");
        Ok(())
    };
    let controller = || Command::new(workspace.program("lb-controller"));
    let inside = |line: &[&str]| {
        let mut command = if line[0] == "cargo" { workspace.cargo() } else { Command::new(line[0]) };
        command.args(&line[1..]).current_dir(&project).env("CARGO_TARGET_DIR", &target);
        command.env("LB_CONTROLLER", workspace.program("lb-controller"));
        command.env("LB_CONTROLLER_STATE_DIR", target.join("state"));
        command
    };

    let (name, tools, test, build, component): (_, &[&[&str]], &[&str], &[&str], _) = match language {
        Language::Rust => (
            "rust",
            &[],
            &["cargo", "test", "--quiet"],
            &["cargo", "wasm", "--quiet"],
            target.join("wasm32-unknown-unknown/release/edge_lb.wasm"),
        ),
        Language::Python => {
            ("python", &[&["make", "venv"]], &["make", "test"], &["make"], project.join("edge-lb.wasm"))
        }
        Language::JavaScript => (
            "javascript",
            &[&["npm", "install"]],
            &["npm", "test"],
            &["npm", "run", "build"],
            project.join("edge-lb.wasm"),
        ),
    };
    let new = ["provider", "new", "edge-lb", "--lang", name, "--path"];
    step("provider new", controller().args(new).arg(&project))?;
    if language == Language::Rust {
        // The versions that all else here is built with, so that nothing new has to be downloaded. Cargo drops the rest.
        let lock = project.join("Cargo.lock");
        fs::copy(workspace.root.join("Cargo.lock"), &lock)
            .with_context(|| format!("cannot write {}", lock.display()))?;
    }
    for line in tools {
        step("its tools", &mut inside(line))?;
    }
    step("its tests", &mut inside(test))?;
    step("its component", &mut inside(build))?;
    for (label, verb) in [("provider check", "check"), ("provider test", "test")] {
        let mut command = controller();
        command.args(["provider", verb]).arg(&component).arg("--config").arg(project.join("edge-lb.yaml"));
        step(label, command.arg("--state-dir").arg(target.join("state")))?;
    }
    if language == Language::Rust {
        step("the component by its own test", &mut inside(&["cargo", "test", "--quiet", "--", "--ignored"]))?;
    }
    Ok(())
}

/// A directory outside the checkout, removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self> {
        let path = env::temp_dir().join(format!("lb-controller-guide-{}", process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Below the system's temporary directory, which is cleaned anyway.
        let _ = fs::remove_dir_all(&self.0);
    }
}
