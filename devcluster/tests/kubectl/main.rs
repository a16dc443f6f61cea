//! Stock `kubectl` against the dev cluster: what people type, and what they read.
//!
//! A machine without `kubectl` skips these tests, and says so in each of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod apply;
mod delete;
mod get;
mod write;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use lb_devcluster::{DevCluster, Options};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Generous: a busy machine starts `kubectl` slowly.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

pub(crate) const MANIFEST: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  labels: {app: web}
spec:
  ingressClassName: lb
  rules:
  - host: foo.bar.com
    http:
      paths:
      - path: /foo
        pathType: Prefix
        backend: {service: {name: web, port: {number: 80}}}
";

/// A cluster, and a home for one `kubectl`.
pub(crate) struct Kubectl {
    pub(crate) cluster: DevCluster,
    directory: TempDir,
}

/// What a command printed.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) success: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Kubectl {
    /// `None` where `kubectl` is not installed.
    pub(crate) async fn start() -> Option<Self> {
        if std::process::Command::new("kubectl").arg("help").stdout(Stdio::null()).status().is_err() {
            eprintln!("SKIPPED: kubectl is not on the PATH, so this test has checked NOTHING");
            return None;
        }
        let cluster = DevCluster::start(Options::default()).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("kubeconfig"), cluster.kubeconfig()).unwrap();
        Some(Self { cluster, directory })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(arguments)
            .env("KUBECONFIG", self.directory.path().join("kubeconfig"))
            .env("HOME", self.directory.path())
            .env_remove("KUBERNETES_SERVICE_HOST")
            .kill_on_drop(true)
            .stdin(Stdio::null());
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        self.finish(self.command(arguments)).await
    }

    async fn finish(&self, mut command: Command) -> Output {
        let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("kubectl ends").unwrap();
        Output {
            success: output.status.success(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) async fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(output.success, "kubectl {arguments:?} failed: {output:?}");
        output.out
    }

    /// Runs a command that must fail, and returns its complaint.
    pub(crate) async fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        assert!(!output.success, "kubectl {arguments:?} did not fail: {output:?}");
        output.err
    }

    /// Runs a command with an environment variable.
    pub(crate) async fn run_with(&self, variable: (&str, &str), arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.env(variable.0, variable.1);
        self.finish(command).await
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path: PathBuf = self.directory.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(content.as_bytes()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Starts a command that goes on printing.
    pub(crate) fn follow(&self, arguments: &[&str]) -> Follow {
        let mut child = self.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Follow { lines, _child: child }
    }
}

/// The lines of a command that is still running; it is killed on drop.
pub(crate) struct Follow {
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Follow {
    /// The columns of the next line.
    pub(crate) async fn line(&mut self) -> Vec<String> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("a line is printed").unwrap();
        columns(&line.expect("kubectl goes on"))
    }
}

/// The words of a line of a table, without the age, which is the last of them.
pub(crate) fn columns(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// The lines of a table, as words.
pub(crate) fn table(output: &str) -> Vec<Vec<String>> {
    output.lines().map(columns).collect()
}
