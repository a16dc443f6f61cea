//! A provider that is loaded to be tried: tested, measured, recorded.

use std::{path::PathBuf, time::Duration};

use anyhow::{anyhow, bail};
use url::Url;

use super::Target;
use crate::{component::Component, config::Options, plugin};

/// What every trial needs to know.
#[derive(Debug, clap::Args)]
pub(super) struct Trial {
    #[command(flatten)]
    target: Target,
    /// The configuration file to run it with [default: the file beside the component, nginx.yaml for nginx.wasm]
    #[arg(long, env = "LB_CONTROLLER_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Real APIs, or doubles of them.
#[derive(Debug, clap::Args)]
pub(super) struct Apis {
    /// An API behind an HTTP grant, which is changed: a double, or one that nobody else uses; may be given several times
    #[arg(long = "api", value_name = "GRANT=URL", value_parser = api)]
    pub(super) apis: Vec<(String, Url)>,
}

impl Trial {
    /// The component, the options that it was found with, and what the suite needs.
    pub(super) async fn prepare(self, patience: u64) -> anyhow::Result<(Component, Options, lb_suite::Options)> {
        let options = Options { config: self.config, ..self.target.options() }.with_file()?;
        let component = Component::find(&options).await?;
        let (configuration, _) = plugin::configuration(&options, &component)?;
        let suite = lb_suite::Options {
            name: component.name().to_owned(),
            digest: component.source().digest.map(str::to_owned),
            patience: Duration::from_secs(patience),
            cache_dir: Some(options.state_dir().join("cache")),
            ..lb_suite::Options::new(component.source().path.to_owned(), configuration)
        };
        Ok((component, options, suite))
    }
}

fn api(text: &str) -> anyhow::Result<(String, Url)> {
    let (grant, url) =
        text.split_once('=').ok_or_else(|| anyhow!("not of the form GRANT=URL, as in api=http://127.0.0.1:8080/v2"))?;
    let url: Url = url.parse().map_err(|error| anyhow!("{url:?} is no URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        bail!("{url} is not of HTTP");
    }
    Ok((grant.to_owned(), url))
}
