//! A running `rancher-double`: the Rancher that the demo drives, and looks at from outside.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{
    demo::{http, process::Process},
    workspace::Workspace,
};

/// Its steps take half a second each.
const SPEED: &str = "2";
/// How long after Kubernetes Rancher learns of a Service.
const AGENT_DELAY_MILLISECONDS: &str = "300";

/// The process. It ends with this value.
pub(crate) struct Double {
    process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

/// A load balancer as Rancher has it, in short.
#[derive(Clone)]
pub(crate) struct LoadBalancer {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) scale: u64,
    pub(crate) ports: Vec<String>,
    pub(crate) addresses: Vec<String>,
    pub(crate) rules: Vec<String>,
}

/// What the API was asked in a span of time.
pub(crate) struct Asked {
    /// Where the next span begins.
    pub(crate) next: u64,
    pub(crate) requests: u64,
    /// A line each: method or action, type, id, name, state.
    pub(crate) writes: Vec<String>,
}

impl Double {
    /// Starts it. Its agent follows Kubernetes as soon as the kubeconfig is there.
    pub(crate) fn start(workspace: &Workspace, hosts: &[&str], kubeconfig: &Path) -> Result<Self> {
        let errors = workspace.target.join("demo-rancher-double.log");
        let (process, stdout) = Process::start(&workspace.program("rancher-double"), errors, |command| {
            command.args(["--speed", SPEED, "--agent-delay", AGENT_DELAY_MILLISECONDS, "--verbose", "--kubeconfig"]);
            command.arg(kubeconfig);
            command.args(hosts.iter().flat_map(|host| ["--host", host]));
        })?;
        let mut double = Self {
            process,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            access_key: String::new(),
            secret_key: String::new(),
        };
        let mut said = BTreeMap::new();
        for line in BufReader::new(stdout).lines().take(3) {
            let line = line.context("cannot read what rancher-double says")?;
            if let Some((name, value)) = line.split_once('=') {
                said.insert(name.to_owned(), value.to_owned());
            }
        }
        let (Some(url), Some(access), Some(secret)) =
            (said.remove("CATTLE_URL"), said.remove("CATTLE_ACCESS_KEY"), said.remove("CATTLE_SECRET_KEY"))
        else {
            double.process.wait()?;
            bail!("rancher-double ended before it said where it is");
        };
        let authority = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        double.address = authority.parse().with_context(|| format!("rancher-double is at {url}"))?;
        (double.access_key, double.secret_key) = (access, secret);
        Ok(double)
    }

    /// Where it is, as an operator would say it: the root alone.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.process.errors.clone()
    }

    /// What stands in the `Authorization` header, after the scheme.
    pub(crate) fn authorization(&self) -> String {
        STANDARD.encode(format!("{}:{}", self.access_key, self.secret_key))
    }

    /// Asks Rancher's API, as any of its users.
    pub(crate) fn api(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        self.send(method, &format!("/v2-beta{path}"), &[format!("Authorization: Basic {}", self.authorization())], body)
    }

    /// Does something to the world around the API.
    pub(crate) fn control(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        self.send(method, &format!("/control{path}"), &[], body)
    }

    fn send(&self, method: &str, path: &str, headers: &[String], body: &Value) -> Result<Value> {
        let (host, body) = (self.address.to_string(), if body.is_null() { String::new() } else { body.to_string() });
        let request = http::Request { method, host: &host, path, headers, body: &body };
        let response = http::send(self.address, &request).context("rancher-double does not answer; is it gone?")?;
        ensure!(response.status < 300, "{method} {path}: {} {}", response.status, response.body.trim());
        serde_json::from_str(&response.body).with_context(|| format!("the answer to {method} {path} is no JSON"))
    }

    pub(crate) fn load_balancers(&self) -> Result<Vec<LoadBalancer>> {
        let list = self.control("GET", "/load-balancers", &Value::Null)?;
        Ok(list.as_array().context("a list of load balancers")?.iter().map(load_balancer).collect())
    }

    /// The addresses of all hosts.
    pub(crate) fn hosts(&self) -> Result<Vec<String>> {
        let list = self.control("GET", "/hosts", &Value::Null)?;
        Ok(list.as_array().context("a list of hosts")?.iter().map(|host| text(host, "address")).collect())
    }

    /// What it was asked, from a place that an earlier answer told, 0 at first.
    pub(crate) fn asked(&self, since: u64) -> Result<Asked> {
        let asked = self.control("GET", &format!("/requests?since={since}"), &Value::Null)?;
        let number = |name: &str| asked[name].as_u64().with_context(|| format!("a number of {name}"));
        Ok(Asked { next: number("next")?, requests: number("requests")?, writes: texts(&asked["writes"]) })
    }
}

fn load_balancer(row: &Value) -> LoadBalancer {
    LoadBalancer {
        id: text(row, "id"),
        name: text(row, "name"),
        state: text(row, "state"),
        scale: row["scale"].as_u64().unwrap_or_default(),
        ports: texts(&row["ports"]),
        addresses: texts(&row["addresses"]),
        rules: texts(&row["rules"]),
    }
}

fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_default().to_owned()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
