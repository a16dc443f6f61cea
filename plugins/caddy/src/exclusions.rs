use std::collections::BTreeSet;

use lb_provider::ChangeSet;

/// A part of the configuration that can be left out alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// By id. Handshakes for its hosts are refused.
    Certificate(String),
    /// By name, with all its hosts.
    Listener(String),
    /// By id.
    VirtualHost(String),
}

/// What Caddy refused and is therefore left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Exclusions(BTreeSet<Part>);

impl Exclusions {
    /// Leaves something out; `false` if it was left out already.
    pub(crate) fn insert(&mut self, part: Part) -> bool {
        self.0.insert(part)
    }

    /// These are left out as well.
    pub(crate) fn with(&self, parts: &[Part]) -> Self {
        Self(self.0.iter().chain(parts).cloned().collect())
    }

    pub(crate) fn certificate(&self, id: &str) -> bool {
        self.0.contains(&Part::Certificate(id.to_owned()))
    }

    pub(crate) fn listener(&self, name: &str) -> bool {
        self.0.contains(&Part::Listener(name.to_owned()))
    }

    pub(crate) fn virtual_host(&self, id: &str) -> bool {
        self.0.contains(&Part::VirtualHost(id.to_owned()))
    }

    /// The parts of a change that are not left out.
    pub(crate) fn rest(&self, change: &ChangeSet) -> Vec<Part> {
        let certificates = change.certificates.upsert.iter().map(|it| Part::Certificate(it.id.clone()));
        let listeners = change.listeners.upsert.iter().map(|it| Part::Listener(it.name.clone()));
        let hosts = change.virtual_hosts.upsert.iter().map(|it| Part::VirtualHost(it.id.clone()));
        certificates.chain(listeners).chain(hosts).filter(|part| !self.0.contains(part)).collect()
    }
}
