use std::time::Duration;

use serde::Deserialize;

use super::{InvalidConfiguration, Pattern, Signal};

/// A local program that the host starts for the provider, watches, and starts again when it dies. It runs without a
/// shell, in a process group of its own, with no environment but `PATH`, in the granted directory.
///
/// In `args` and `check`, `{directory}` stands for the absolute path of the granted directory.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServiceGrant {
    /// An absolute path, or a name to look for on the controller's `PATH`.
    pub program: String,
    /// Arguments of the service. It must stay in the foreground.
    #[serde(default)]
    pub args: Vec<String>,
    /// Arguments that make the program check a configuration instead and exit with 0 if it is good. `{path}` stands for
    /// the absolute path of what is checked. Without them the provider's `check` fails.
    #[serde(default)]
    pub check: Option<Vec<String>>,
    /// Seconds that a check may take. 30.
    #[serde(default = "half_a_minute")]
    pub check_timeout_seconds: u64,
    /// How it reads its configuration again. Without it the provider's `reload` fails.
    #[serde(default)]
    pub reload: Option<Reload>,
    /// A line of its output that says it is ready. Without it, it is ready if it lives for 200 milliseconds.
    #[serde(default)]
    pub ready: Option<Pattern>,
    /// Seconds until it must be ready. 30.
    #[serde(default = "half_a_minute")]
    pub ready_timeout_seconds: u64,
    /// How it is ended.
    #[serde(default)]
    pub stop: Stop,
    /// What the operator should do if the program is not there, for example the command that installs it.
    #[serde(default)]
    pub hint: Option<String>,
}

/// How a service reads its configuration again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reload {
    /// Tells it to.
    #[serde(default = "Reload::default_signal")]
    pub signal: Signal,
    /// A line of its output that says it did. Without it, the signal alone is taken for success.
    #[serde(default)]
    pub done: Option<Pattern>,
    /// A line of its output that says it refused and goes on with what it had.
    #[serde(default)]
    pub failed: Option<Pattern>,
    /// Seconds until one of these lines must come. 30.
    #[serde(default = "half_a_minute")]
    pub timeout_seconds: u64,
}

/// How a service is ended.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Stop {
    /// Asks it to end. TERM.
    pub signal: Signal,
    /// Seconds until it is killed, with all of its process group. 10.
    pub timeout_seconds: u64,
}

impl Default for Stop {
    fn default() -> Self {
        Self { signal: Signal::Term, timeout_seconds: 10 }
    }
}

impl Reload {
    fn default_signal() -> Signal {
        Signal::Hup
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }
}

impl ServiceGrant {
    pub(crate) fn check_timeout(&self) -> Duration {
        Duration::from_secs(self.check_timeout_seconds)
    }

    pub(crate) fn ready_timeout(&self) -> Duration {
        Duration::from_secs(self.ready_timeout_seconds)
    }

    pub(crate) fn stop_timeout(&self) -> Duration {
        Duration::from_secs(self.stop.timeout_seconds)
    }

    pub(super) fn validate(&self, key: &str, name: &str) -> Result<(), InvalidConfiguration> {
        super::check_name(key, name)?;
        if self.program.is_empty() || (self.program.contains('/') && !self.program.starts_with('/')) {
            let message = format!("`{}` must be an absolute path, or a name without `/`", self.program);
            return Err(InvalidConfiguration::new(format!("{key}.program"), message));
        }
        let seconds = [
            ("check-timeout-seconds", self.check_timeout_seconds),
            ("ready-timeout-seconds", self.ready_timeout_seconds),
            ("reload.timeout-seconds", self.reload.as_ref().map_or(1, |reload| reload.timeout_seconds)),
            ("stop.timeout-seconds", self.stop.timeout_seconds),
        ];
        for (field, value) in seconds {
            if !(1..=3600).contains(&value) {
                let message = format!("is {value}; must be from 1 to 3600 seconds");
                return Err(InvalidConfiguration::new(format!("{key}.{field}"), message));
            }
        }
        Ok(())
    }
}

fn half_a_minute() -> u64 {
    30
}
