//! What the cluster would have of a provider that is not called yet.

use std::sync::Arc;

use lb_model::types::{ChangeSet, Descriptor};
use tokio::sync::{mpsc, oneshot};

/// Asks a controller that runs. Clones ask the same one.
#[derive(Debug, Clone)]
pub struct Previews(mpsc::Sender<Request>);

/// What [`Previews`] asked, for [`crate::Options`].
#[derive(Debug)]
pub struct Requests(mpsc::Receiver<Request>);

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) descriptor: Arc<Descriptor>,
    pub(crate) reply: oneshot::Sender<Vec<ChangeSet>>,
}

/// Both ends.
pub fn previews() -> (Previews, Requests) {
    let (sender, receiver) = mpsc::channel(1);
    (Previews(sender), Requests(receiver))
}

impl Previews {
    /// The complete configuration of every load balancer, as a provider with this descriptor would get it. `None` while
    /// the cluster is not known yet, and when the controller has ended.
    pub async fn complete(&self, descriptor: Arc<Descriptor>) -> Option<Vec<ChangeSet>> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Request { descriptor, reply }).await.ok()?;
        answer.await.ok()
    }
}

impl Requests {
    pub(crate) async fn next(&mut self) -> Option<Request> {
        self.0.recv().await
    }
}

impl Default for Requests {
    /// From nobody.
    fn default() -> Self {
        previews().1
    }
}
