use std::{io::Write as _, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use lb_model::{cluster::Change, translate::Translator};
use lb_suite::recording::{self, Story};

use super::trial::{Apis, Trial};
use crate::objects::Objects;

/// Options of `record`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    trial: Trial,
    #[command(flatten)]
    apis: Apis,
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
    let (component, options, suite) = args.trial.prepare(args.patience).await?;
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
    let suite = lb_suite::Options { apis: args.apis.apis.into_iter().collect(), ..suite };
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
