use std::io::Write as _;

use anyhow::bail;

use super::trial::{Apis, Trial};

/// Options of `test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    trial: Trial,
    #[command(flatten)]
    apis: Apis,
    /// Check this clause alone; may be given several times [default: all]
    #[arg(long = "clause", value_name = "ID", value_delimiter = ',')]
    clauses: Vec<String>,
    /// How many seconds the provider may take until what it was told is served, or gone
    #[arg(long, value_name = "SECONDS", default_value_t = lb_suite::PATIENCE.as_secs())]
    patience: u64,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Puts a component to the test, and prints what it keeps of the contract.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (component, _, suite) = args.trial.prepare(args.patience).await?;
    let suite = lb_suite::Options { apis: args.apis.apis.into_iter().collect(), only: args.clauses, ..suite };
    let mut output = std::io::stdout().lock();
    // A report for programs comes at once; people are told while it grows.
    let mut told = Ok(());
    let report = lb_suite::run_with(suite, |event| {
        if !args.json && told.is_ok() {
            told = match event {
                lb_suite::Event::Began(report) => writeln!(output, "{}\n", report.head()),
                lb_suite::Event::Ended(clause) => writeln!(output, "{clause}"),
            }
            .and_then(|()| output.flush());
        }
    })
    .await?;
    told?;
    if args.json {
        serde_json::to_writer_pretty(&mut output, &report)?;
        writeln!(output)?;
    } else {
        writeln!(output, "\n{}", report.sum())?;
    }
    output.flush()?;
    match report.broken().count() {
        0 => Ok(()),
        1 => bail!("{}: one clause of the contract is broken", component.name().display()),
        more => bail!("{}: {more} clauses of the contract are broken", component.name().display()),
    }
}
