//! Constant traffic in the background.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::demo::{eventually, http};

/// How many answers in a row make sure of who is there: with three backends in turn, none is missed by chance.
const WINDOW: usize = 60;
const CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(2);

/// What the answers said so far.
#[derive(Default)]
struct Tally {
    requests: usize,
    failures: Vec<String>,
    /// When each backend answered first and last since the latest [`Load::mark`], in order of answers.
    pods: BTreeMap<String, (Instant, Instant)>,
    recent: Vec<String>,
}

/// Clients that ask for one URL until they are stopped.
pub(crate) struct Load {
    tally: Arc<Mutex<Tally>>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(port: u16, host: &'static str, path: &'static str) -> Self {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..CLIENTS)
            .map(|_| {
                let (tally, stop) = (Arc::clone(&tally), Arc::clone(&stop));
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let answer = http::get(port, host, path);
                        lock(&tally).count(answer);
                        std::thread::sleep(PAUSE);
                    }
                })
            })
            .collect();
        Self { tally, stop, clients }
    }

    /// Waits until exactly so many backends share the traffic. Returns when the first answer of the last one came if
    /// `since` saw fewer, or the last answer of one that is gone.
    pub(crate) fn settle(&self, replicas: usize, since: Instant) -> Result<Duration> {
        eventually(&format!("traffic over {replicas} backends"), || {
            let tally = lock(&self.tally);
            let present: BTreeSet<&String> = tally.recent.iter().collect();
            if tally.recent.len() < WINDOW || present.len() != replicas {
                bail!("{} backends answered the last {} requests", present.len(), tally.recent.len());
            }
            let moments =
                tally.pods.iter().map(|(pod, (first, last))| if present.contains(pod) { first } else { last });
            Ok(moments.max().map_or(Duration::ZERO, |moment| moment.saturating_duration_since(since)))
        })
    }

    /// Ends the traffic. Returns the number of requests; an error if any of them failed.
    pub(crate) fn stop(self) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            if client.join().is_err() {
                bail!("a client of the demo panicked; this is a bug of the demo");
            }
        }
        let tally = lock(&self.tally);
        match tally.failures.first() {
            Some(first) => bail!("{} of {} requests failed; the first: {first}", tally.failures.len(), tally.requests),
            None => Ok(tally.requests),
        }
    }
}

impl Tally {
    fn count(&mut self, answer: Result<http::Response>) {
        self.requests += 1;
        let now = Instant::now();
        let pod = answer.and_then(|answer| match answer.pod() {
            Some(pod) if answer.status == 200 => Ok(pod),
            _ => bail!("status {}: {}", answer.status, answer.body.trim()),
        });
        match pod {
            Ok(pod) => {
                self.pods.entry(pod.clone()).and_modify(|(_, last)| *last = now).or_insert((now, now));
                self.recent.push(pod);
                if self.recent.len() > WINDOW {
                    self.recent.remove(0);
                }
            }
            Err(error) => self.failures.push(format!("{error:#}")),
        }
    }
}

fn lock(tally: &Mutex<Tally>) -> std::sync::MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
