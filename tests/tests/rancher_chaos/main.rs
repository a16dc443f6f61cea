//! Everything goes wrong at once: Rancher fails in each way that it can, people change their minds, the controller is
//! killed. In the end everything is as it is wanted.
//!
//! What happens follows from a seed, a fixed one unless `LB_TEST_SEED` gives another; when it happens follows from the
//! machine, so that a failure may need more than one run of its seed.
//!
//! Not in here: keys that are refused. Those take the operator, and are tried again after minutes only.

mod verdict;
mod wanted;
mod weather;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use lb_rancher_double::{Fault, Host, Route, Rule};
use lb_tests::{
    Controller, World, eventually, objects,
    rancher::{Configuration, Rancher, Strangers},
};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use wanted::Wanted;

const SEED: u64 = 20_170_217;
const STEPS: usize = 160;
/// The longest pause between two steps, in milliseconds.
const PAUSE: u64 = 160;
/// How many hosts Rancher has at any time.
const HOSTS: usize = 4;
/// How long a write is waited for that the controller is to be killed at. Without one it is killed all the same.
const WRITE: Duration = Duration::from_millis(700);

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_exactly_the_wanted_load_balancers_stand_in_the_end() -> Result<()> {
    let seed = match std::env::var("LB_TEST_SEED") {
        Ok(text) => text.parse().context("LB_TEST_SEED is a number")?,
        Err(_) => SEED,
    };
    eprintln!("seed {seed}");
    run(seed).await.with_context(|| format!("this was seed {seed}; again: LB_TEST_SEED={seed}"))
}

async fn run(seed: u64) -> Result<()> {
    let world = World::start("chaos").await?;
    let rancher = Rancher::setup().hosts(HOSTS).seed(seed).start(&world).await?;
    let strangers = Strangers::arrive(&rancher, &world).await?;
    for (service, port) in wanted::SERVICES {
        world.service(service, port).await?;
    }
    let wanted = Wanted::start()?;
    for (name, certificate) in &wanted.secrets {
        world.tls_secret(name, certificate).await?;
    }
    let configuration = Configuration::default().http("timeout-ms", weather::DEADLINE);
    let controller = rancher.configured(&world, &configuration).start().await?;
    let hosts = rancher.hosts.clone();
    let mut story = Story {
        random: Rng::with_seed(seed),
        world: &world,
        rancher: &rancher,
        strangers: &strangers,
        wanted,
        controller,
        hosts,
        kills: 0,
    };
    for step in 0..STEPS {
        let told = story.step().await.with_context(|| format!("step {step}"))?;
        eprintln!("{step}: {told}");
        sleep(Duration::from_millis(story.random.u64(..PAUSE))).await;
    }
    story.ends().await
}

/// What happens.
struct Story<'a> {
    random: Rng,
    world: &'a World,
    rancher: &'a Rancher,
    strangers: &'a Strangers,
    wanted: Wanted,
    controller: Controller,
    /// The ids of the hosts that are there.
    hosts: Vec<String>,
    kills: u32,
}

