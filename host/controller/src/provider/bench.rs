use std::{io::Write as _, path::PathBuf, time::Duration};

use url::Url;

use super::{Target, test::api};
use crate::{component::Component, config::Options, plugin};

/// Options of `bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// The configuration file to run it with [default: the file beside the component, nginx.yaml for nginx.wasm]
    #[arg(long, env = "LB_CONTROLLER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The API behind an HTTP grant, which may be changed; may be given several times
    #[arg(long = "api", value_name = "GRANT=URL", value_parser = api)]
    apis: Vec<(String, Url)>,
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
    let options = Options { config: args.config, ..args.target.options() }.with_file()?;
    let component = Component::find(&options).await?;
    let (configuration, _) = plugin::configuration(&options, &component)?;
    let suite = lb_suite::Options {
        name: component.name().to_owned(),
        digest: component.source().digest.map(str::to_owned),
        apis: args.apis.into_iter().collect(),
        patience: Duration::from_secs(args.patience),
        ..lb_suite::Options::new(component.source().path.to_owned(), configuration)
    };
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
