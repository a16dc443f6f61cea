use std::{io::Write as _, path::PathBuf, time::Duration};

use anyhow::bail;
use lb_suite::recording::{self, Recording};

use super::Target;
use crate::{component::Component, config::Options, plugin};

/// Options of `replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The recording
    #[arg(value_name = "RECORDING")]
    recording: PathBuf,
    #[command(flatten)]
    target: Target,
    /// The configuration file to run it with [default: the file beside the component, nginx.yaml for nginx.wasm]
    #[arg(long, env = "LB_CONTROLLER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// How many seconds the provider may wait for what the recording does not tell
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    patience: u64,
    /// Print what differs as JSON
    #[arg(long)]
    json: bool,
}

/// Makes the calls of a recording again, without an API, and prints what the provider does otherwise.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let options = Options { config: args.config, ..args.target.options() }.with_file()?;
    let recording = Recording::read(&args.recording)?;
    let component = Component::find(&options).await?;
    let (configuration, _) = plugin::configuration(&options, &component)?;
    let suite = lb_suite::Options {
        name: component.name().to_owned(),
        digest: component.source().digest.map(str::to_owned),
        patience: Duration::from_secs(args.patience),
        cache_dir: Some(options.state_dir().join("cache")),
        ..lb_suite::Options::new(component.source().path.to_owned(), configuration)
    };
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
