//! Which hosts take containers: published ports are exclusive on a host, scheduler labels must hold.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

/// One published port: `[ip:][public:]private[/tcp|udp]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    /// The bind address, empty for any.
    pub(crate) ip: String,
    pub(crate) public: Option<u16>,
    pub(crate) private: u16,
    pub(crate) protocol: &'static str,
}

impl Port {
    /// Reads a port; the error is the code of the refusal.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (ports, protocol) = match text.split_once('/') {
            None => (text, "tcp"),
            Some((ports, protocol)) if protocol.eq_ignore_ascii_case("tcp") => (ports, "tcp"),
            Some((ports, protocol)) if protocol.eq_ignore_ascii_case("udp") => (ports, "udp"),
            Some(_) => return Err("PortInvalidProtocol"),
        };
        let number = |text: &str, code| text.parse::<u16>().ok().filter(|port| *port > 0).ok_or(code);
        let (rest, private) = ports.rsplit_once(':').map_or((None, ports), |(rest, private)| (Some(rest), private));
        if private.is_empty() || !private.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("PortWrongFormat");
        }
        let (ip, public) = match rest {
            None => ("", None),
            Some(rest) => match rest.rsplit_once(':') {
                Some((ip, public)) => (ip, Some(public)),
                None => ("", Some(rest)),
            },
        };
        if !ip.is_empty() && ip.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_err() {
            return Err("PortWrongFormat");
        }
        let public = public.filter(|text| !text.is_empty() || ip.is_empty());
        let public =
            public.filter(|text| !text.is_empty()).map(|text| number(text, "PortInvalidPublicPort")).transpose()?;
        Ok(Self { ip: ip.to_owned(), public, private: number(private, "PortInvalidPrivatePort")?, protocol })
    }

    /// The same port for a load balancer, where a bare `8080` is `8080:8080`.
    #[must_use]
    pub(crate) fn published(mut self) -> Self {
        self.public.get_or_insert(self.private);
        self
    }

    /// Whether both cannot be on one host.
    fn collides(&self, other: &Self) -> bool {
        let any = |ip: &str| matches!(ip, "" | "0.0.0.0" | "::");
        self.public.is_some()
            && self.public == other.public
            && self.protocol == other.protocol
            && (any(&self.ip) || any(&other.ip) || self.ip == other.ip)
    }

    /// The same but for the bind address.
    pub(crate) fn same_numbers(&self, other: &Self) -> bool {
        (self.public, self.private, self.protocol) == (other.public, other.private, other.protocol)
    }
}

/// The canonical form: `80:80/tcp`.
impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.ip.is_empty() {
            write!(formatter, "{}:", self.ip)?;
        }
        if let Some(public) = self.public {
            write!(formatter, "{public}:")?;
        }
        write!(formatter, "{}/{}", self.private, self.protocol)
    }
}

/// The label that runs one container on each host, whatever the scale.
pub(crate) const GLOBAL: &str = "io.rancher.scheduler.global";
const AFFINITY: &str = "io.rancher.scheduler.affinity:host_label";

/// What the scheduler labels of a `launchConfig` ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Constraints {
    pub(crate) global: bool,
    /// Key, value, whether it must be absent.
    hard: Vec<(String, String, bool)>,
    soft: Vec<(String, String, bool)>,
}

impl Constraints {
    pub(crate) fn of(launch_config: &Value) -> Self {
        let empty = Map::new();
        let labels = launch_config["labels"].as_object().unwrap_or(&empty);
        let mut constraints = Self { global: is_global(launch_config), ..Self::default() };
        for (label, value) in labels {
            let Some(suffix) = label.strip_prefix(AFFINITY) else { continue };
            let (list, absent) = match suffix {
                "" => (&mut constraints.hard, false),
                "_ne" => (&mut constraints.hard, true),
                "_soft" => (&mut constraints.soft, false),
                "_soft_ne" => (&mut constraints.soft, true),
                _ => continue,
            };
            for pair in value.as_str().unwrap_or_default().split(',') {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                list.push((key.trim().to_owned(), value.trim().to_owned(), absent));
            }
        }
        constraints
    }

    /// Whether a host with these labels may take a container.
    pub(crate) fn allow(&self, labels: &BTreeMap<String, String>) -> bool {
        self.hard.iter().all(|each| holds(each, labels))
    }

    /// How many of the wishes a host fails; hosts with the fewest come first.
    pub(crate) fn unmet(&self, labels: &BTreeMap<String, String>) -> usize {
        self.soft.iter().filter(|each| !holds(each, labels)).count()
    }
}

fn holds((key, value, absent): &(String, String, bool), labels: &BTreeMap<String, String>) -> bool {
    labels.get(key).is_some_and(|found| found.eq_ignore_ascii_case(value)) != *absent
}

/// Whether a `launchConfig` asks for one container on each host.
pub(crate) fn is_global(launch_config: &Value) -> bool {
    launch_config["labels"][GLOBAL].as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// The wanted ports that these taken ones leave no room for.
pub(crate) fn taken<'a>(wanted: &'a [Port], others: &[Port]) -> Vec<&'a Port> {
    wanted.iter().filter(|port| others.iter().any(|other| port.collides(other))).collect()
}

/// The message of a failed allocation.
pub(crate) fn ports_message<'a>(ports: impl IntoIterator<Item = &'a Port>) -> String {
    let ports: Vec<String> =
        ports.into_iter().filter_map(|port| port.public.map(|public| format!("{public}/{}", port.protocol))).collect();
    format!("Allocation failed: host needs ports {} available", ports.join(", "))
}
