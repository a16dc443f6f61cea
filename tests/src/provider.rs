//! Which provider the suite runs with: `nginx`, or the one that `LB_TEST_PROVIDER` names.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{controller, ports};

/// Ends a test that the provider of this run cannot pass, and says why.
#[macro_export]
macro_rules! skip_with {
    ($provider:literal, $reason:literal) => {
        if $crate::provider::name() == $provider {
            eprintln!("skipped with {}: {}", $provider, $reason);
            return Ok(());
        }
    };
}

/// The provider that tests get if they name none.
pub fn name() -> String {
    std::env::var("LB_TEST_PROVIDER").unwrap_or_else(|_| "nginx".to_owned())
}

/// Where a controller finds its provider. Caddy's admin endpoints need ports that no other test has, so its sidecar file
/// is one of the test's own.
pub(crate) fn plugin_directory(provider: &str, own: &Path) -> Result<PathBuf> {
    let built = controller::plugins()?;
    if provider != "caddy" {
        return Ok(built);
    }
    let directory = own.join("plugins");
    fs::create_dir(&directory)?;
    fs::copy(built.join("caddy.wasm"), directory.join("caddy.wasm")).context("build it: cargo xtask plugins")?;
    let (edge, router) = (ports::free()?, ports::free()?);
    let settings =
        format!("settings: {{edge-admin-address: '127.0.0.1:{edge}', router-admin-address: '127.0.0.1:{router}'}}");
    let sidecar = fs::read_to_string(built.join("caddy.yaml"))?
        .replace("settings: {}", &settings)
        .replace("127.0.0.1:2119", &format!("127.0.0.1:{edge}"))
        .replace("127.0.0.1:2120", &format!("127.0.0.1:{router}"));
    fs::write(directory.join("caddy.yaml"), sidecar)?;
    Ok(directory)
}
