//! The log of a controller, read while it is written.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::{Context, Result};
use serde_json::Value;

/// Reads on from where it was.
pub struct Log {
    file: BufReader<File>,
    pending: String,
}

impl Log {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read the log {}", path.display()))?;
        Ok(Self { file: BufReader::new(file), pending: String::new() })
    }

    /// The signatures of the lines that were written since the last look. A signature is what every run of the same code
    /// has in common: the step that the line marks, or its message. Lines without one are left out.
    pub fn read(&mut self) -> Result<Vec<String>> {
        let mut signatures = Vec::new();
        loop {
            let length = self.file.read_line(&mut self.pending).context("cannot read the log")?;
            if length == 0 || !self.pending.ends_with('\n') {
                return Ok(signatures);
            }
            if let Ok(line) = serde_json::from_str::<Value>(&self.pending) {
                signatures.extend(signature(&line));
            }
            self.pending.clear();
        }
    }
}

fn signature(line: &Value) -> Option<String> {
    let message = line["step"].as_str().or_else(|| line["message"].as_str())?;
    // A line of Caddy is JSON itself. What its modules say differs from run to run.
    if line["target"] == "service"
        && let Ok(line @ Value::Object(_)) = serde_json::from_str::<Value>(message)
    {
        return line["logger"].is_null().then(|| line["msg"].as_str().map(str::to_owned)).flatten();
    }
    if line["target"] != "service" || !message.contains('#') {
        return Some(message.to_owned());
    }
    // A line of nginx, `2026/11/24 02:26:35 [notice] 10757#10757: start worker process 10786`: without time and numbers.
    // When its old workers end is their clients' business and differs from run to run.
    let (_, message) = message.split_once('#').and_then(|(_, message)| message.split_once(": "))?;
    let chance = ["signal", "exit", "shutting down"].iter().any(|word| message.contains(word));
    (!chance).then(|| message.trim_end_matches(|last: char| last.is_ascii_digit()).to_owned())
}
