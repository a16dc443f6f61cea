//! The binary under test.

mod builder;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Client, Request, Response, eventually,
    log::Log,
    processes::{self, Process},
};

pub use builder::Builder;

/// How long nginx may take to end when a test is over.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The address that goes into the status.
pub const PUBLISHED: &str = "203.0.113.7";

/// The directory of cargo's output, as this test itself lies in it.
fn target() -> Result<PathBuf> {
    let test = std::env::current_exe().context("this test has a path")?;
    let debug = test.parent().and_then(Path::parent).context("a test lies in target/debug/deps")?;
    Ok(debug.to_path_buf())
}

/// The program.
pub fn program() -> Result<PathBuf> {
    let program = target()?.join("lb-controller");
    if !program.is_file() {
        bail!("{} is missing; build it: cargo build --workspace --bin lb-controller", program.display());
    }
    Ok(program)
}

/// The directory of the built providers.
pub fn plugins() -> Result<PathBuf> {
    let plugins = target()?.parent().context("target/debug has a parent")?.join("plugins");
    if !plugins.join("nginx.wasm").is_file() {
        bail!("{} holds no nginx.wasm; build it: cargo xtask plugins", plugins.display());
    }
    Ok(plugins)
}

/// How a run ended that was expected to end.
#[derive(Debug)]
pub struct Ended {
    /// The exit code.
    pub code: Option<i32>,
    /// What it said.
    pub error: String,
}

/// Runs the program to its end, with no Kubernetes in its environment.
pub async fn run_to_end(arguments: &[&str]) -> Result<Ended> {
    let mut command = tokio::process::Command::new(program()?);
    command
        .args(arguments)
        .env_remove("KUBECONFIG")
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(crate::wait::PATIENCE, command.output()).await.context("it did not end")??;
    Ok(Ended { code: output.status.code(), error: String::from_utf8_lossy(&output.stderr).into_owned() })
}

/// A controller that runs, with its nginx. Both end when this is dropped.
pub struct Controller {
    /// A client of its data plane.
    pub client: Client,
    admin: u16,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    directory: TempDir,
    child: Option<Child>,
    starts: u32,
}

impl Controller {
    /// Starts it, again if it ran before, with the same arguments and state.
    pub fn spawn(&mut self) -> Result<()> {
        self.starts += 1;
        let log = File::create(self.log_path()).context("cannot make the log")?;
        let child = Command::new(program()?)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start lb-controller")?;
        self.child = Some(child);
        Ok(())
    }

    /// Waits until it serves what the API holds.
    pub async fn ready(&self) -> Result<()> {
        let ready = eventually("lb-controller is ready", async || {
            let response = self.admin("/readyz").await?;
            if response.status != 200 {
                bail!("/readyz answers {}: {}", response.status, response.body.trim());
            }
            Ok(())
        });
        ready.await.with_context(|| format!("its log ends:\n{}", self.log_tail()))
    }

    /// Asks the admin port.
    pub async fn admin(&self, path: &str) -> Result<Response> {
        Client::new(self.admin, self.admin).get("localhost", path).await
    }

    /// Has the admin port do something.
    pub async fn post(&self, path: &str) -> Result<Response> {
        Client::new(self.admin, self.admin).send(&Request::http("localhost", path).post()).await
    }

