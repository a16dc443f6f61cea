use std::{io::Write as _, path::PathBuf};

use anyhow::bail;
use lb_suite::recording::{self, Recording};

use super::trial::Trial;

/// Options of `replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The recording
    #[arg(value_name = "RECORDING")]
    recording: PathBuf,
    #[command(flatten)]
    trial: Trial,
    /// How many seconds the provider may wait for what the recording does not tell
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    patience: u64,
    /// Print what differs as JSON
    #[arg(long)]
    json: bool,
}

/// Makes the calls of a recording again, without an API, and prints what the provider does otherwise.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let recording = Recording::read(&args.recording)?;
    let (component, _, suite) = args.trial.prepare(args.patience).await?;
    let comparison = recording::replay(suite, &recording).await?;
    let mut output = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut output, &comparison)?;
        writeln!(output)?;
    } else {
        writeln!(output, "{comparison}")?;
    }
    if comparison.is_same() {
        return Ok(());
    }
    bail!("{}: not as {} has it", component.name().display(), args.recording.display())
}
