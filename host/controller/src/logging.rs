//! Where log lines go and how they look.

use std::{fs::File, io::IsTerminal, path::Path, sync::Mutex};

use anyhow::Context;
use serde::Deserialize;
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::Usage;

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One object for each line.
    Json,
}

/// Logs to standard error.
pub(crate) fn to_stderr(format: Option<LogFormat>, level: Option<&str>) -> anyhow::Result<()> {
    let terminal = std::io::stderr().is_terminal();
    let registry = tracing_subscriber::registry().with(filter(level)?);
    match format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json }) {
        LogFormat::Text => {
            let colours = terminal && std::env::var_os("NO_COLOR").is_none();
            registry.with(fmt::layer().with_writer(std::io::stderr).with_ansi(colours)).init();
        }
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).init();
        }
    }
    Ok(())
}

/// Logs to a file, for a command that draws on the terminal.
pub(crate) fn to_file(path: &Path, level: Option<&str>) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("the log file {} cannot be made", path.display()))?;
    let layer = fmt::layer().with_writer(Mutex::new(file)).with_ansi(false);
    tracing_subscriber::registry().with(filter(level)?).with(layer).init();
    Ok(())
}

fn filter(level: Option<&str>) -> anyhow::Result<EnvFilter> {
    let text = level.unwrap_or("info");
    EnvFilter::try_new(text).map_err(|error| Usage(format!("--log-level {text:?}: {error}")).into())
}
