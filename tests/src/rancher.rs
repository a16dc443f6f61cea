//! A Rancher server beside a Kubernetes API: the double on a socket, with its hosts, a key, and its Kubernetes agent.
//!
//! A second of the server takes ten milliseconds, so that its long transitions do not hold up a test; the controller lives
//! in real time. What a test wants to know is asked in words: which load balancer an Ingress has, what it serves, what was
//! requested of whom.

mod load_balancer;
mod settings;
mod strangers;
mod waiting;

use std::{ops::Deref, time::Duration};

use anyhow::{Context, Result, ensure};
use lb_rancher_double::{
    Agent, AgentOptions, Delays, Exchanges, Host, Identity, Key, KeyKind, Latency, Mark, Options, Request, Response,
    Server, ServerOptions,
};
use serde_json::{Value, json};

use crate::{World, controller::Builder};

pub use load_balancer::LoadBalancer;
pub use settings::{Configuration, state_directory};
pub use strangers::Strangers;

/// The stack that load balancers are in unless the settings say otherwise.
pub const STACK: &str = "kubernetes-ingress-lbs";
/// The external id of that stack, as the original gave it.
pub const STACK_EXTERNAL_ID: &str = "kubernetes-ingress-lbs://";

/// Seconds of the server in a second of real time.
const SPEED: f64 = 100.0;

/// A Rancher server with one project, until it is dropped.
pub struct Rancher {
    /// The server on its socket: recording, faults, event streams.
    pub server: Server,
    /// A key of the project's environment.
    pub key: Key,
    /// The id of the project.
    pub project: String,
    /// The ids of its hosts, in the order of their addresses.
    pub hosts: Vec<String>,
    /// A service of nobody, for [`Rancher::ring`].
    bell: String,
    agent: Option<Agent>,
}

/// The double itself: what people and the server do to its world.
impl Deref for Rancher {
    type Target = lb_rancher_double::Rancher;

    fn deref(&self) -> &Self::Target {
        self.server.rancher()
    }
}

/// A server in the making.
pub struct Setup {
    hosts: usize,
    agent: bool,
    options: Options,
    server: ServerOptions,
}

impl Rancher {
    /// A server with four hosts, whose agent follows the Services of a world.
    pub async fn start(world: &World) -> Result<Self> {
        Self::setup().start(world).await
    }

    /// A server that differs from [`Rancher::start`].
    pub fn setup() -> Setup {
        Setup {
            hosts: 4,
            agent: true,
            options: Options { delays: Delays::uniform(Duration::from_secs(1)), ..Options::default() },
            server: ServerOptions {
                latency: Latency { fixed: Duration::from_millis(1), ..Latency::default() },
                ..ServerOptions::with_speed(SPEED)
            },
        }
    }

    /// A controller of a world's class that drives this server. `CATTLE_URL` is the plain root, as people write it.
    pub fn controller<'world>(&self, world: &'world World) -> Builder<'world> {
        self.configured(world, &Configuration::default())
    }

    /// The same with another configuration.
    pub fn configured<'world>(&self, world: &'world World, configuration: &Configuration) -> Builder<'world> {
        world
            .controller()
            .provider("rancher")
            .state(settings::state_directory())
            .config(configuration.text())
            .environment("CATTLE_URL", &self.server.url())
            .environment("CATTLE_ACCESS_KEY", &self.key.access)
            .environment("CATTLE_SECRET_KEY", &self.key.secret)
    }

    /// The end of the recording as it is now.
    pub fn mark(&self) -> Mark {
        self.server.recording().mark()
    }

    /// What was asked since.
    pub fn since(&self, mark: Mark) -> Exchanges {
        self.server.recording().since(mark)
    }

    /// All that was asked.
    pub fn asked(&self) -> Exchanges {
        self.server.recording().all()
    }

    /// The address of a host, counted from 0.
    pub fn address(&self, host: usize) -> String {
        address(host)
    }

    /// Does what a user of the project does over the API.
    pub fn user(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let target = format!("/v2-beta/projects/{}{path}", self.project);
        let request = Request::new(method, &target).with_header("Host", "rancher.test").with_key(&self.key);
        let answer = self.handle(&if body.is_null() { request } else { request.with_json(body) });
        ensure!(answer.status < 300, "a user's {method} {path} is answered {}: {}", answer.status, answer.json());
        Ok(answer.json())
    }

    /// What the Kubernetes agent would make of a Service: gives its id.
    pub async fn know(&self, world: &World, service: &str) -> Result<String> {
        let service = world.api::<k8s_openapi::api::core::v1::Service>().get(service).await?;
        let uid = service.metadata.uid.context("an object has a UID")?;
        let name = service.metadata.name.context("an object has a name")?;
        Ok(self.add_kubernetes_service(&self.project, &uid, &world.namespace, &name))
    }

    /// A service that somebody adds, of any kind.
    pub fn stranger(&self, kind: &str, fields: &Value) -> Result<String> {
        let refused = |answer: Response| anyhow::anyhow!("{kind} {fields} is refused: {}", answer.json());
        self.add_service(&self.project, kind, fields).map_err(refused)
    }

    /// The id of the stack that load balancers are in; made, as the original made it, if it is not there.
    pub fn stack(&self) -> String {
        let stacks = self.stacks();
        let present = stacks.iter().find(|stack| stack["name"] == STACK && stack["accountId"] == json!(self.project));
        match present.and_then(|stack| stack["id"].as_str()) {
            Some(id) => id.to_owned(),
            None => self.add_stack(&self.project, STACK, Some(STACK_EXTERNAL_ID)),
        }
    }

    /// Something changes that concerns nobody: whoever follows the events has reason to look.
    pub fn ring(&self) {
        let before = self.row(&self.bell).and_then(|row| row["description"].as_str()?.parse::<u64>().ok()).unwrap_or(0);
        self.edit(&self.bell, &json!({"description": (before + 1).to_string()}));
    }
}

