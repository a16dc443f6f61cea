use std::path::PathBuf;

use anyhow::Context;
use lb_registry::{Package, Reference, SigningKey, sign_file};

use super::{RegistryFlags, page::Page};
use crate::{
    component::{self, Component},
    config::{Options, Usage},
};

/// Options of `push`.
#[derive(Debug, clap::Args)]
pub(crate) struct PushArgs {
    /// The component
    #[arg(value_name = "PATH")]
    component: PathBuf,
    /// Where it goes: oci://registry/repository:tag
    #[arg(value_name = "OCI")]
    reference: String,
    /// The version that people see [default: the one that the provider tells]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// The URL of its source code
    #[arg(long, value_name = "URL")]
    source: Option<String>,
    /// The settings, grants and limits to propose to operators [default: the file beside the component, nginx.yaml for
    /// nginx.wasm]
    #[arg(long, value_name = "FILE")]
    configuration: Option<PathBuf>,
    /// Sign it with this private key
    #[arg(long, env = "LB_CONTROLLER_SIGN_KEY", value_name = "FILE")]
    sign_key: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryFlags,
}

/// Options of `sign`.
#[derive(Debug, clap::Args)]
pub(crate) struct SignArgs {
    /// The component
    #[arg(value_name = "PATH")]
    component: PathBuf,
    /// The private key
    #[arg(long, env = "LB_CONTROLLER_SIGN_KEY", value_name = "FILE")]
    sign_key: PathBuf,
}

/// Pushes a component, once it has shown that it is a provider.
pub(crate) async fn push(args: PushArgs) -> anyhow::Result<()> {
    let reference = Reference::parse(&args.reference).map_err(|error| Usage(error.to_string()))?;
    let key = args.sign_key.as_deref().map(SigningKey::from_file).transpose()?;
    // A path without a slash would be a name in the plugin directory.
    let path = std::path::absolute(&args.component).with_context(|| args.component.display().to_string())?;
    let options = Options { provider: Some(path.to_string_lossy().into_owned()), ..args.registry.options() };
    let component = Component::find(&options).await?;
    let inspection = super::inspection(&component, &options).await?;
    let mut package = match &args.configuration {
        Some(configuration) => Package::from_files(&path, Some(configuration))?,
        None => Package::from_file(&path)?,
    };
    package = package.with_version(args.version.unwrap_or_else(|| inspection.descriptor.version.clone()));
    if let Some(source) = args.source {
        package = package.with_source(source);
    }
    let pushed = component::registry(&options)?.push(&reference, &package, key.as_ref()).await?;
    let pinned = reference.at(pushed.digest);
    let mut page = Page::new();
    page.title("pushed", &pinned.to_string());
    match &args.sign_key {
        Some(key) => page.entry("signed by", &key.display().to_string()),
        None => page.entry("not signed", "operators with --provider-trust will refuse it; --sign-key signs it"),
    }
    page.entry("look at it", &format!("lb-controller provider inspect {pinned}"));
    Ok(page.print()?)
}

/// Signs a file.
pub(crate) fn sign(args: &SignArgs) -> anyhow::Result<()> {
    let signature = sign_file(&args.component, &SigningKey::from_file(&args.sign_key)?)?;
    let mut page = Page::new();
    page.title("signed", &format!("{}; hand both files on", signature.display()));
    Ok(page.print()?)
}
