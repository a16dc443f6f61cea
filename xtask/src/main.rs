//! `cargo xtask <verb>`: every development step. Few dependencies on purpose: a newcomer waits for it first.

#![allow(clippy::print_stdout, reason = "a command line tool talks on standard output")]

mod bench;
mod check;
mod command;
mod demo;
mod guide;
mod plugins;
mod prerequisites;
mod terminal;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

const USAGE: &str = "\
Usage: cargo xtask <verb>

  demo [nginx]    build everything and show an Ingress becoming traffic through nginx
  demo rancher    the same for the load balancers of a Rancher, of which a double is started
                  --stay after either keeps it up
  test            formatting, lints, providers, hostile guests, all tests: what continuous integration runs
  bench [NAME]    what design.md gives budgets for, measured with optimised builds
  lint            formatting and lints, and each crate alone
  guide [rust]    write a new provider outside the checkout, test it, build it, and put it to the test
  guide python    the same in Python, guide javascript in JavaScript: with the tools of these languages
  plugins         build the providers into target/plugins
  help            this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        ["demo"] | ["demo", "nginx"] => run(|workspace| demo::nginx(workspace, false)),
        ["demo", "--stay"] | ["demo", "nginx", "--stay"] => run(|workspace| demo::nginx(workspace, true)),
        ["demo", "rancher"] => run(|workspace| demo::rancher(workspace, false)),
        ["demo", "rancher", "--stay"] => run(|workspace| demo::rancher(workspace, true)),
        ["test"] => run(check::test),
        ["bench", names @ ..] => run(|workspace| bench::bench(workspace, names)),
        ["lint"] => run(check::lint),
        ["guide"] | ["guide", "rust"] => run(|workspace| check::guide(workspace, guide::Language::Rust)),
        ["guide", "python"] => run(|workspace| check::guide(workspace, guide::Language::Python)),
        ["guide", "javascript"] => run(|workspace| check::guide(workspace, guide::Language::JavaScript)),
        ["plugins"] => run(|workspace| {
            prerequisites::rust(workspace)?;
            plugins::providers(workspace)
        }),
        wrong => {
            let what =
                if wrong.is_empty() { "a verb is missing".to_owned() } else { format!("unknown: {}", wrong.join(" ")) };
            eprint!("{what}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{} {error:#}", terminal::red("error:"));
            ExitCode::FAILURE
        }
    }
}

fn run(verb: impl FnOnce(&Workspace) -> Result<()>) -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("the providers' data planes are set up for Linux only so far; use a Linux machine or container");
    }
    verb(&Workspace::locate()?)
}
