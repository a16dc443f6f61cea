//! Published ports, which Rancher spells `[ip:][public:]private[/protocol]`.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

/// A port that a load balancer publishes. Where it is bound does not tell two ports apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Port {
    pub(crate) public: u16,
    pub(crate) private: u16,
    pub(crate) transport: Transport,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

impl Port {
    /// A port of the load balancer that is published under the same number.
    pub(crate) fn same(port: u16, transport: Transport) -> Self {
        Self { public: port, private: port, transport }
    }

    /// Reads what Rancher stores; `None` for what it would not take.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (ports, transport) = match text.rsplit_once('/') {
            None => (text, Transport::Tcp),
            Some((ports, protocol)) if protocol.eq_ignore_ascii_case("tcp") => (ports, Transport::Tcp),
            Some((ports, protocol)) if protocol.eq_ignore_ascii_case("udp") => (ports, Transport::Udp),
            Some(_) => return None,
        };
        let number = |text: &str| text.parse::<u16>().ok().filter(|&port| port > 0);
        let (public, private) = match ports.rsplit_once(':') {
            // Rancher publishes a bare port of a load balancer under its own number.
            None => (number(ports)?, number(ports)?),
            // An address may hold colons itself; the public port is what follows the last of them.
            Some((bound, private)) => {
                let public = bound.rsplit_once(':').map_or(bound, |(_, public)| public);
                let private = number(private)?;
                (if public.is_empty() { private } else { number(public)? }, private)
            }
        };
        Some(Self { public, private, transport })
    }
}

/// The form that Rancher writes itself.
impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { public, private, transport } = self;
        let transport = match transport {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        };
        write!(formatter, "{public}:{private}/{transport}")
    }
}

/// The ports of these spellings that can be read.
pub(crate) fn read(stored: &[String]) -> BTreeSet<Port> {
    stored.iter().filter_map(|text| Port::parse(text)).collect()
}

/// The wanted ports as they are written: each as it is stored already, so that an address it is bound to is kept.
pub(crate) fn merged(wanted: &BTreeSet<Port>, stored: &[String]) -> Vec<String> {
    let kept = |port: &Port| stored.iter().find(|text| Port::parse(text).as_ref() == Some(port));
    wanted.iter().map(|port| kept(port).cloned().unwrap_or_else(|| port.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read() {
        use Transport::{Tcp, Udp};
        for (text, expected) in [
            ("80", Some((80, 80, Tcp))),
            ("80:81", Some((80, 81, Tcp))),
            ("80:81/tcp", Some((80, 81, Tcp))),
            ("53:53/UDP", Some((53, 53, Udp))),
            ("53/udp", Some((53, 53, Udp))),
            ("10.0.0.1:80:81", Some((80, 81, Tcp))),
            ("10.0.0.1::81", Some((81, 81, Tcp))),
            ("[::1]:80:81/tcp", Some((80, 81, Tcp))),
            ("", None),
            ("0:80", None),
            ("80:65536", None),
            ("80:x", None),
            ("80/sctp", None),
        ] {
            let port = expected.map(|(public, private, transport)| Port { public, private, transport });
            assert_eq!(Port::parse(text), port, "{text}");
        }
    }

    #[test]
    fn a_port_that_is_there_keeps_its_address() {
        let wanted = [Port::same(80, Transport::Tcp), Port::same(53, Transport::Udp)].into_iter().collect();
        let stored = ["10.0.0.1:80:80/tcp".to_owned(), "99:99".to_owned(), "nonsense".to_owned()];
        assert_eq!(merged(&wanted, &stored), ["53:53/udp", "10.0.0.1:80:80/tcp"]);
    }
}
