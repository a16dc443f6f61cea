use std::{io::Write as _, path::PathBuf, time::Duration};

use anyhow::{anyhow, bail};
use url::Url;

use super::Target;
use crate::{component::Component, config::Options, plugin};

/// Options of `test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// The configuration file to test it with [default: the file beside the component, nginx.yaml for nginx.wasm]
    #[arg(long, env = "LB_CONTROLLER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// An API behind an HTTP grant that the suite may change: a double, or one that nobody else uses; may be given several
    /// times [default: the API only fails, and clauses that need one that works are skipped]
    #[arg(long = "api", value_name = "GRANT=URL", value_parser = api)]
    apis: Vec<(String, Url)>,
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
    let options = Options { config: args.config, ..args.target.options() }.with_file()?;
    let component = Component::find(&options).await?;
    let (configuration, _) = plugin::configuration(&options, &component)?;
    let suite = lb_suite::Options {
        name: component.name().to_owned(),
        digest: component.source().digest.map(str::to_owned),
        apis: args.apis.into_iter().collect(),
        only: args.clauses,
        patience: Duration::from_secs(args.patience),
        cache_dir: Some(options.state_dir().join("cache")),
        ..lb_suite::Options::new(component.source().path.to_owned(), configuration)
    };
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

/// `GRANT=URL`.
pub(super) fn api(text: &str) -> anyhow::Result<(String, Url)> {
    let (grant, url) =
        text.split_once('=').ok_or_else(|| anyhow!("not of the form GRANT=URL, as in api=http://127.0.0.1:8080/v2"))?;
    let url: Url = url.parse().map_err(|error| anyhow!("{url:?} is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        bail!("{url} is not of HTTP");
    }
    Ok((grant.to_owned(), url))
}
