use std::io::Write as _;

use super::trial::{Apis, Trial};

/// Options of `bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    trial: Trial,
    #[command(flatten)]
    apis: Apis,
    /// How many endpoints there are; may be given several times
    #[arg(long = "endpoints", value_name = "COUNT", value_delimiter = ',', default_values_t = [100, 1000, 10_000])]
    sizes: Vec<usize>,
    /// How many seconds the provider may take until what it was told is served
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    patience: u64,
    /// Print milliseconds as JSON
    #[arg(long)]
    json: bool,
}

/// Measures a provider and prints what its calls take.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (_, _, suite) = args.trial.prepare(args.patience).await?;
    let suite = lb_suite::Options { apis: args.apis.apis.into_iter().collect(), ..suite };
    let measured = lb_suite::measure(suite, &args.sizes).await?;
    let mut output = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut output, &measured)?;
        writeln!(output)?;
    } else {
        writeln!(output, "{measured}")?;
    }
    Ok(())
}
