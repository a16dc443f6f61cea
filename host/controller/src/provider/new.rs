//! `provider new`: a project that builds with nothing but the registry of its language.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::page::Page;
use crate::config::Usage;

/// The files of the project, listed by the build script.
mod project {
    include!(concat!(env!("OUT_DIR"), "/project.rs"));
}

/// The template's own name in its three spellings.
const NAME: &str = "my-lb";
const CRATE: &str = "my_lb";
const TYPE: &str = "MyLb";

/// How the template names the SDK.
const VENDORED_SDK: &str = r#"{ path = "vendor/sdk" }"#;

/// What a crate or a directory of its build is called already.
const TAKEN: [&str; 14] = [
    "lb-provider",
    "alloc",
    "build",
    "core",
    "deps",
    "examples",
    "incremental",
    "proc-macro",
    "release",
    "serde",
    "serde-json",
    "std",
    "target",
    "test",
];

const KEYWORDS: [&str; 40] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait",
];

/// Options of `new`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What the provider is called, for example my-lb: a-z, 0-9 and -
    #[arg(value_name = "NAME")]
    name: String,
    /// The language it is written in
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    lang: Language,
    /// Where the project goes [default: a new directory of this name]
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// The SDK: a directory, or the URL of a git repository [default: a copy of the one of this version, in the project]
    #[arg(long, value_name = "DIR|URL")]
    sdk: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    /// With the SDK
    Rust,
    /// With componentize-py, from the contract itself
    Python,
    /// With ComponentizeJS, from the contract itself
    #[value(name = "javascript", alias = "js")]
    JavaScript,
}

/// Paths and contents.
type Files = &'static [(&'static str, &'static str)];

impl Language {
    /// The files of a project, and those that come from here unchanged.
    fn files(self) -> (Files, Files) {
        match self {
            Self::Rust => (project::RUST, project::VENDORED),
            Self::Python => (project::PYTHON, project::WIT),
            Self::JavaScript => (project::JAVASCRIPT, project::WIT),
        }
    }

    /// What runs the tests, and what builds the component.
    fn commands(self) -> [&'static str; 2] {
        match self {
            Self::Rust => ["cargo test", "cargo wasm"],
            Self::Python => ["make test", "make"],
            Self::JavaScript => ["npm test", "npm run build"],
        }
    }
}

/// Writes a project, and says what to do with it.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let directory = create(args)?;
    let mut page = Page::new();
    page.title("written", &directory.display().to_string());
    let [test, build] = args.lang.commands();
    if args.lang == Language::JavaScript {
        page.cells(&[("npm install", 14)], "fetches what it is built with");
    }
    page.cells(&[(test, 14)], "runs the provider natively");
    page.cells(&[(build, 14)], "builds the component");
    page.cells(&[("README.md", 14)], "says how to see it work");
    Ok(page.print()?)
}

/// Writes the project, into a directory that is empty or not there.
fn create(args: &Args) -> anyhow::Result<PathBuf> {
    check_name(&args.name)?;
    let directory = args.path.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let unusable = || format!("{} cannot be written to", directory.display());
    fs::create_dir_all(&directory).with_context(unusable)?;
    if fs::read_dir(&directory).with_context(unusable)?.next().is_some() {
        return Err(Usage(format!("{} is not empty; choose another --path", directory.display())).into());
    }
    if args.lang != Language::Rust && args.sdk.is_some() {
        return Err(Usage("--sdk is for Rust; other languages work from the contract itself".to_owned()).into());
    }
    let (template, unchanged) = args.lang.files();
    let sdk = args.sdk.as_deref().map(dependency).transpose()?;
    for (path, content) in template {
        let mut content = named(content, &args.name);
        if let Some(sdk) = &sdk {
            content = content.replace(VENDORED_SDK, sdk);
        }
        write(&directory.join(named(path, &args.name)), &content)?;
    }
    if sdk.is_none() {
        for (path, content) in unchanged {
            write(&directory.join(path), content)?;
        }
    }
    Ok(directory)
}

/// A text of the template under another name.
fn named(text: &str, name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    });
    let words: String = words.collect();
    text.replace(NAME, name).replace(CRATE, &name.replace('-', "_")).replace(TYPE, &words)
}

fn check_name(name: &str) -> Result<(), Usage> {
    let wrong = |reason: &str| Err(Usage(format!("{name:?} cannot be the name of a provider: {reason}")));
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if name.len() > 63 || !name.split('-').all(is_word) || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return wrong("it is 1 to 63 of a-z, 0-9 and single - between them, a letter first");
    }
    if TAKEN.contains(&name) || KEYWORDS.contains(&name) {
        return wrong("Rust or Cargo uses it for something else; add a word, as in my-lb");
    }
    Ok(())
}

/// How Cargo is told of an SDK that is elsewhere.
fn dependency(sdk: &str) -> anyhow::Result<String> {
    let is_url = sdk.contains("://") || sdk.starts_with("git@");
    if is_url {
        return Ok(format!("{{ git = {} }}", toml_string(sdk)));
    }
    let path = fs::canonicalize(sdk).map_err(|error| Usage(format!("--sdk {sdk}: {error}")))?;
    let manifest = path.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(Usage(format!("--sdk {sdk}: there is no Cargo.toml in it")).into());
    }
    Ok(format!("{{ path = {} }}", toml_string(&path.to_string_lossy())))
}

/// A basic string: JSON's escapes are among those of TOML.
fn toml_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    let wrong = || format!("{} cannot be written", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(wrong)?;
    }
    fs::write(path, content).with_context(wrong)
}

#[cfg(test)]
mod tests;