    /// The value of a metric, summed over its labels that contain `labels`; 0 if it was never set.
    pub async fn metric(&self, name: &str, labels: &str) -> Result<f64> {
        let text = self.admin("/metrics").await?.body;
        let lines = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name) && line.contains(labels));
        lines
            .map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<f64>().context("a metric is a number"))
            .sum()
    }

    /// What the admin port tells of the provider.
    pub async fn provider(&self) -> Result<Value> {
        let all: Value = serde_json::from_str(&self.admin("/v1/providers").await?.body)?;
        all.get(0).cloned().context("there is one provider")
    }

    /// The id of its process.
    pub fn id(&self) -> Result<u32> {
        Ok(self.child.as_ref().context("it runs")?.id())
    }

    /// Waits until a Service's backend answers.
    pub async fn serves(&self, host: &str, path: &str, service: &str) -> Result<Response> {
        let served = eventually(format!("{host}{path} is served by {service}"), async || {
            let response = self.client.get(host, path).await?;
            let answered = response.service()?;
            if answered != service {
                bail!("{answered} answered");
            }
            Ok(response)
        });
        served.await.with_context(|| format!("the log ends:\n{}", self.log_tail()))
    }

    /// Waits until a request is answered with a status.
    pub async fn answers(&self, host: &str, path: &str, status: u16) -> Result<Response> {
        let answered = eventually(format!("{host}{path} is answered with {status}"), async || {
            let response = self.client.get(host, path).await?;
            if response.status != status {
                bail!("the status is {}: {}", response.status, response.body.trim());
            }
            Ok(response)
        });
        answered.await.with_context(|| format!("the log ends:\n{}", self.log_tail()))
    }

    /// What it logged since its latest start, a line each.
    pub fn log(&self) -> Result<Log> {
        Log::open(&self.log_path())
    }

    /// Kills it as soon as it logs a line of this signature. Only lines that `log` has not read count.
    pub fn kill_at(&mut self, mut log: Log, signature: &str) -> Result<()> {
        let deadline = Instant::now() + crate::wait::PATIENCE;
        while !log.read()?.iter().any(|line| line == signature) {
            if Instant::now() > deadline {
                bail!("{signature:?} was not logged; the log ends:\n{}", self.log_tail());
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        self.kill()
    }

    /// All that it printed, since its first start.
    pub fn printed(&self) -> Result<String> {
        let logs = 1..=self.starts;
        logs.map(|start| fs::read_to_string(self.log_of(start)).context("cannot read the log")).collect()
    }

    /// Waits until it printed a line with all of these words since its latest start. Returns the line.
    pub async fn says(&self, words: &[&str]) -> Result<String> {
        let said = eventually(format!("a line of the log says {words:?}"), async || {
            let text = fs::read_to_string(self.log_path())?;
            let line = text.lines().find(|line| words.iter().all(|word| line.contains(word)));
            line.map(str::to_owned).context("no line does")
        });
        said.await.with_context(|| format!("the log ends:\n{}", self.log_tail()))
    }

    /// Waits until it ended by itself.
    pub async fn ends(&mut self) -> Result<Ended> {
        eventually("lb-controller ends", async || {
            let status = self.child.as_mut().context("it runs")?.try_wait()?.context("it still runs")?;
            Ok(Ended { code: status.code(), error: fs::read_to_string(self.log_path())? })
        })
        .await
        .with_context(|| format!("its log ends:\n{}", self.log_tail()))
    }

    fn log_path(&self) -> PathBuf {
        self.log_of(self.starts)
    }

    fn log_of(&self, start: u32) -> PathBuf {
        self.directory.path().join(format!("log.{start}"))
    }

    /// Where it keeps its state, unless another place was chosen.
    pub fn state_directory(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// The end of the log, for messages.
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Kills it as the kernel would; nginx is left to itself.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("it runs")?;
        child.kill().context("cannot kill lb-controller")?;
        child.wait()?;
        Ok(())
    }

    /// Asks it to end and waits until it did.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        let child = self.child.as_mut().context("it runs")?;
        processes::signal(i32::try_from(child.id())?, Signal::TERM)?;
        let deadline = Instant::now() + crate::wait::PATIENCE;
        let status = loop {
            match child.try_wait()? {
                Some(status) => break status,
                None if Instant::now() > deadline => bail!("it did not end; its log ends:\n{}", self.log_tail()),
                None => crate::wait::pause().await,
            }
        };
        self.child = None;
        Ok(status)
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(match &mut self.child {
            Some(child) => child.try_wait()?.is_none(),
            None => false,
        })
    }

    /// The nginx that it supervises, or the Caddy that has the ports.
    pub fn nginx(&self) -> Result<Process> {
        let masters = processes::nginx_masters(self.directory.path())?;
        match masters.as_slice() {
            [master] => Ok(master.clone()),
            _ => bail!("{} nginx run on {}", masters.len(), self.directory.path().display()),
        }
    }

    /// The workers of that nginx, or the Caddy that has the routes. As long as they stay the same, there was no reload.
    pub fn nginx_workers(&self) -> Result<Vec<Process>> {
        processes::nginx_workers(&self.nginx()?)
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        let deadline = Instant::now() + STOP_LIMIT;
        let data_plane = || -> Result<Vec<Process>> {
            let directory = self.directory.path();
            Ok([processes::nginx_masters(directory)?, processes::routers(directory)?].concat())
        };
        while let Ok(masters) = data_plane()
            && !masters.is_empty()
            && Instant::now() < deadline
        {
            for master in masters {
                // It may have ended since.
                let _ = processes::signal(master.id, Signal::TERM);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
