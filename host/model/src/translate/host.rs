//! Host names.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use crate::types::HostMatch;

const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// A host that requests may be for: `*` for any, `*.foo.com` for one label below `foo.com`, or a DNS name. Lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Host(Arc<str>);

impl Host {
    /// Any host.
    pub(super) fn any() -> Self {
        Self(Arc::from("*"))
    }

    /// Not after any other host.
    pub(super) fn least() -> Self {
        Self(Arc::from(""))
    }

    /// The host that the operator named.
    pub(super) fn from_match(host: Option<&HostMatch>) -> Self {
        match host {
            None | Some(HostMatch::Any) => Self::any(),
            Some(HostMatch::Exact(name)) => Self(Arc::from(name.to_ascii_lowercase())),
            Some(HostMatch::Wildcard(suffix)) => Self(Arc::from(format!("*.{}", suffix.to_ascii_lowercase()))),
        }
    }

    /// Reads a DNS name, or `*.` and a DNS name. The error says what is expected.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if !text.is_ascii() {
            return Err("is not ASCII; write an internationalised name in its punycode form (xn--...)");
        }
        if text.parse::<IpAddr>().is_ok() || text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            return Err("is an IP address; only a DNS name can be matched, leave the host out to match any");
        }
        let lower = text.to_ascii_lowercase();
        let name = lower.strip_prefix("*.").unwrap_or(&lower);
        if name.parse::<Ipv4Addr>().is_ok() || name.len() > LONGEST_NAME || !name.split('.').all(is_label) {
            return Err(
                "is not a DNS name (letters, digits and `-` between dots, at most 253 characters), nor `*.` and one",
            );
        }
        Ok(Self(Arc::from(lower)))
    }

    pub(super) fn is_any(&self) -> bool {
        &*self.0 == "*"
    }

    pub(super) fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }

    /// Whether this is `other`, or a wildcard that matches it.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let one_label_above =
            || other.0.split_once('.').is_some_and(|(_, parent)| self.0.strip_prefix("*.") == Some(parent));
        self == other || one_label_above()
    }

    /// Whether a certificate with these names is valid for this host.
    pub(super) fn is_named_by(&self, names: &[String]) -> bool {
        names.iter().filter_map(|name| Self::parse(name).ok()).any(|name| name.covers(self))
    }

    pub(super) fn matcher(&self) -> HostMatch {
        match self.0.strip_prefix("*.") {
            _ if self.is_any() => HostMatch::Any,
            Some(suffix) => HostMatch::Wildcard(suffix.to_owned()),
            None => HostMatch::Exact(self.0.to_string()),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LONGEST_LABEL).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::Host;

    fn host(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    #[test]
    fn names_are_lower_cased() {
        assert_eq!(host("Foo.COM").to_string(), "foo.com");
        assert_eq!(host("*.Foo.com").to_string(), "*.foo.com");
    }

    #[test]
    fn what_is_not_dns_is_refused() {
        let long_label = "a".repeat(64);
        let long_name = ["abcdefg"; 32].join(".");
        for text in [
            "",
            "*",
            "*.",
            "*foo.com",
            "a.*.com",
            "*.*.com",
            "foo.com.",
            ".foo.com",
            "foo..com",
            "-foo.com",
            "foo-.com",
            "foo_bar.com",
            "foo bar",
            "foo.com:80",
            "foo.com/x",
            "foo\n.com",
            "bücher.de",
            "1.2.3.4",
            "*.1.2.3.4",
            "::1",
            "[::1]",
            &long_label,
            &long_name,
        ] {
            assert!(Host::parse(text).is_err(), "{text:?} was taken");
        }
        assert!(Host::parse(&["abcdefg"; 31].join(".")).is_ok());
        assert!(Host::parse("localhost").is_ok());
        assert!(Host::parse("xn--bcher-kva.de").is_ok());
    }

    #[test]
    fn a_wildcard_covers_exactly_one_label() {
        let wildcard = host("*.foo.com");
        assert!(wildcard.covers(&host("a.foo.com")));
        assert!(wildcard.covers(&wildcard));
        assert!(!wildcard.covers(&host("a.b.foo.com")));
        assert!(!wildcard.covers(&host("foo.com")));
        assert!(!wildcard.covers(&host("afoo.com")));
        assert!(!wildcard.covers(&Host::any()));
        assert!(!host("*.com").covers(&wildcard));
        assert!(!host("a.foo.com").covers(&wildcard));
    }

    #[test]
    fn certificates_name_hosts_by_their_dns_names_alone() {
        let names = [String::from("10.0.0.1"), String::from("*.Foo.com"), String::from("bar.com")];
        assert!(host("a.foo.com").is_named_by(&names));
        assert!(host("*.foo.com").is_named_by(&names));
        assert!(host("bar.com").is_named_by(&names));
        assert!(!host("foo.com").is_named_by(&names));
        assert!(!host("*.bar.com").is_named_by(&names));
        assert!(!Host::any().is_named_by(&names));
    }
}
