//! Constant traffic while something else happens.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Result, bail};
use tokio::{sync::watch, task::JoinSet};

use crate::{Client, eventually, provider};

/// So many answers in a row leave out none of ten backends by chance.
const WINDOW: usize = 200;

/// Clients that send one request after the other, each on a connection of its own.
pub struct Traffic {
    tally: Arc<Mutex<Tally>>,
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
}

#[derive(Default)]
struct Tally {
    requests: usize,
    failures: Vec<String>,
    recent: VecDeque<String>,
}

impl Traffic {
    /// Starts so many clients.
    pub fn start(client: Client, host: &'static str, path: &'static str, clients: usize) -> Self {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            let (tally, stopped) = (Arc::clone(&tally), stopped.clone());
            tasks.spawn(async move {
                while !*stopped.borrow() {
                    let answer = client.get(host, path).await.and_then(|response| response.pod());
                    lock(&tally).count(answer);
                    // Leaves the machine some room for what is under test.
                    crate::wait::breathe().await;
                }
            });
        }
        Self { tally, stop, clients: tasks }
    }

    /// Waits until exactly these backends answer.
    pub async fn settles_on(&self, pods: &[String]) -> Result<()> {
        lock(&self.tally).recent.clear();
        let expected: BTreeSet<&str> = pods.iter().map(String::as_str).collect();
        eventually(format!("traffic over {pods:?}"), async || {
            let tally = lock(&self.tally);
            let seen: BTreeSet<&str> = tally.recent.iter().map(String::as_str).collect();
            if tally.recent.len() < WINDOW || seen != expected {
                bail!("{seen:?} gave the last {} answers; {:?}", tally.recent.len(), tally.failures.first());
            }
            Ok(())
        })
        .await
    }

    /// Waits until so many more requests were answered.
    pub async fn flows(&self, requests: usize) -> Result<()> {
        let before = lock(&self.tally).requests;
        eventually("traffic flows", async || {
            let tally = lock(&self.tally);
            if tally.requests < before + requests {
                bail!("{} of {requests} requests", tally.requests - before);
            }
            Ok(())
        })
        .await
    }

    /// What failed so far.
    pub fn failures(&self) -> Vec<String> {
        lock(&self.tally).failures.clone()
    }

    /// Ends it. Returns the number of requests; an error if any of them failed.
    pub async fn stop(self) -> Result<usize> {
        self.finish(|_| true).await
    }

    /// The same where certificates changed meanwhile: for one, Caddy opens its ports anew, and a connection that waits at an
    /// old one is reset before it is accepted.
    pub async fn stop_after_certificates(self) -> Result<usize> {
        let caddy = provider::name() == "caddy";
        self.finish(|failure| !(caddy && failure.contains("reset by peer"))).await
    }

    async fn finish(mut self, counts: impl Fn(&str) -> bool) -> Result<usize> {
        self.stop.send(true)?;
        while let Some(client) = self.clients.join_next().await {
            client?;
        }
        let mut tally = lock(&self.tally);
        tally.failures.retain(|failure| counts(failure));
        match tally.failures.first() {
            Some(first) => bail!("{} of {} requests failed; the first: {first}", tally.failures.len(), tally.requests),
            None => Ok(tally.requests),
        }
    }
}

impl Tally {
    fn count(&mut self, answer: Result<String>) {
        self.requests += 1;
        match answer {
            Ok(pod) => {
                self.recent.push_back(pod);
                if self.recent.len() > WINDOW {
                    self.recent.pop_front();
                }
            }
            Err(error) => self.failures.push(format!("{error:#}")),
        }
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
