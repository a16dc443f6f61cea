//! The certificates that the virtual hosts of one load balancer use.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::tls::Held;
use crate::{cluster::NamespacedName, types::Certificate};

/// Certificates in use. Several Secrets may hold the same one: it is one record that names them all.
#[derive(Default)]
pub(super) struct Certificates {
    /// By id and Secret; the count is never 0.
    uses: BTreeMap<(String, NamespacedName), (Arc<Certificate>, usize)>,
    /// Ids whose record may have changed.
    dirty: BTreeSet<String>,
}

impl Certificates {
    pub(super) fn acquire(&mut self, held: &Held) {
        let id = held.certificate.id.clone();
        let (certificate, uses) =
            self.uses.entry((id.clone(), held.secret.clone())).or_insert_with(|| (held.certificate.clone(), 0));
        // The Secret may have been made anew with the same content.
        *certificate = held.certificate.clone();
        *uses += 1;
        self.dirty.insert(id);
    }

    pub(super) fn release(&mut self, held: &Held) {
        let key = (held.certificate.id.clone(), held.secret.clone());
        if let Some((_, uses)) = self.uses.get_mut(&key) {
            *uses -= 1;
            if *uses == 0 {
                self.uses.remove(&key);
            }
        }
        self.dirty.insert(key.0);
    }

    /// Marks one that is used by other than virtual hosts.
    pub(super) fn touch(&mut self, id: &str) {
        self.dirty.insert(id.to_owned());
    }

    /// The ids that were acquired, released or touched since the last time, with the record that each should now have.
    /// `default` is the controller's own certificate, if a listener uses it.
    pub(super) fn settle(&mut self, default: Option<&Arc<Certificate>>) -> Vec<(String, Option<Arc<Certificate>>)> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.into_iter().map(|id| (id.clone(), self.record(&id, default.filter(|it| it.id == id)))).collect()
    }

    fn record(&self, id: &str, default: Option<&Arc<Certificate>>) -> Option<Arc<Certificate>> {
        let start = (id.to_owned(), NamespacedName::new("", ""));
        let held =
            self.uses.range(start..).take_while(|((used, _), _)| used == id).map(|(_, (certificate, _))| certificate);
        let all: Vec<_> = held.chain(default).collect();
        match all.as_slice() {
            [] => None,
            [only] => Some(Arc::clone(only)),
            [first, ..] => {
                let sources = all.iter().flat_map(|certificate| certificate.sources.iter().cloned()).collect();
                Some(Arc::new(Certificate { sources, ..Certificate::clone(first) }))
            }
        }
    }
}
