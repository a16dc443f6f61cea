//! The budgets of `docs/design.md`, measured: `cargo xtask bench [NAME]...`.
//!
//! Each scenario drives the optimised controller from outside, as the end-to-end tests do, and says what it measured next
//! to the budget. Nothing fails for being slow: machines differ, and a graph says more than a threshold.

#![allow(clippy::print_stdout, reason = "a report goes to standard output")]

#[path = "budgets/crowd.rs"]
mod crowd;
#[path = "budgets/endpoints.rs"]
mod endpoints;
#[path = "budgets/graph.rs"]
mod graph;
#[path = "budgets/memory.rs"]
mod memory;
#[path = "budgets/rancher.rs"]
mod rancher;
#[path = "budgets/report.rs"]
mod report;
#[path = "budgets/soak.rs"]
mod soak;
#[path = "budgets/start.rs"]
mod start;
#[path = "budgets/swap.rs"]
mod swap;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use futures::future::LocalBoxFuture;
use report::Report;

/// What is measured, how it is called, and what does it.
const SCENARIOS: [(&str, &str, Scenario); 6] = [
    ("start", "from the start of the program to ready", |report| Box::pin(start::run(report))),
    ("endpoints", "from an EndpointSlice to traffic, with 5,000 Ingresses, under churn", |report| {
        Box::pin(endpoints::run(report))
    }),
    ("memory", "12,000 Ingresses and 60,000 endpoints", |report| Box::pin(memory::run(report))),
    ("swap", "another version of the provider at 5,000 virtual hosts, under traffic and churn", |report| {
        Box::pin(swap::run(report))
    }),
    ("soak", "ten thousand swaps under traffic", |report| Box::pin(soak::run(report))),
    ("rancher", "1,000 Ingresses to a Rancher that takes 20 ms to answer", |report| Box::pin(rancher::run(report))),
];

type Scenario = for<'report> fn(&'report mut Report) -> LocalBoxFuture<'report, Result<()>>;

#[tokio::main]
async fn main() -> Result<()> {
    // Cargo adds `--bench`.
    let names: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if let Some(unknown) = names.iter().find(|name| !SCENARIOS.iter().any(|(known, ..)| known == name)) {
        let known = SCENARIOS.map(|(name, ..)| name).join(", ");
        bail!("there is no benchmark {unknown:?}; there are: {known}");
    }
    let mut report = Report::new(output()?);
    for (name, what, scenario) in SCENARIOS {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            report.begin(name, what);
            scenario(&mut report).await.with_context(|| format!("the benchmark {name}"))?;
        }
    }
    report.finish()
}

/// Where results are kept: beside what was built.
fn output() -> Result<PathBuf> {
    let program = lb_tests::controller::program()?;
    let target = program.ancestors().nth(2).context("the program lies in target/release")?;
    let output = target.join("bench");
    fs::create_dir_all(&output).with_context(|| format!("cannot make {}", output.display()))?;
    Ok(output)
}