impl Setup {
    /// So many hosts, with the addresses 203.0.113.1 and so on.
    #[must_use]
    pub fn hosts(self, hosts: usize) -> Self {
        Self { hosts, ..self }
    }

    /// Nobody tells Rancher of Kubernetes' Services but the test.
    #[must_use]
    pub fn without_agent(self) -> Self {
        Self { agent: false, ..self }
    }

    /// How long each answer takes.
    #[must_use]
    pub fn latency(mut self, milliseconds: u64) -> Self {
        self.server.latency = Latency { fixed: Duration::from_millis(milliseconds), ..Latency::default() };
        self
    }

    /// The seed of what happens at random, also within a latency of 1 to 20 ms.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.server.seed = seed;
        self.server.latency = Latency { fixed: Duration::from_millis(1), jitter: Duration::from_millis(19) };
        self
    }

    /// Serves HTTPS.
    #[must_use]
    pub fn tls(mut self, identity: Identity) -> Self {
        self.server.tls = Some(identity);
        self
    }

    /// Options of the server itself.
    #[must_use]
    pub fn options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// How it is served.
    #[must_use]
    pub fn server(mut self, change: impl FnOnce(&mut ServerOptions)) -> Self {
        change(&mut self.server);
        self
    }

    /// Starts it.
    pub async fn start(self, world: &World) -> Result<Rancher> {
        let rancher = lb_rancher_double::Rancher::new(self.options);
        let project = rancher.add_project("Default");
        let host = |number: usize| Host {
            name: format!("host-{number}"),
            addresses: vec![address(number)],
            ..Host::default()
        };
        let hosts = (0..self.hosts).map(|number| rancher.add_host(&project, host(number))).collect();
        let key = rancher.add_key(KeyKind::Environment { project: project.clone() });
        let stack = rancher.add_stack(&project, "bell", None);
        let fields = json!({
            "name": "bell", "stackId": stack, "description": "0", "lbConfig": {}, "startOnCreate": true,
            "launchConfig": {"imageUuid": "docker:rancher/none"},
        });
        let bell = rancher.add_service(&project, "loadBalancerService", &fields);
        let bell = bell.map_err(|answer| anyhow::anyhow!("the bell is refused: {}", answer.json()))?;
        let options = AgentOptions { project: project.clone(), ..AgentOptions::default() };
        let agent = self.agent.then(|| Agent::start_with(world.client(), rancher.clone(), options));
        let server = Server::start(rancher, self.server).await.context("the Rancher double does not start")?;
        Ok(Rancher { server, key, project, hosts, bell, agent })
    }
}

impl Drop for Rancher {
    fn drop(&mut self) {
        // Before the server, so that it does not see the world end.
        self.agent = None;
    }
}

fn address(host: usize) -> String {
    format!("203.0.113.{}", host + 1)
}
