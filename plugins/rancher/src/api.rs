//! The requests that are made, and how lists are read.

use lb_provider::{
    Clock, Error, Host, KeyReveal, Log,
    http::{self, Answer, Client, RequestBuilder, Retry, target},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Settings,
    model::{Collection, LoadBalancerService, ORIGINAL},
    refusal,
};

/// The name of the HTTP grant, and of the subscription.
pub(crate) const GRANT: &str = "rancher";
/// The largest page that Rancher gives.
const PAGE: &str = "3000";
/// How many things are looked up by name; more of them cost less as one list.
pub(crate) const MOST_LOOKUPS: usize = 8;

pub(crate) const LOAD_BALANCERS: &str = "loadbalancerservices";
pub(crate) const CERTIFICATES: &str = "certificates";
pub(crate) const STACKS: &str = "stacks";
const KUBERNETES_SERVICES: &str = "kubernetesservices";
const IMAGE: &str = "lb.instance.image";

/// One call of the provider.
pub(crate) struct Session<'a> {
    pub(crate) settings: &'a Settings,
    /// Whose mark is ours.
    pub(crate) controller: String,
    pub(crate) client: Client<'a>,
    pub(crate) keys: &'a dyn KeyReveal,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) log: &'a dyn Log,
}

impl<'a> Session<'a> {
    pub(crate) fn new(settings: &'a Settings, host: &'a impl Host) -> Self {
        let client = Client::new(host, GRANT)
            // Rancher answers a browser in HTML.
            .header("user-agent", concat!("lb-controller/", env!("CARGO_PKG_VERSION")))
            .idempotent_writes()
            // The host repeats an apply with growing pauses, and an observe at each interval. Attempts here would multiply
            // theirs, and in an outage a thousand load balancers are tried.
            .retry(Retry::BROKEN_CONNECTION);
        Self {
            settings,
            controller: host.identity().controller(),
            client,
            keys: host.key_reveal(),
            clock: host.clock(),
            log: host.log(),
        }
    }

    /// Reads a list to its end, from its first page. What a filter let through is for the caller to check: Rancher ignores
    /// a filter that it does not know.
    pub(crate) fn list<T: DeserializeOwned>(&self, first: Result<Answer, http::Error>) -> Result<Vec<T>, Error> {
        const MOST_PAGES: usize = 100;
        let mut page: Collection<T> = decode(first)?;
        let mut items = page.data;
        for _ in 1..MOST_PAGES {
            let Some(next) = page.pagination.next.take() else { return Ok(items) };
            page = decode(self.client.send(RequestBuilder::get(next)))?;
            items.append(&mut page.data);
        }
        if page.pagination.next.is_some() {
            return Err(refusal::unavailable(format!("Rancher's list has more than {MOST_PAGES} pages of {PAGE}")));
        }
        Ok(items)
    }

    /// Starts an action on a load balancer, and returns what becomes of it.
    pub(crate) fn act(&self, id: &str, action: &str, input: &impl Serialize) -> Result<LoadBalancerService, Error> {
        let target = target(&[LOAD_BALANCERS, id], &[("action", action)]);
        decode(self.client.send(RequestBuilder::post(target).json(input)))
    }
}

/// The answer as what it should be.
pub(crate) fn decode<T: DeserializeOwned>(answer: Result<Answer, http::Error>) -> Result<T, Error> {
    answer.and_then(|answer| answer.json()).map_err(refusal::of)
}

fn list(collection: &str, filter: &[(&str, &str)]) -> RequestBuilder {
    let query: Vec<_> = filter.iter().copied().chain([("removed_null", "1"), ("limit", PAGE)]).collect();
    RequestBuilder::get(target(&[collection], &query))
}

/// All load balancers of the project.
pub(crate) fn load_balancers() -> RequestBuilder {
    list(LOAD_BALANCERS, &[])
}

/// The load balancers whose names begin so.
pub(crate) fn load_balancers_named(prefix: &str) -> RequestBuilder {
    list(LOAD_BALANCERS, &[("name_prefix", prefix)])
}

/// Those that the original may have made for an Ingress, whatever its separator.
pub(crate) fn load_balancers_of_original(namespace: &str, name: &str) -> RequestBuilder {
    list(LOAD_BALANCERS, &[("externalId_like", &format!("{ORIGINAL}{namespace}-%{name}"))])
}

pub(crate) fn stacks_named(name: &str) -> RequestBuilder {
    list(STACKS, &[("name", name)])
}

/// What Rancher made of one Kubernetes Service.
pub(crate) fn kubernetes_service(uid: &str) -> RequestBuilder {
    list(KUBERNETES_SERVICES, &[("externalId", uid)])
}

pub(crate) fn kubernetes_services() -> RequestBuilder {
    list(KUBERNETES_SERVICES, &[])
}

pub(crate) fn certificate(name: &str) -> RequestBuilder {
    list(CERTIFICATES, &[("name", name)])
}

/// The certificates whose names begin so.
pub(crate) fn certificates_named(prefix: &str) -> RequestBuilder {
    list(CERTIFICATES, &[("name_prefix", prefix)])
}

/// The image that the server makes load balancers of.
pub(crate) fn image() -> RequestBuilder {
    RequestBuilder::get(target(&["settings", IMAGE], &[]))
}

/// All settings. Rancher does not filter them.
pub(crate) fn settings() -> RequestBuilder {
    RequestBuilder::get("/settings")
}

/// Whether a setting is the image that the server makes load balancers of.
pub(crate) fn is_image(name: &str) -> bool {
    name == IMAGE
}

/// What this key may do with load balancers.
pub(crate) fn schema() -> RequestBuilder {
    RequestBuilder::get("/schemas/loadbalancerservice")
}

pub(crate) fn create(collection: &str, body: &impl Serialize) -> RequestBuilder {
    RequestBuilder::post(target(&[collection], &[])).json(body)
}

pub(crate) fn update(collection: &str, id: &str, body: &impl Serialize) -> RequestBuilder {
    RequestBuilder::put(target(&[collection, id], &[])).json(body)
}

pub(crate) fn delete(collection: &str, id: &str) -> RequestBuilder {
    RequestBuilder::delete(target(&[collection, id], &[]))
}
