//! How a controller is to be started.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};

use super::{Controller, PUBLISHED};
use crate::{Client, World, ports, provider};

/// What explains a test that fails.
const LOG_LEVEL: &str = "info,lb_kubernetes=debug,lb_sandbox=debug,lb_controller=debug,provider=debug";

/// The command line of a controller in the making.
pub struct Builder<'world> {
    world: &'world World,
    provider: String,
    class: String,
    controller_name: String,
    publish: Option<String>,
    leader_elect: bool,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    state: Option<PathBuf>,
    plugins: Option<PathBuf>,
    config: Option<String>,
    several: bool,
    log_level: String,
}

impl<'world> Builder<'world> {
    pub(crate) fn new(world: &'world World) -> Self {
        Self {
            world,
            provider: provider::name(),
            class: world.class.clone(),
            controller_name: world.controller_name.clone(),
            publish: Some(PUBLISHED.to_owned()),
            leader_elect: false,
            arguments: Vec::new(),
            environment: Vec::new(),
            state: None,
            plugins: None,
            config: None,
            several: false,
            log_level: LOG_LEVEL.to_owned(),
        }
    }

    /// Another provider than that of the run, one that knows its addresses by itself.
    #[must_use]
    pub fn provider(mut self, name: &str) -> Self {
        name.clone_into(&mut self.provider);
        self.publish = None;
        self
    }

    /// Another class than the world's.
    #[must_use]
    pub fn class(mut self, class: &str, controller_name: &str) -> Self {
        class.clone_into(&mut self.class);
        controller_name.clone_into(&mut self.controller_name);
        self
    }

    /// Another address for the status than [`PUBLISHED`].
    #[must_use]
    pub fn publish(mut self, address: &str) -> Self {
        self.publish = Some(address.to_owned());
        self
    }

    /// One of several replicas.
    #[must_use]
    pub fn leader_elect(mut self) -> Self {
        self.leader_elect = true;
        self
    }

    /// One more argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A variable is not in its environment, though this builder had it.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    /// A state directory that others use too: one for providers that keep no files of their own, so that a component is
    /// compiled once for all tests.
    #[must_use]
    pub fn state(mut self, directory: PathBuf) -> Self {
        self.state = Some(directory);
        self
    }

    /// Another plugin directory than that of the build.
    #[must_use]
    pub fn plugins(mut self, directory: &Path) -> Self {
        self.plugins = Some(directory.to_owned());
        self
    }

    /// A configuration file with this text.
    #[must_use]
    pub fn config(mut self, text: impl Into<String>) -> Self {
        self.config = Some(text.into());
        self
    }

    /// Several providers instead of one, as a configuration file with the part `providers` names them. Each is reached by a
    /// client of the test's own.
    #[must_use]
    pub fn providers(mut self, text: impl Into<String>) -> Self {
        self.config = Some(text.into());
        self.several = true;
        self.publish = None;
        self
    }

    /// Another log level than the one of all tests.
    #[must_use]
    pub fn log_level(mut self, level: &str) -> Self {
        level.clone_into(&mut self.log_level);
        self
    }

    /// Starts it and waits until it is ready.
    pub async fn start(self) -> Result<Controller> {
        let controller = self.spawn()?;
        controller.ready().await?;
        Ok(controller)
    }

    /// Starts it.
    pub fn spawn(self) -> Result<Controller> {
        let directory = tempfile::Builder::new().prefix("lb-test-").tempdir()?;
        // nginx's workers run as another user where the test runs as root.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
        let (http, https, admin) = (ports::free()?, ports::free()?, ports::free()?);
        let plugins = match self.plugins {
            Some(plugins) => plugins,
            None => provider::plugin_directory(&self.provider, directory.path())?,
        };
        let component = plugins.join(format!("{}.wasm", self.provider));
        ensure!(component.is_file(), "{} is missing; build it: cargo xtask plugins", component.display());
        let mut arguments = vec![
            "--controller=kubernetes".to_owned(),
            format!("--plugin-dir={}", plugins.display()),
            format!("--kubeconfig={}", self.world.cluster.kubeconfig().display()),
            format!("--controller-class={}", self.controller_name),
            format!("--watch-namespace={}", self.world.namespace),
            format!("--admin-address=127.0.0.1:{admin}"),
            format!("--state-dir={}", self.state.unwrap_or_else(|| directory.path().join("state")).display()),
            format!("--leader-elect={}", self.leader_elect),
            "--log-format=json".to_owned(),
            format!("--log-level={}", self.log_level),
        ];
        if !self.several {
            arguments.push(format!("--provider={}", self.provider));
            arguments.push(format!("--ingress-class={}", self.class));
        }
        if let Some(address) = self.publish {
            // A data plane on this machine, on ports that nobody else has.
            arguments.push(format!("--publish-address={address}"));
            arguments.push(format!("--http-port={http}"));
            arguments.push(format!("--https-port={https}"));
        }
        if let Some(text) = &self.config {
            let path = directory.path().join("config.yaml");
            fs::write(&path, text)?;
            arguments.push(format!("--config={}", path.display()));
        }
        arguments.extend(self.arguments);
        let mut controller = Controller {
            client: Client::new(http, https),
            admin,
            arguments,
            environment: self.environment,
            directory,
            child: None,
            starts: 0,
        };
        controller.spawn()?;
        Ok(controller)
    }
}
