//! Clients that go by the status.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use anyhow::{Context, Result, bail, ensure};
use lb_tests::{Client, World, eventually};

/// Requests to whichever address the status shows, one after the other.
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Result<()>>,
}

impl Clients {
    pub(crate) fn start(world: &Arc<World>, places: &[(&'static str, Client)]) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (world, places, stopped, count) = (world.clone(), places.to_vec(), stop.clone(), sent.clone());
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::SeqCst) {
                let addresses = world.addresses("shop").await?;
                let [address] = addresses.as_slice() else { bail!("the status shows {addresses:?}") };
                let (_, client) = places.iter().find(|(known, _)| known == address).context("it is one of them")?;
                let answer = client.get("shop.test", "/").await.and_then(|response| response.service());
                let answered = answer.with_context(|| format!("at {address}"))?;
                ensure!(answered == "shop", "{answered} answered at {address}");
                count.fetch_add(1, Ordering::SeqCst);
            }
            Ok(())
        });
        Self { stop, sent, task }
    }

    /// Waits until so many more were answered.
    pub(crate) async fn flow(&self, requests: usize) -> Result<()> {
        let enough = self.sent.load(Ordering::SeqCst) + requests;
        eventually("requests flow", async || {
            let sent = self.sent.load(Ordering::SeqCst);
            ensure!(sent >= enough || self.task.is_finished(), "{sent} of {enough}");
            Ok(())
        })
        .await
    }

    /// Ends; an error if a request failed.
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await?
    }
}
