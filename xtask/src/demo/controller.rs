//! A running `lb-controller dev`, and what it says.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{PATIENCE, manifests::Manifests, process::Process};
use crate::{
    terminal::{Step, human, table},
    workspace::Workspace,
};

/// How it is started.
pub(crate) struct Launch<'a> {
    pub(crate) provider: &'a str,
    pub(crate) manifests: &'a Manifests,
    /// Further arguments.
    pub(crate) arguments: &'a [&'a OsStr],
    pub(crate) environment: &'a [(&'a str, &'a str)],
}

/// Where things are, told once.
#[derive(Clone)]
pub(crate) struct Ready {
    pub(crate) kubeconfig: String,
    /// It is gone when the process has ended well.
    pub(crate) log: PathBuf,
    pub(crate) http: u16,
    pub(crate) https: u16,
    /// Where metrics are.
    pub(crate) admin: SocketAddr,
}

/// A Kubernetes Event.
#[derive(Clone)]
pub(crate) struct KubernetesEvent {
    pub(crate) warning: bool,
    pub(crate) reason: String,
    pub(crate) object: String,
    pub(crate) message: String,
}

/// The status of an Ingress at a moment.
#[derive(Clone)]
pub(crate) struct Published {
    pub(crate) moment: Instant,
    pub(crate) name: String,
    /// Separated by commas; empty if there is none.
    pub(crate) addresses: String,
}

/// Everything that was said so far.
#[derive(Default)]
pub(crate) struct Seen {
    ready: Option<Ready>,
    /// The columns of `kubectl get ingress` by namespace and name.
    pub(crate) ingresses: BTreeMap<(String, String), [String; 6]>,
    /// Each status in the order of its time.
    pub(crate) published: Vec<Published>,
    pub(crate) events: Vec<KubernetesEvent>,
    /// All of it, as it was said.
    pub(crate) lines: String,
    problem: Option<String>,
}

/// The process. It ends with this value, whatever way the demo goes.
pub(crate) struct Controller {
    process: Process,
    seen: Arc<Mutex<Seen>>,
}

impl Controller {
    /// Starts it and waits until it serves.
    pub(crate) fn start(workspace: &Workspace, launch: &Launch, step: &mut Step) -> Result<Self> {
        let errors = workspace.target.join("demo-errors.log");
        let (process, stdout) = Process::start(&workspace.program("lb-controller"), errors, |command| {
            command
                .args(["dev", "--provider", launch.provider, "--output", "json", "--plugin-dir"])
                .arg(workspace.plugins())
                .arg("-f")
                .arg(&launch.manifests.directory)
                .args(launch.arguments)
                .envs(launch.environment.iter().copied());
        })?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let listener = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                lock(&listener).hear(&line);
            }
        });
        let mut controller = Self { process, seen };
        controller.wait_until("lb-controller is ready", step, |seen| seen.ready.is_some())?;
        Ok(controller)
    }

    pub(crate) fn ready(&self) -> Result<Ready> {
        self.seen().ready.clone().context("lb-controller is ready")
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// Where its standard error goes.
    pub(crate) fn errors(&self) -> &Path {
        &self.process.errors
    }

    /// Waits until what was said fulfils a condition; an error if the process ends first.
    pub(crate) fn wait_until(&mut self, what: &str, step: &mut Step, holds: impl Fn(&Seen) -> bool) -> Result<()> {
        self.watch(what, step, |controller, _| Ok(holds(&controller.seen()).then_some(())))
    }

    /// Looks again and again until there is something to return; an error if the process ends first.
    pub(crate) fn watch<T>(
        &mut self,
        what: &str,
        step: &mut Step,
        mut look: impl FnMut(&Self, &mut Step) -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self, step)? {
                return Ok(found);
            }
            if let Some(problem) = self.seen().problem.clone() {
                bail!("{problem}");
            }
            self.process.check_running()?;
            if Instant::now() > deadline {
                bail!("waited {} in vain: {what}; lb-controller said: {}", human(PATIENCE), self.last_warning());
            }
            step.tick();
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it complained of last.
    fn last_warning(&self) -> String {
        let seen = self.seen();
        let warning = seen.events.iter().rev().find(|event| event.warning);
        warning.map_or_else(
            || "nothing that warns".to_owned(),
            |event| format!("{} ({}): {}", event.object, event.reason, event.message),
        )
    }

    /// Shows the Ingresses as `kubectl get ingress` does.
    pub(crate) fn show_ingresses(&self) {
        let rows: Vec<_> = self.seen().ingresses.values().map(|columns| columns.to_vec()).collect();
        println!();
        table(&["NAMESPACE", "NAME", "CLASS", "HOSTS", "ADDRESS", "PORTS"], &rows);
    }

    /// Waits until somebody ends it.
    pub(crate) fn wait(&mut self) -> Result<()> {
        self.process.wait()
    }

    /// Ends it as Ctrl-C would, and with it its data plane and the echo backends.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.process.stop()
    }

    /// Puts a copy of the log where it outlives the process.
    pub(crate) fn save_log(&self, to: &Path) -> Result<()> {
        let log = self.ready()?.log;
        fs::copy(&log, to).with_context(|| format!("cannot copy {} to {}", log.display(), to.display()))?;
        Ok(())
    }
}

impl Seen {
    /// The addresses of an Ingress of the namespace `default`, in order; none while it is not there.
    pub(crate) fn addresses(&self, name: &str) -> Vec<String> {
        let key = ("default".to_owned(), name.to_owned());
        let Some([.., addresses, _]) = self.ingresses.get(&key) else { return Vec::new() };
        let mut addresses: Vec<_> =
            addresses.split(',').filter(|address| !address.is_empty()).map(str::to_owned).collect();
        addresses.sort();
        addresses
    }

    /// Takes in one line of the output.
    fn hear(&mut self, line: &str) {
        self.lines.push_str(line);
        self.lines.push('\n');
        let Ok(event) = serde_json::from_str::<Value>(line) else {
            self.problem = Some(format!("lb-controller said something that is no JSON: {line}"));
            return;
        };
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str() {
            Some("ready") => {
                let address = |name: &str| text(name).parse::<SocketAddr>().ok();
                let (Some(http), Some(https), Some(admin)) = (address("http"), address("https"), address("admin"))
                else {
                    self.problem = Some(format!("lb-controller names no ports: {line}"));
                    return;
                };
                let (http, https) = (http.port(), https.port());
                let (kubeconfig, log) = (text("kubeconfig"), text("log").into());
                self.ready = Some(Ready { kubeconfig, log, http, https, admin });
            }
            Some("ingress") => {
                let row = &event["ingress"];
                let columns = ["namespace", "name", "class", "hosts", "address", "ports"]
                    .map(|name| row[name].as_str().unwrap_or_default().to_owned());
                let [namespace, name, .., addresses, _] = columns.clone();
                self.published.push(Published { moment: Instant::now(), name: name.clone(), addresses });
                self.ingresses.insert((namespace, name), columns);
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

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
