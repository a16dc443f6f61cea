//! Websockets that the host holds open so that a provider is woken when something outside has changed. Nothing that
//! comes over them reaches the provider.

mod backoff;
mod connection;
mod filter;

use std::sync::Arc;

use futures::{Stream, StreamExt};
use tokio::{
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{Error as WebsocketError, Message};

use self::{backoff::Backoff, connection::Connector, filter::Filter};
use crate::{
    Metrics,
    configuration::{InvalidConfiguration, SubscriptionGrant},
    grants::http::HttpClients,
    line::printable,
};

/// All subscriptions of a plugin. They end when it is dropped.
pub(crate) struct Subscriptions {
    wake: Arc<Notify>,
    tasks: Vec<JoinHandle<()>>,
}

impl Subscriptions {
    /// Opens them. Connecting goes on in the background, for as long as it takes.
    pub(crate) fn open<'a>(
        provider: &Arc<str>,
        grants: impl IntoIterator<Item = (&'a String, &'a SubscriptionGrant)>,
        clients: &HttpClients,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, InvalidConfiguration> {
        let wake = Arc::<Notify>::default();
        let mut subscriptions = Vec::new();
        for (name, grant) in grants {
            let client = clients.get(&grant.http).expect("checked with the configuration").clone();
            let key = format!("grants.subscriptions.{name}");
            let connector = Connector::new(client, &key, &grant.path)?;
            subscriptions.push(Subscription {
                filter: Filter::new(&grant.wake_on),
                connector,
                grant: grant.clone(),
                observer: Observer {
                    provider: provider.clone(),
                    name: name.clone(),
                    metrics: metrics.clone(),
                    wake: wake.clone(),
                },
            });
        }
        let tasks = subscriptions.into_iter().map(|subscription| tokio::spawn(subscription.run())).collect();
        Ok(Self { wake, tasks })
    }

    /// Ends when one of them woke the provider since this last ended.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Closes them.
    pub(crate) fn close(&self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        self.close();
    }
}

struct Subscription {
    grant: SubscriptionGrant,
    filter: Filter,
    connector: Connector,
    observer: Observer,
}

/// Who is told.
struct Observer {
    provider: Arc<str>,
    name: String,
    metrics: Arc<Metrics>,
    wake: Arc<Notify>,
}

impl Subscription {
    async fn run(self) {
        // Shows it before it first stands.
        self.observer.metrics.subscriptions_connected(&self.observer.provider, &self.observer.name, 0);
        let mut backoff = Backoff::new();
        let mut told = None;
        let mut was_connected = false;
        loop {
            match self.connector.open().await {
                Ok(frames) => {
                    if was_connected {
                        self.observer.reconnected();
                    }
                    (told, was_connected) = (None, true);
                    let connected = Connected::new(&self.observer);
                    let since = Instant::now();
                    let reason = self.follow(frames).await;
                    drop(connected);
                    backoff.was_connected_for(since.elapsed());
                    self.observer.lost(&reason);
                }
                Err(refused) => {
                    if refused.is_lasting() {
                        backoff.slowest();
                    }
                    // One line for each reason, not one for each attempt.
                    let reason = printable(&refused.to_string());
                    if told.as_ref() != Some(&reason) {
                        self.observer.refused(&reason);
                        told = Some(reason);
                    }
                }
            }
            sleep(backoff.next()).await;
        }
    }

    /// Wakes once now, as nothing that happened before the connection stood is told over it, and at most once in
    /// `debounce-ms`. Ends with why the connection did.
    async fn follow(&self, mut frames: impl Stream<Item = Result<Message, WebsocketError>> + Unpin) -> String {
        let mut due = Some(Instant::now());
        let idle = self.grant.idle_timeout();
        let mut idle_since = Instant::now();
        let reason = loop {
            tokio::select! {
                frame = timeout((idle_since + idle).saturating_duration_since(Instant::now()), frames.next()) => {
                    idle_since = Instant::now();
                    match frame {
                        Err(_elapsed) => break format!("no frame for {} milliseconds", idle.as_millis()),
                        Ok(None | Some(Ok(Message::Close(_)))) => break "the server closed it".to_owned(),
                        Ok(Some(Err(error))) => break printable(&error.to_string()),
                        Ok(Some(Ok(Message::Text(text)))) if self.filter.matches(&text) => {
                            due.get_or_insert_with(|| Instant::now() + self.grant.debounce());
                        }
                        Ok(Some(Ok(_))) => {}
                    }
                }
                () = sleep_until(due.unwrap_or(idle_since)), if due.is_some() => {
                    due = None;
                    self.observer.wake();
                }
            }
        };
        if due.is_some() {
            self.observer.wake();
        }
        reason
    }
}

impl Observer {
    fn wake(&self) {
        self.metrics.subscription_woke(&self.provider, &self.name);
        self.wake.notify_one();
    }

    fn reconnected(&self) {
        self.metrics.subscription_reconnected(&self.provider, &self.name);
    }

    fn lost(&self, reason: &str) {
        let Self { provider, name, .. } = self;
        tracing::info!(%provider, subscription = %name, "the connection ended and is made again: {reason}");
    }

    fn refused(&self, reason: &str) {
        let Self { provider, name, .. } = self;
        tracing::warn!(%provider, subscription = %name, "cannot subscribe, tried again until it works: {reason}");
    }
}

/// The gauge, for as long as the connection stands. Two versions of a provider may be connected side by side.
struct Connected<'a>(&'a Observer);

impl<'a> Connected<'a> {
    fn new(observer: &'a Observer) -> Self {
        observer.metrics.subscriptions_connected(&observer.provider, &observer.name, 1);
        tracing::info!(provider = %observer.provider, subscription = %observer.name, "subscribed");
        Self(observer)
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.metrics.subscriptions_connected(&self.0.provider, &self.0.name, -1);
    }
}

#[cfg(test)]
mod tests;
