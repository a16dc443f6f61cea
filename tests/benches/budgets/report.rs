//! What was measured, for people and for machines.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Rows as they come, and all of them in a file at the end.
pub(crate) struct Report {
    output: PathBuf,
    scenario: &'static str,
    rows: Vec<Value>,
}

impl Report {
    pub(crate) fn new(output: PathBuf) -> Self {
        Self { output, scenario: "", rows: Vec::new() }
    }

    pub(crate) fn begin(&mut self, name: &'static str, what: &str) {
        self.scenario = name;
        println!("\n{name}  {what}");
    }

    /// Something that has no budget.
    pub(crate) fn tell(&mut self, what: &str, measured: &str) {
        println!("    {what:<52} {measured}");
        self.rows.push(json!({ "scenario": self.scenario, "what": what, "measured": measured }));
    }

    /// A number with its budget, both in this unit. Less is better.
    pub(crate) fn budget(&mut self, what: &str, measured: f64, budget: f64, unit: &str) {
        let ratio = if budget > 0.0 { measured / budget } else { measured };
        let mark = if measured <= budget { '✓' } else { '✗' };
        println!("  {mark} {what:<52} {measured:.1} {unit} of {budget} {unit}, {:.0} %", ratio * 100.0);
        self.rows.push(json!({
            "scenario": self.scenario, "what": what, "measured": measured, "budget": budget, "unit": unit,
        }));
    }

    /// Keeps a file beside the results.
    pub(crate) fn keep(&self, name: &str, content: &str) -> Result<()> {
        let path = self.output.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        println!("    {}", path.display());
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<()> {
        println!();
        let rows = serde_json::to_string_pretty(&self.rows)?;
        self.keep("budgets.json", &rows)
    }
}

/// The value that this share of all stays below.
pub(crate) fn percentile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len().max(1)) - 1;
    times.get(index).copied().unwrap_or_default()
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
