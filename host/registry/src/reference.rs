use std::{fmt, net::IpAddr, str::FromStr};

use crate::Digest;

/// The tag that is meant where neither tag nor digest is given.
const DEFAULT_TAG: &str = "latest";
const DOCKER_HUB: &str = "docker.io";

/// Where an artifact is: `oci://registry[:port]/repository[:tag][@sha256:...]`.
///
/// A digest names one content for ever; the tag beside it is then for people only. Without both, the tag is `latest`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} names no artifact in a registry: {reason}. The form is oci://registry[:port]/repository[:tag][@sha256:...]"
)]
pub struct InvalidReference {
    /// The text, without what may be a password in it.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Reference {
    /// Whether a text means an artifact in a registry, and not a name or a path.
    pub fn is_meant_by(text: &str) -> bool {
        text.starts_with("oci://")
    }

    /// Reads a reference.
    pub fn parse(text: &str) -> Result<Self, InvalidReference> {
        let invalid = |reason: String| InvalidReference { text: text.to_owned(), reason };
        let rest = text.strip_prefix("oci://").ok_or_else(|| invalid("it does not begin with oci://".to_owned()))?;
        let (registry, path) = rest.split_once('/').unwrap_or((rest, ""));
        if registry.contains('@') {
            let reason = "a user name and a password do not belong into it; put them into a docker config.json";
            return Err(InvalidReference { text: "oci://...".to_owned(), reason: reason.to_owned() });
        }
        check_registry(registry).map_err(|reason| invalid(format!("the registry {registry:?} {reason}")))?;
        let (path, digest) = match path.split_once('@') {
            Some((path, digest)) => (path, Some(digest.parse().map_err(|reason: &str| invalid(reason.to_owned()))?)),
            None => (path, None),
        };
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        check_repository(repository).map_err(|reason| invalid(format!("the repository {repository:?} {reason}")))?;
        if let Some(tag) = tag {
            check_tag(tag).map_err(|reason| invalid(format!("the tag {tag:?} {reason}")))?;
        }
        let official = registry == DOCKER_HUB && !repository.contains('/');
        let repository = if official { format!("library/{repository}") } else { repository.to_owned() };
        let tag = tag.map(str::to_owned).or_else(|| digest.is_none().then(|| DEFAULT_TAG.to_owned()));
        Ok(Self { registry: registry.to_ascii_lowercase(), repository, tag, digest })
    }

    /// The host name or address of the registry, with the port if there is one.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in the registry, such as `team/nginx`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; with a digest beside it, it decides nothing.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest of the artifact's manifest.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same repository and tag, at one content.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// The registry and the repository, as signatures name them.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The host and port to connect to, which differ from the name for one registry.
    pub(crate) fn authority(&self) -> &str {
        if self.registry == DOCKER_HUB { "registry-1.docker.io" } else { &self.registry }
    }

    /// Whether the registry is this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let (host, _) = split_port(&self.registry);
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "oci://{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(formatter, "@{digest}"))
    }
}

fn split_port(registry: &str) -> (&str, Option<&str>) {
    match registry.rsplit_once(':') {
        // The colons of an IPv6 address are within brackets.
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (registry, None),
    }
}

fn check_registry(registry: &str) -> Result<(), &'static str> {
    let (host, port) = split_port(registry);
    if host.is_empty() {
        return Err("is missing");
    }
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.len() <= 253 && host.split('.').all(is_label),
    };
    if !is_host {
        return Err("is neither a host name nor an address; an IPv6 address stands in brackets");
    }
    match port.map(str::parse::<u16>) {
        Some(Err(_) | Ok(0)) => Err("has a port that is not between 1 and 65535"),
        Some(Ok(_)) | None => Ok(()),
    }
}

fn check_repository(repository: &str) -> Result<(), &'static str> {
    if repository.is_empty() {
        return Err("is missing: a registry holds artifacts in repositories, as in registry.example.com/team/nginx");
    }
    if repository.len() > 255 {
        return Err("has more than 255 characters");
    }
    if repository.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("has upper case letters, which registries do not know");
    }
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_part = |part: &str| {
        part.bytes().all(|byte| is_letter(byte) || matches!(byte, b'.' | b'_' | b'-'))
            && part.bytes().next().is_some_and(is_letter)
            && part.bytes().next_back().is_some_and(is_letter)
            && !part.contains("..")
    };
    if repository.split('/').all(is_part) {
        Ok(())
    } else {
        Err("is not made of parts of a-z 0-9 . _ - between slashes, each with a letter or digit at both ends")
    }
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = tag.bytes().next().ok_or("is missing after the colon")?;
    if tag.len() <= 128 && is_word(first) && tag.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-')) {
        Ok(())
    } else {
        Err("is not 1 to 128 of A-Z a-z 0-9 _ . - with a letter, digit or _ first")
    }
}

#[cfg(test)]
mod tests;
