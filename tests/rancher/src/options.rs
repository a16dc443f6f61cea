//! What a test may choose about a server before it starts.

use std::time::Duration;

use jiff::Timestamp;

/// How this server is set up. Everything else is a matter of its world: projects, keys, hosts, services.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent peculiarities of a server")]
pub struct Options {
    /// What the server's clock shows at first.
    pub start: Timestamp,
    /// How long each asynchronous step takes.
    pub delays: Delays,
    /// Scheme and host of every link, such as `https://rancher.example`; by default links follow the request.
    pub public_url: Option<String>,
    /// Value of the setting `lb.instance.image`; `None` leaves it without a value.
    pub image: Option<String>,
    /// Registry that the server puts before the name of every image without one.
    pub default_registry: Option<String>,
    /// Whether keys are checked; when not, everybody is an administrator.
    pub access_control: bool,
    /// Realm of the challenge in a 401.
    pub realm: String,
    /// Whether string filters and unique names of the database look at case when they compare for equality.
    /// Names of services are unique whatever their case, always.
    pub case_sensitive_filters: bool,
    /// Whether the server adds the labels of newer images to a load balancer, such as the role `agent`.
    pub newer_agent_labels: bool,
    /// How long a removed resource is still answered by its id.
    pub keep_removed: Duration,
    /// Whether endpoints carry `0.0.0.0` in place of the address of their host, as some releases did.
    pub unspecified_addresses: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            start: Timestamp::from_second(1_487_355_461).expect("a valid date"),
            delays: Delays::default(),
            public_url: None,
            image: Some("rancher/lb-service-haproxy:v0.9.14".to_owned()),
            default_registry: None,
            access_control: true,
            realm: "Enter API access key and secret key as username and password".to_owned(),
            case_sensitive_filters: false,
            newer_agent_labels: false,
            keep_removed: Duration::from_hours(48),
            unspecified_addresses: false,
        }
    }
}

/// How long each asynchronous step takes after it was started. Zero means: at the next step of the clock, never within
/// the request that starts it.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// `registering`, and `activating` of stacks and certificates.
    pub create: Duration,
    /// `activating` of services; `restarting` too.
    pub activate: Duration,
    /// `updating-active` and `updating-inactive`.
    pub update: Duration,
    /// `deactivating`.
    pub deactivate: Duration,
    /// `removing`.
    pub remove: Duration,
    /// `upgrading`, `rolling-back`, `canceling-upgrade` and `finishing-upgrade`.
    pub upgrade: Duration,
    /// From `active` until the endpoints of new containers are published, and from the end of a container until its
    /// endpoints are gone.
    pub endpoints: Duration,
    /// From `active` until `healthState` is `healthy`.
    pub healthy: Duration,
    /// Between two tries to place containers; doubles up to two minutes.
    pub retry: Duration,
}

impl Delays {
    /// The same delay for each step.
    pub fn uniform(delay: Duration) -> Self {
        Self {
            create: delay,
            activate: delay,
            update: delay,
            deactivate: delay,
            remove: delay,
            upgrade: delay,
            endpoints: delay,
            healthy: delay,
            retry: delay,
        }
    }
}

impl Default for Delays {
    fn default() -> Self {
        Self::uniform(Duration::from_secs(1))
    }
}