impl Story<'_> {
    /// One thing happens. Gives its name.
    async fn step(&mut self) -> Result<String> {
        if !self.controller.is_running()? {
            ensure!(self.kills > 0, "the controller ended by itself:\n{}", self.controller.log_tail());
            if self.random.u8(..3) == 0 {
                self.controller.spawn()?;
                return Ok("the controller starts".to_owned());
            }
        }
        match self.random.u8(..100) {
            0..44 => self.change().await,
            44..56 => self.delete().await,
            56..61 => self.replace().await,
            61..67 => self.rotate().await,
            67..75 => Ok(self.somebody_meddles()),
            75..78 => Ok(self.a_host_is_replaced()),
            78..94 => weather::change(self.rancher, &mut self.random).await,
            94..97 => self.killed(),
            _ => self.killed_at_a_write().await,
        }
    }

    async fn change(&mut self) -> Result<String> {
        let name = Wanted::any(&mut self.random);
        let ingress = self.wanted.change(name, &mut self.random);
        self.world.apply(ingress.object()).await?;
        Ok(format!("{name} is to serve {:?}", ingress.rules()))
    }

    async fn delete(&mut self) -> Result<String> {
        let Some(name) = self.wanted.present(&mut self.random) else { return self.change().await };
        self.world.delete("Ingress", name).await?;
        self.wanted.ingresses.remove(name);
        Ok(format!("{name} is deleted"))
    }

    /// Deleted and made again at once.
    async fn replace(&mut self) -> Result<String> {
        let Some(name) = self.wanted.present(&mut self.random) else { return self.change().await };
        self.world.delete("Ingress", name).await?;
        self.wanted.ingresses.remove(name);
        let ingress = self.wanted.change(name, &mut self.random);
        self.world.apply(ingress.object()).await?;
        Ok(format!("{name} is another one, to serve {:?}", ingress.rules()))
    }

    async fn rotate(&mut self) -> Result<String> {
        let name = self.wanted.rotate(&mut self.random)?;
        let certificate = &self.wanted.secrets[name];
        self.world.apply(objects::tls_secret(name, &certificate.chain, &certificate.key)).await?;
        Ok(format!("{name} has another certificate"))
    }

    /// A user of Rancher changes what is ours.
    fn somebody_meddles(&mut self) -> String {
        let ours = self.rancher.balancers().into_iter().filter(|it| !self.strangers.ids().any(|id| id == it.id()));
        let Some(balancer) = self.random.choice(ours.collect::<Vec<_>>()) else {
            return "there is nothing to meddle with".to_owned();
        };
        let path = format!("/loadbalancerservices/{}", balancer.id());
        let (method, path, body) = match self.random.u8(..4) {
            0 => ("DELETE", path, Value::Null),
            1 => ("POST", format!("{path}?action=deactivate"), Value::Null),
            2 => ("PUT", path, json!({"scale": 2})),
            _ => ("PUT", path, json!({"lbConfig": {"portRules": []}})),
        };
        // Its state may forbid it.
        let answer =
            self.rancher.user(method, &path, &body).map_or_else(|error| error.to_string(), |_| "done".to_owned());
        format!("a user's {method} {path} of {}: {answer}", balancer.name())
    }

    /// What ran on it moves.
    fn a_host_is_replaced(&mut self) -> String {
        let place = self.random.usize(..self.hosts.len());
        let name = format!("host-{}", self.random.u16(100..));
        let addresses = vec![format!("198.51.100.{}", self.random.u8(1..255))];
        let fresh =
            self.rancher.add_host(&self.rancher.project, Host { name: name.clone(), addresses, ..Host::default() });
        let gone = std::mem::replace(&mut self.hosts[place], fresh);
        self.rancher.remove_host(&gone);
        format!("{gone} is replaced by {name}")
    }

    fn killed(&mut self) -> Result<String> {
        if !self.controller.is_running()? {
            return Ok("the controller is dead already".to_owned());
        }
        self.controller.kill()?;
        self.kills += 1;
        Ok("the controller is killed".to_owned())
    }

    /// Killed just before a write is carried out, or just after, before it is answered.
    async fn killed_at_a_write(&mut self) -> Result<String> {
        let (sender, mut writes) = mpsc::unbounded_channel();
        // Nobody listens any more once the controller is dead.
        let tell = move |_: &_, request: &lb_rancher_double::Request| _ = sender.send(request.method.clone());
        let fault = if self.random.bool() { Fault::before(tell) } else { Fault::after(tell) };
        let rule = self.rancher.server.faults().add(Rule::once(Route::writes(), fault));
        self.change().await?;
        let write = timeout(WRITE, writes.recv()).await.ok().flatten();
        self.rancher.server.faults().remove(rule);
        Ok(format!("{} at {write:?}", self.killed()?))
    }

    /// Nothing happens any more; all has to become right by itself.
    async fn ends(&mut self) -> Result<()> {
        let (world, rancher, strangers) = (self.world, self.rancher, self.strangers);
        weather::clear(rancher).await?;
        if !self.controller.is_running()? {
            self.controller.spawn()?;
        }
        let failed = rancher.asked().iter().filter(|asked| asked.status.is_none_or(|status| status >= 500)).count();
        eprintln!(
            "{} requests, {failed} failed; the controller was killed {} times",
            rancher.asked().len(),
            self.kills
        );
        ensure!(failed > 0 && self.kills > 0, "nothing went wrong: {failed} requests, {} kills", self.kills);

        let right = eventually("exactly the wanted load balancers stand", async || {
            verdict::balancers(world, rancher, strangers, &self.wanted).await
        });
        right.await.with_context(|| format!("the log ends:\n{}", self.controller.log_tail()))?;
        // Nothing tells of the time that a certificate outlives its use.
        eventually("exactly the used certificates are there", async || {
            rancher.ring();
            verdict::certificates(rancher, strangers, &self.wanted)
        })
        .await
        .with_context(|| format!("the log ends:\n{}", self.controller.log_tail()))?;

        rancher.looked(&self.controller).await?;
        let mark = rancher.mark();
        rancher.looked(&self.controller).await?;
        let writes = rancher.since(mark).writes();
        ensure!(writes.is_empty(), "all is right, and still this is written: {writes:?}");
        verdict::balancers(world, rancher, strangers, &self.wanted).await?;
        verdict::certificates(rancher, strangers, &self.wanted)?;
        strangers.untouched(rancher)?;
        ensure!(!self.controller.printed()?.contains("panicked"), "somebody panicked");
        Ok(())
    }
}
