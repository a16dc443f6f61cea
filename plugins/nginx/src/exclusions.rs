use std::collections::BTreeSet;

use lb_provider::ObjectRef;

use crate::settings::ListenAddress;

/// What nginx refused and is therefore left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Exclusions {
    /// Addresses of a family that the machine does not have.
    pub(crate) addresses: BTreeSet<ListenAddress>,
    /// Listeners with all their hosts, by digest.
    pub(crate) listeners: BTreeSet<String>,
    /// Certificates, by digest. Handshakes for their hosts are refused.
    pub(crate) certificates: BTreeSet<String>,
    /// Virtual hosts, by path.
    pub(crate) hosts: BTreeSet<String>,
    /// One object's routes of a virtual host, by path and UID.
    pub(crate) routes: BTreeSet<(String, String)>,
    /// Every port that is not HTTP: nginx cannot do them here.
    pub(crate) stream: bool,
}

/// One more thing to leave out, and whom to tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Culprit {
    pub(crate) exclusion: Exclusion,
    /// The objects that asked for it, as far as they are known.
    pub(crate) objects: Vec<ObjectRef>,
    /// What nginx said.
    pub(crate) reason: String,
}

/// What to leave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exclusion {
    Address(ListenAddress),
    Listener(String),
    Certificate(String),
    Host(String),
    Routes { path: String, uid: String },
    Stream,
}

impl Exclusion {
    /// Whether the machine is to blame, not the object: it is tried again without a change of the object.
    pub(crate) fn is_environmental(&self) -> bool {
        matches!(self, Self::Listener(_) | Self::Stream)
    }
}

impl Exclusions {
    /// Leaves something out; `false` if it was left out already.
    pub(crate) fn insert(&mut self, exclusion: Exclusion) -> bool {
        match exclusion {
            Exclusion::Address(address) => self.addresses.insert(address),
            Exclusion::Listener(digest) => self.listeners.insert(digest),
            Exclusion::Certificate(digest) => self.certificates.insert(digest),
            Exclusion::Host(path) => self.hosts.insert(path),
            Exclusion::Routes { path, uid } => self.routes.insert((path, uid)),
            Exclusion::Stream => !std::mem::replace(&mut self.stream, true),
        }
    }
}
