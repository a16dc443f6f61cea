use std::path::PathBuf;

use anyhow::bail;
use lb_sandbox::{Error, Inspection};

use super::{
    Target,
    page::{Mark, Page, size},
    schema,
};
use crate::{component::Component, config::Options, plugin};

/// Options of `check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    target: Target,
    /// The configuration file to check it with [default: the file beside the component, nginx.yaml for nginx.wasm]
    #[arg(long, env = "LB_CONTROLLER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Looks at everything that can be looked at without running it for real, and prints what is good and what is not.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let options = Options { config: args.config, ..args.target.options() }.with_file()?;
    let mut report = Report { page: Page::new(), failures: 0 };
    let name = options.provider.clone().unwrap_or_default();
    report.page.title(&name, "");
    report.fill(&options).await;
    let failures = report.failures;
    report.page.print()?;
    match failures {
        0 => Ok(()),
        1 => bail!("{name}: one thing has to be mended"),
        more => bail!("{name}: {more} things have to be mended"),
    }
}

struct Report {
    page: Page,
    failures: usize,
}

impl Report {
    fn mark(&mut self, mark: Mark, what: &str, remark: &str) {
        self.failures += usize::from(mark == Mark::Bad);
        self.page.mark(mark, what, remark);
    }

    /// A line for a result: what is good of it, or what is wrong.
    fn result<T>(&mut self, what: &str, result: anyhow::Result<T>, good: impl FnOnce(&T) -> String) -> Option<T> {
        match result {
            Ok(value) => {
                self.mark(Mark::Good, what, &good(&value));
                Some(value)
            }
            Err(error) => {
                self.mark(Mark::Bad, what, &format!("{error:#}"));
                None
            }
        }
    }

    async fn fill(&mut self, options: &Options) {
        let found = Component::find(options).await;
        let Some(component) = self.result("found", found, |component| component.name().display().to_string()) else {
            return;
        };
        if let Some(key) = component.signed_by() {
            self.mark(Mark::Good, "signed", &format!("by {}", key.display()));
        }
        let inspection = super::inspection(&component, options).await;
        let sum = |inspection: &Inspection| format!("{}, sha256:{}", size(inspection.size), inspection.digest);
        let Some(inspection) = self.result("component", inspection, sum) else { return };
        self.mark(Mark::Good, "contract", &format!("lb-controller:provider@{}", inspection.contract));
        let descriptor = &inspection.descriptor;
        self.mark(Mark::Good, "descriptor", &format!("{} {}", descriptor.name, descriptor.version));
        let schema = schema::parse(&descriptor.settings_schema).map_err(anyhow::Error::msg);
        self.result("schema", schema, |schema| match schema::settings(schema).len() {
            0 => "no settings".to_owned(),
            1 => "one setting".to_owned(),
            count => format!("{count} settings"),
        });
        self.imports(&inspection);
        self.configuration(options, &component, &inspection).await;
    }

    fn imports(&mut self, inspection: &Inspection) {
        let undeclared = inspection.undeclared();
        if undeclared.is_empty() {
            let none = "nothing that has to be granted".to_owned();
            let imports = inspection.capabilities.join(", ");
            self.mark(Mark::Good, "imports", if imports.is_empty() { &none } else { &imports });
        } else {
            let remark = format!(
                "it imports {}, and its descriptor does not ask for that; name each in `grants`, so that operators are told \
                 what for",
                undeclared.join(", ")
            );
            self.mark(Mark::Bad, "imports", &remark);
        }
    }

    async fn configuration(&mut self, options: &Options, component: &Component, inspection: &Inspection) {
        let named = options.config.clone().or_else(|| component.sidecar());
        let of = named.as_ref().map_or_else(String::new, |path| format!(", by {}", path.display()));
        let configuration = match plugin::configuration(options, component) {
            Ok((configuration, _)) => configuration,
            Err(error) => return self.mark(Mark::Bad, "configured", &format!("{error:#}")),
        };
        let valid = configuration.validate().map_err(Error::from);
        match valid.and_then(|()| inspection.check_grants(&configuration.grants)) {
            Ok(()) => self.mark(Mark::Good, "grants", &format!("all that it needs{of}")),
            // Nobody has said yet what it may do, so nothing is wrong: this is what there is to say.
            Err(Error::NotGranted { missing, advice, .. }) if named.is_none() => {
                self.mark(Mark::Note, "grants", &format!("it needs {}. {advice}", missing.join(", ")));
            }
            Err(error) => self.mark(Mark::Bad, "grants", &error.to_string()),
        }
        let checked = inspection.check_settings(&configuration.settings).await.map_err(Into::into);
        self.result("settings", checked, |()| format!("accepted{of}"));
    }
}
