use std::{io::Write as _, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use lb_model::{cluster::Change, translate::Translator};
use lb_suite::recording::{self, Story};
use url::Url;

use super::{Target, test::api};
use crate::{component::Component, config::Options, objects::Objects, plugin};

/// Options of `record`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// The configuration file to run it with [default: the file beside the component, nginx.yaml for nginx.wasm]
    #[arg(long, env = "LB_CONTROLLER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The API behind an HTTP grant; may be given several times. It is changed, and left without what was made
    #[arg(long = "api", value_name = "GRANT=URL", value_parser = api)]
    apis: Vec<(String, Url)>,
    /// Manifests of all that there is, a file or a directory; given again, of all that there is next
    #[arg(long = "step", value_name = "FILE|DIR", required = true)]
    steps: Vec<PathBuf>,
    /// Where the recording is written
    #[arg(short, long, value_name = "FILE", default_value = "recording.json")]
    output: PathBuf,
    /// How many seconds the provider may take until what it was told is served, or gone
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    patience: u64,
}

/// Leads a provider through the steps with real APIs, and writes down what it asked of them.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let options = Options { config: args.config, ..args.target.options() }.with_file()?;
    let component = Component::find(&options).await?;
    let (configuration, _) = plugin::configuration(&options, &component)?;
    let descriptor = Arc::new(super::inspection(&component, &options).await?.descriptor);
    let mut story = Story::default();
    for step in args.steps {
        let objects = Objects::read(std::slice::from_ref(&step))?;
        let mut translate = options.translate()?;
        translate.watch_without_class = true;
        let mut translator = Translator::new(translate, descriptor.clone());
        translator.update(&objects, [Change::Everything]);
        let wanted: Vec<_> = translator.load_balancers().filter_map(|id| translator.desired(id)).cloned().collect();
        for key in objects.ingresses.keys() {
            for notice in translator.notices(key) {
                eprintln!("note: Ingress {key}: {}: {}", notice.rejection.field, notice.rejection.message);
            }
        }
        if wanted.is_empty() {
            eprintln!("note: {} asks for no load balancer", step.display());
        }
        story.steps.push(wanted);
        story.keys.extend(objects.keys);
    }
    let suite = lb_suite::Options {
        name: component.name().to_owned(),
        digest: component.source().digest.map(str::to_owned),
        apis: args.apis.into_iter().collect(),
        patience: Duration::from_secs(args.patience),
        cache_dir: Some(options.state_dir().join("cache")),
        ..lb_suite::Options::new(component.source().path.to_owned(), configuration)
    };
    let recording = recording::record(suite, story).await?;
    let mut text = serde_json::to_string_pretty(&recording)?;
    text.push('\n');
    std::fs::write(&args.output, text).with_context(|| format!("cannot write {}", args.output.display()))?;
    let mut output = std::io::stdout().lock();
    for call in &recording.calls {
        writeln!(output, "{:<50} {:>5} requests  {}", call.call.label(), call.exchanges.len(), call.told())?;
    }
    writeln!(output, "\n{}", args.output.display())?;
    Ok(())
}
