//! A controller with two providers.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use anyhow::Result;
use lb_kubernetes::{Binding, Options, Publish};
use lb_model::{
    translate::{self, ClassBindings, ClassSelection},
    types::Address,
};

use crate::{
    provider::FakeProvider,
    world::{Controller, World, eventually, eventually_is, options, translate_options},
};

pub(super) const OLD: &str = "192.0.2.10";
pub(super) const NEW: &str = "192.0.2.20";

/// A provider named `old` with the class `lb-old`, and one named `new` with the class `lb-new`.
pub(super) struct Pair {
    pub(super) world: World,
    pub(super) old: Arc<FakeProvider>,
    pub(super) new: Arc<FakeProvider>,
}

impl Pair {
    pub(super) async fn new() -> Result<Self> {
        Self::of(FakeProvider::shared(), FakeProvider::shared()).await
    }

    pub(super) async fn of(old: Arc<FakeProvider>, new: Arc<FakeProvider>) -> Result<Self> {
        let world = World::new().await?;
        for class in ["lb-old", "lb-new"] {
            world.class(class, "lb-controller.io/ingress").await?;
        }
        world.service("web", &["10.0.0.1"]).await?;
        Ok(Self { world, old, new })
    }

    pub(super) fn start(&self) -> Controller {
        self.start_with(options())
    }

    pub(super) fn start_with(&self, options: Options) -> Controller {
        self.start_replica(&self.old, options)
    }

    /// A replica with a data plane of its own.
    pub(super) fn start_replica(&self, old: &Arc<FakeProvider>, options: Options) -> Controller {
        let classes = [("old", "lb-old"), ("new", "lb-new")].map(|(name, class)| (name.to_owned(), class.to_owned()));
        let bindings = Arc::new(ClassBindings::new(classes.into()));
        let (previews, requests) = lb_kubernetes::previews();
        let mut requests = Some(requests);
        let mut binding = |name: &str, provider: &Arc<FakeProvider>, address: &str| Binding {
            name: name.to_owned(),
            translate: translate::Options {
                classes: ClassSelection::Bound { provider: name.to_owned(), bindings: bindings.clone() },
                ..translate_options()
            },
            publish: Publish { addresses: vec![Address::Ip(address.to_owned())], service: None },
            provider: provider.clone(),
            previews: requests.take().unwrap_or_default(),
        };
        let both = vec![binding("old", old, OLD), binding("new", &self.new, NEW)];
        self.world.start_all(both, previews, options)
    }

    pub(super) async fn ingress(&self, class: &str) -> Result<()> {
        self.world.ingress_of(class, "a", "a.example", "web").await
    }

    pub(super) async fn shows(&self, address: &str) {
        let expected = vec![address.to_owned()];
        eventually_is("the status shows the address", expected, || self.world.addresses("a")).await;
    }

    pub(super) async fn told(&self, object: &str, event: &str) {
        let look = async || Ok(self.world.events(object).await?.iter().any(|told| told.contains(event)));
        eventually_is(&format!("{object} is told: {event}"), true, look).await;
    }
}

/// A change that every provider sees: when it is served, whatever came before it was seen, too.
pub(super) async fn settle(world: &World, old: &FakeProvider) -> Result<()> {
    static ROUND: AtomicU32 = AtomicU32::new(0);
    let round = ROUND.fetch_add(1, Ordering::SeqCst);
    let host = format!("settle-{round}.example");
    world.ingress_of("lb-old", &format!("settle-{round}"), &host, "web").await?;
    eventually("a later change is served", || old.hosts("lb-old").contains(&host)).await;
    Ok(())
}
