//! A running `lb-controller dev`, and what it says.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{PATIENCE, manifests::Manifests};
use crate::{command::find_program, terminal::Step, workspace::Workspace};

/// Where things are, told once.
#[derive(Clone)]
pub(crate) struct Ready {
    pub(crate) kubeconfig: String,
    /// It is gone when the process has ended well.
    pub(crate) log: PathBuf,
    pub(crate) http: u16,
    pub(crate) https: u16,
}

/// A Kubernetes Event.
#[derive(Clone)]
pub(crate) struct KubernetesEvent {
    pub(crate) warning: bool,
    pub(crate) reason: String,
    pub(crate) object: String,
    pub(crate) message: String,
}

/// Everything that was said so far.
#[derive(Default)]
pub(crate) struct Seen {
    ready: Option<Ready>,
    /// The columns of `kubectl get ingress` by namespace and name.
    pub(crate) ingresses: BTreeMap<(String, String), [String; 6]>,
    pub(crate) events: Vec<KubernetesEvent>,
    problem: Option<String>,
}

/// The process. It ends with this value, whatever way the demo goes.
pub(crate) struct Controller {
    child: Child,
    seen: Arc<Mutex<Seen>>,
    errors: PathBuf,
}

impl Controller {
    /// Starts it and waits until it serves.
    pub(crate) fn start(workspace: &Workspace, manifests: &Manifests, step: &mut Step) -> Result<Self> {
        let errors = workspace.target.join("demo-errors.log");
        let stderr = fs::File::create(&errors).with_context(|| format!("cannot make {}", errors.display()))?;
        let mut child = with_this_process(&workspace.controller())
            .args(["dev", "--provider", "nginx", "--output", "json", "--plugin-dir"])
            .arg(workspace.plugins())
            .arg("-f")
            .arg(&manifests.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("cannot start {}", workspace.controller().display()))?;
        let stdout = child.stdout.take().context("the output is piped")?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let listener = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                lock(&listener).hear(&line);
            }
        });
        let mut controller = Self { child, seen, errors };
        controller.wait_until("lb-controller is ready", step, |seen| seen.ready.is_some())?;
        Ok(controller)
    }

    pub(crate) fn ready(&self) -> Result<Ready> {
        self.seen().ready.clone().context("lb-controller is ready")
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// Waits until what was said fulfils a condition; an error if the process ends first.
    pub(crate) fn wait_until(&mut self, what: &str, step: &mut Step, holds: impl Fn(&Seen) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if holds(&self.seen()) {
                return Ok(());
            }
            if let Some(problem) = self.seen().problem.clone() {
                bail!("{problem}");
            }
            if let Some(status) = self.child.try_wait().context("cannot ask for the state of lb-controller")? {
                self.ended_well(status)?;
                bail!("lb-controller ended of itself");
            }
            if Instant::now() > deadline {
                bail!("waited {} s in vain: {what}", PATIENCE.as_secs());
            }
            step.tick();
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until somebody ends it.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let status = self.child.wait().context("cannot wait for lb-controller")?;
        self.ended_well(status)
    }

    /// Ends it as Ctrl-C would, and with it nginx and the echo backends.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.signal("TERM")?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().context("cannot ask for the state of lb-controller")? {
                return self.ended_well(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("lb-controller did not stop within {} s", PATIENCE.as_secs())
    }

    fn ended_well(&self, status: ExitStatus) -> Result<()> {
        if !status.success() {
            let errors = fs::read_to_string(&self.errors).unwrap_or_default();
            bail!("lb-controller ended with {status}:\n{}", errors.trim());
        }
        Ok(())
    }

    /// Puts a copy of the log where it outlives the process.
    pub(crate) fn save_log(&self, to: &Path) -> Result<()> {
        let log = self.ready()?.log;
        fs::copy(&log, to).with_context(|| format!("cannot copy {} to {}", log.display(), to.display()))?;
        Ok(())
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let status = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.child.id())]).status();
        if !status.context("cannot run sh")?.success() {
            bail!("cannot signal lb-controller; is it gone?");
        }
        Ok(())
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted here.
        if matches!(self.child.try_wait(), Ok(None)) && self.signal("TERM").is_ok() {
            let _ = self.child.wait();
        }
    }
}

impl Seen {
    /// Takes in one line of the output.
    fn hear(&mut self, line: &str) {
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            self.problem = Some(format!("lb-controller said something that is no JSON: {line}"));
            return;
        };
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str() {
            Some("ready") => {
                let port = |name: &str| text(name).rsplit_once(':').and_then(|(_, port)| port.parse().ok());
                let (Some(http), Some(https)) = (port("http"), port("https")) else {
                    self.problem = Some(format!("lb-controller names no ports: {line}"));
                    return;
                };
                self.ready = Some(Ready { kubeconfig: text("kubeconfig"), log: text("log").into(), http, https });
            }
            Some("ingress") => {
                let row = &event["ingress"];
                let columns = ["namespace", "name", "class", "hosts", "address", "ports"]
                    .map(|name| row[name].as_str().unwrap_or_default().to_owned());
                self.ingresses.insert((columns[0].clone(), columns[1].clone()), columns);
            }
            Some("ingress-deleted") => {
                self.ingresses.remove(&(text("namespace"), text("name")));
            }
            Some("kubernetes-event") => self.events.push(KubernetesEvent {
                warning: text("type") == "Warning",
                reason: text("reason"),
                object: text("object"),
                message: text("message"),
            }),
            Some("problem") => self.problem = Some(text("message")),
            _ => {}
        }
    }
}

/// A program that the kernel ends when this process does, however that comes about; where `setpriv` can arrange it.
fn with_this_process(program: &Path) -> Command {
    match find_program("setpriv") {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "TERM"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
