//! Lists the files that `provider new` writes: the template, the SDK and the contract, as they are in this source tree.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let manifest = out.join("sdk.toml");
    fs::write(&manifest, standalone(&read(&root.join("sdk/Cargo.toml"))?, &read(&root.join("Cargo.toml"))?)?)?;

    let mut rust = BTreeMap::new();
    collect(&root.join("sdk/template/rust"), "", &mut rust)?;
    rust.insert("rust-toolchain.toml".to_owned(), root.join("rust-toolchain.toml"));
    let (mut python, mut javascript, mut wit) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    collect(&root.join("sdk/template/python"), "", &mut python)?;
    collect(&root.join("sdk/template/javascript"), "", &mut javascript)?;
    collect(&root.join("wit"), "wit/deps/lb-controller/", &mut wit)?;
    let mut vendored = BTreeMap::new();
    collect(&root.join("sdk/src"), "vendor/sdk/src/", &mut vendored)?;
    collect(&root.join("wit"), "vendor/wit/", &mut vendored)?;
    vendored.insert("vendor/sdk/Cargo.toml".to_owned(), manifest);
    // `cargo fmt` of the project formats what lies in it, too.
    vendored.insert("vendor/sdk/rustfmt.toml".to_owned(), root.join("rustfmt.toml"));

    let mut code = String::new();
    for (name, comment, files) in [
        ("RUST", "A project, with placeholders for its name.", rust),
        ("PYTHON", "The same in Python.", python),
        ("JAVASCRIPT", "The same in JavaScript.", javascript),
        ("VENDORED", "The SDK and the contract, for Rust.", vendored),
        ("WIT", "The contract, for other languages.", wit),
    ] {
        writeln!(code, "/// {comment}\npub(super) const {name}: &[(&str, &str)] = &[")?;
        for (path, file) in files {
            println!("cargo:rerun-if-changed={}", file.display());
            writeln!(code, "    ({path:?}, include_str!({:?})),", file.display().to_string())?;
        }
        writeln!(code, "];")?;
    }
    fs::write(out.join("project.rs"), code)?;
    Ok(())
}

fn read(path: &Path) -> Result<String, Box<dyn Error>> {
    println!("cargo:rerun-if-changed={}", path.display());
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// The files below a directory, by the path that they get.
fn collect(directory: &Path, prefix: &str, files: &mut BTreeMap<String, PathBuf>) -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={}", directory.display());
    for entry in fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a file name that is not text")?;
        // What builds and tools leave behind.
        if matches!(
            name,
            "target"
                | "Cargo.lock"
                | "vendor"
                | "state"
                | "venv"
                | "bindings"
                | "__pycache__"
                | "node_modules"
                | "package-lock.json"
        ) {
            continue;
        }
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files)?;
        } else {
            files.insert(name, path);
        }
    }
    Ok(())
}

/// A manifest that says itself what it inherits from the workspace.
fn standalone(manifest: &str, workspace: &str) -> Result<String, Box<dyn Error>> {
    let mut standalone = String::new();
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        if section == "[lints]" {
            continue;
        }
        let line = match line.strip_suffix(".workspace = true") {
            None => line,
            Some(key) => {
                let from = if section == "[package]" { "[workspace.package]" } else { "[workspace.dependencies]" };
                inherited(workspace, from, key).ok_or_else(|| format!("{key} is not in {from} of the workspace"))?
            }
        };
        writeln!(standalone, "{line}")?;
    }
    Ok(standalone)
}

/// The line of a key in a section.
fn inherited<'a>(workspace: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let lines = workspace.lines().skip_while(|line| *line != section).skip(1).take_while(|line| !line.starts_with('['));
    let is_it = |line: &&str| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
    lines.into_iter().find(is_it)
}
