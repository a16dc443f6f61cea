//! `spec.tls`: which certificate serves which host of an Ingress.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::api::networking::v1::IngressTLS;

use super::{
    host::Host,
    notice::{Report, quote},
};
use crate::{
    cluster::{Cluster, NamespacedName, SecretLookup},
    types::Certificate,
};

/// A certificate, and the Secret that it is in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) certificate: Arc<Certificate>,
    pub(super) secret: NamespacedName,
}

/// What serves a host over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// `None`: the default certificate.
    pub(super) held: Option<Arc<Held>>,
    /// The index in `spec.tls`.
    entry: usize,
}

impl Choice {
    /// The certificate's id; `None` for the default certificate.
    pub(super) fn id(&self) -> Option<&str> {
        self.held.as_ref().map(|held| held.certificate.id.as_str())
    }

    /// The field that chose it.
    pub(super) fn field(&self) -> String {
        secret_field(self.entry)
    }
}

fn secret_field(entry: usize) -> String {
    format!("spec.tls[{entry}].secretName")
}

/// How closely an entry names a host: a closer one wins over one that stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    /// The entry has no hosts and stands for all that its certificate names.
    Unnamed,
    /// By a wildcard.
    Wildcard,
    Named,
}

/// Reads the TLS entries of one Ingress and remembers which Secrets it asked for.
pub(super) struct Reader<'a> {
    pub(super) namespace: &'a str,
    pub(super) cluster: &'a dyn Cluster,
    pub(super) has_default: bool,
    /// The hosts that the Ingress has routes for.
    pub(super) hosts: &'a BTreeSet<Host>,
    pub(super) secrets: Vec<NamespacedName>,
    choices: BTreeMap<Host, (Closeness, Choice)>,
    /// Hosts that the certificate of an entry without hosts does not name; another entry may.
    uncovered: Vec<(Host, Choice)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        namespace: &'a str,
        cluster: &'a dyn Cluster,
        has_default: bool,
        hosts: &'a BTreeSet<Host>,
    ) -> Self {
        let (secrets, choices, uncovered) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { namespace, cluster, has_default, hosts, secrets, choices, uncovered }
    }

    /// What the entries read so far give, by host, and the Secrets that were looked up.
    pub(super) fn finish(self, report: &mut Report) -> (Vec<(Host, Choice)>, Vec<NamespacedName>) {
        for (host, choice) in self.uncovered.iter().filter(|(host, _)| !self.choices.contains_key(host)) {
            report_uncovered(host, choice, report);
        }
        let choices = self.choices.into_iter().map(|(host, (_, choice))| (host, choice));
        (choices.collect(), self.secrets)
    }

    pub(super) fn read(&mut self, index: usize, entry: &IngressTLS, report: &mut Report) {
        let names = self.names(index, entry, report);
        let Some(choice) = self.certificate(index, entry, report) else { return };
        let valid = |host: &Host| choice.held.as_ref().is_none_or(|held| host.is_named_by(&held.certificate.names));
        let hosts = self.hosts;
        match names {
            None => {
                for host in hosts {
                    if host.is_any() || valid(host) {
                        self.offer(host, Closeness::Unnamed, &choice, report);
                    } else {
                        self.uncovered.push((host.clone(), choice.clone()));
                    }
                }
            }
            Some(names) => {
                for name in names {
                    if !valid(&name) {
                        report_uncovered(&name, &choice, report);
                        continue;
                    }
                    for host in hosts.iter().filter(|host| name.covers(host)) {
                        let closeness = if *host == name { Closeness::Named } else { Closeness::Wildcard };
                        self.offer(host, closeness, &choice, report);
                    }
                }
            }
        }
    }

    /// The hosts that an entry names, without those that cannot be read; `None` if it leaves them to the certificate.
    fn names(&self, index: usize, entry: &IngressTLS, report: &mut Report) -> Option<Vec<Host>> {
        let texts = entry.hosts.as_deref().filter(|hosts| !hosts.is_empty())?;
        let mut names = Vec::new();
        for (position, text) in texts.iter().enumerate() {
            let field = format!("spec.tls[{index}].hosts[{position}]");
            match Host::parse(text) {
                Ok(name) if self.hosts.iter().any(|host| name.covers(host)) => names.push(name),
                Ok(name) => {
                    let message =
                        format!("no rule of this Ingress is for the host {name}, so it is not served over HTTPS");
                    report.warning(field, format!("{message}; add a rule, or take the host out"));
                }
                Err(error) => report.rejected(field, format!("the host {} {error}", quote(text))),
            }
        }
        Some(names)
    }

    /// The certificate of an entry, if it can be used.
    fn certificate(&mut self, index: usize, entry: &IngressTLS, report: &mut Report) -> Option<Choice> {
        let field = secret_field(index);
        let Some(name) = entry.secret_name.as_deref().filter(|name| !name.is_empty()) else {
            if !self.has_default {
                let message = "no Secret is named, and the controller has no default certificate";
                report.rejected(field, format!("{message}; the hosts are not served over HTTPS"));
            }
            return self.has_default.then_some(Choice { held: None, entry: index });
        };
        let secret = NamespacedName::new(self.namespace, name);
        let lookup = self.cluster.certificate(&secret);
        if !self.secrets.contains(&secret) {
            self.secrets.push(secret.clone());
        }
        let problem = match lookup {
            SecretLookup::Certificate(certificate) => {
                let held = Some(Arc::new(Held { certificate, secret }));
                return Some(Choice { held, entry: index });
            }
            SecretLookup::Missing => {
                format!("there is no Secret {} of type kubernetes.io/tls in this namespace", quote(name))
            }
            SecretLookup::Malformed(reason) => format!("the Secret {} cannot be used: {reason}", quote(name)),
        };
        report.rejected(field, format!("{problem}; its hosts are not served over HTTPS"));
        None
    }

    fn offer(&mut self, host: &Host, closeness: Closeness, choice: &Choice, report: &mut Report) {
        match self.choices.get(host) {
            Some((closer, _)) if *closer > closeness => {}
            Some((same, first)) if *same == closeness => {
                if first.id() != choice.id() {
                    let message = format!("the host {host} already has the certificate of {}", first.field());
                    report.conflict(choice.field(), format!("{message}; name it in one entry only"));
                }
            }
            _ => {
                self.choices.insert(host.clone(), (closeness, choice.clone()));
            }
        }
    }
}

fn report_uncovered(host: &Host, choice: &Choice, report: &mut Report) {
    const SHOWN: usize = 5;
    let Some(held) = &choice.held else { return };
    let names = &held.certificate.names;
    let mut shown: Vec<_> = names.iter().take(SHOWN).map(|name| quote(name)).collect();
    if names.len() > SHOWN {
        shown.push(format!("and {} more", names.len() - SHOWN));
    }
    let valid = if shown.is_empty() {
        String::from("has no subject alternative name")
    } else {
        format!("is for {}", shown.join(", "))
    };
    let secret = quote(&held.secret.name);
    let message = format!("the certificate of the Secret {secret} {valid}, and is not valid for the host {host}");
    report.rejected(choice.field(), format!("{message}; the host is not served with it"));
}
