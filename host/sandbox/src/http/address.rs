//! Addresses that no API has, whatever DNS says.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use futures::FutureExt;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

use super::refusal::{Reason, Refusal};
use crate::configuration::AddressKind;

/// Where clouds tell a machine its credentials: Amazon, Google, Azure, Oracle, Alibaba, Scaleway, and those like them.
const METADATA_V4: [Ipv4Addr; 8] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 169, 253),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(169, 254, 42, 42),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];

const METADATA_V6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

/// Resolves names, and lets through what may be connected to. The addresses that are checked are those connected to.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    allowed: Arc<BTreeSet<AddressKind>>,
}

impl Resolver {
    pub(crate) fn new(allowed: BTreeSet<AddressKind>) -> Self {
        Self { allowed: Arc::new(allowed) }
    }

    /// The addresses of a host name that may be connected to; at least one.
    async fn addresses(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        // Port 0 stands for that of the URL.
        let found = lookup_host((host, 0)).await;
        let found = found.map_err(|error| io::Error::new(error.kind(), format!("cannot resolve {host}: {error}")))?;
        self.permitted(host, found)
    }

    fn permitted(&self, host: &str, found: impl Iterator<Item = SocketAddr>) -> io::Result<Vec<SocketAddr>> {
        let mut permitted = Vec::new();
        let mut refused = None;
        for address in found {
            match self.check(address.ip()) {
                Ok(()) => permitted.push(address),
                Err(refusal) => refused = Some(refusal),
            }
        }
        match refused {
            _ if !permitted.is_empty() => Ok(permitted),
            Some(refusal) => {
                let message = format!("{host} resolves to {}", refusal.message);
                Err(io::Error::other(Refusal::new(refusal.reason, message)))
            }
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"))),
        }
    }

    /// Whether an address may be connected to. The text says what it is and how to allow it.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Refusal> {
        let refuse = |message: String| Err(Refusal::new(Reason::Address, message));
        match Class::of(address) {
            Class::Ordinary => Ok(()),
            Class::Never(what) => refuse(format!("{address}, {what}, which is never connected to")),
            Class::Special(kind) if self.allowed.contains(&kind) => Ok(()),
            Class::Special(kind) => {
                let (what, name) = match kind {
                    AddressKind::Loopback => ("the machine itself", "loopback"),
                    AddressKind::LinkLocal => ("a link-local address", "link-local"),
                    AddressKind::Metadata => ("a cloud's metadata service", "metadata"),
                };
                refuse(format!("{address}, {what}; if that is right, add `{name}` to `allow-addresses`"))
            }
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        async move {
            let addresses = resolver.addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        }
        .boxed()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Class {
    Ordinary,
    Special(AddressKind),
    Never(&'static str),
}

impl Class {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        if METADATA_V4.contains(&address) {
            Self::Special(AddressKind::Metadata)
        } else if address.is_loopback() {
            Self::Special(AddressKind::Loopback)
        } else if address.is_link_local() {
            Self::Special(AddressKind::LinkLocal)
        } else if address.octets()[0] == 0 {
            Self::Never("an unspecified address")
        } else if address.is_multicast() {
            Self::Never("a multicast address")
        } else if address.is_broadcast() {
            Self::Never("the broadcast address")
        } else {
            Self::Ordinary
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if METADATA_V6.contains(&address) {
            Self::Special(AddressKind::Metadata)
        } else if address.is_loopback() {
            Self::Special(AddressKind::Loopback)
        } else if address.is_unspecified() {
            Self::Never("an unspecified address")
        } else if let Some(embedded) = embedded_v4(address) {
            Self::of_v4(embedded)
        } else if address.is_unicast_link_local() {
            Self::Special(AddressKind::LinkLocal)
        } else if address.is_multicast() {
            Self::Never("a multicast address")
        } else {
            Self::Ordinary
        }
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped, compatible, NAT64 (RFC 6052, RFC 8215), 6to4.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let at = |start: usize| Ipv4Addr::new(octets[start], octets[start + 1], octets[start + 2], octets[start + 3]);
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => Some(at(12)),
        [0x2002, ..] => Some(at(2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, io, net::IpAddr};

    use super::{Class, Resolver};
    use crate::{configuration::AddressKind, http::refusal::Refusal};

    fn class(address: &str) -> Class {
        Class::of(address.parse().unwrap())
    }

    #[test]
    fn special_addresses_are_seen_in_every_spelling() {
        for address in [
            "127.0.0.1",
            "127.8.9.10",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::127.0.0.1",
            "2002:7f00:1::",
        ] {
            assert_eq!(class(address), Class::Special(AddressKind::Loopback), "{address}");
        }
        for address in ["169.254.1.1", "fe80::1", "febf::1", "::ffff:169.254.1.1"] {
            assert_eq!(class(address), Class::Special(AddressKind::LinkLocal), "{address}");
        }
        for address in [
            "169.254.169.254",
            "100.100.100.200",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "168.63.129.16",
            "192.0.0.192",
            "fd20:ce::254",
        ] {
            assert_eq!(class(address), Class::Special(AddressKind::Metadata), "{address}");
        }
        for address in ["0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "::ffff:0.0.0.0"] {
            assert!(matches!(class(address), Class::Never(_)), "{address}");
        }
        for address in ["203.0.113.7", "10.0.0.1", "192.168.1.1", "2001:db8::1", "fd00::1", "100.100.100.201"] {
            assert_eq!(class(address), Class::Ordinary, "{address}");
        }
    }

    #[test]
    fn a_kind_that_is_allowed_allows_no_other() {
        let resolver = Resolver::new(BTreeSet::from([AddressKind::LinkLocal, AddressKind::Loopback]));
        resolver.check(IpAddr::from([127, 0, 0, 1])).unwrap();
        resolver.check(IpAddr::from([169, 254, 1, 1])).unwrap();
        let refusal = resolver.check(IpAddr::from([169, 254, 169, 254])).unwrap_err();
        assert!(refusal.message.contains("add `metadata` to `allow-addresses`"), "{refusal}");
        let all = Resolver::new(BTreeSet::from([AddressKind::LinkLocal, AddressKind::Loopback, AddressKind::Metadata]));
        assert!(all.check(IpAddr::from([0, 0, 0, 0])).is_err());
    }

    #[test]
    fn of_a_name_only_what_may_be_connected_to_is_left() {
        let resolver = Resolver::new(BTreeSet::new());
        let addresses = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>().into_iter();
        let left = resolver.permitted("api", addresses(&["127.0.0.1:80", "192.0.2.1:80", "[::1]:80"])).unwrap();
        assert_eq!(left, ["192.0.2.1:80".parse().unwrap()]);
        let refused = resolver.permitted("api", addresses(&["127.0.0.1:80"])).unwrap_err();
        assert!(refused.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>()).is_some());
        assert!(refused.to_string().starts_with("api resolves to 127.0.0.1, the machine itself;"), "{refused}");
        assert_eq!(resolver.permitted("api", addresses(&[])).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
