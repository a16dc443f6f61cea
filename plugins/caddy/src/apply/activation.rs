use lb_provider::{ChangeSet, Error, Files, HostService, Log, ObjectRef, Services};

use crate::{
    admin::{Admin, Loaded},
    exclusions::{Exclusions, Part},
    names::{CANDIDATE, Tier},
    rejections::Rejections,
    render,
    settings::Settings,
    state::State,
};

/// Brings a change to Caddy. What Caddy refuses is found and left out, one by one, until the rest is served.
pub(super) struct Activation<'a> {
    pub(super) settings: &'a Settings,
    pub(super) change: &'a ChangeSet,
    pub(super) files: &'a dyn Files,
    pub(super) services: &'a dyn Services,
    pub(super) log: &'a dyn Log,
    pub(super) state: &'a State<'a>,
    pub(super) exclusions: Exclusions,
    pub(super) rejections: Rejections,
    /// What the machine is to blame for: it is tried again without a change.
    pub(super) waits: Vec<String>,
}

impl Activation<'_> {
    /// Each round leaves out something more of what there is, so there is a last one.
    pub(super) fn run(&mut self, tier: Tier, admin: &Admin) -> Result<(), Error> {
        loop {
            let rendered = render::config(tier, self.settings, self.change, &self.exclusions);
            let is_known = self.state.wanted(tier)?.as_ref() == Some(&rendered.name) && admin.serves(&rendered.name)?;
            let loaded = if is_known {
                Loaded::Taken
            } else {
                self.state.want(tier, &rendered.name)?;
                admin.load(&rendered)?
            };
            let Loaded::Refused(reason) = loaded else {
                self.files.put(tier.start(), &rendered.json)?;
                rendered.complaints.iter().for_each(|complaint| self.log.warn(complaint, &[]));
                self.rejections.extend(rendered.rejections);
                return Ok(());
            };
            let listeners = self.listeners_of(&reason);
            if !listeners.is_empty() {
                let message = format!("Caddy cannot open the port: {}", summary(&reason));
                self.waits.push(message);
                for listener in listeners {
                    self.leave_out(listener, summary(&reason));
                }
                continue;
            }
            let culprit = self.culprit(tier)?;
            self.files.remove(CANDIDATE)?;
            let Some((culprit, said)) = culprit else {
                self.state.set_incomplete(Some(&reason))?;
                return Err(Error::Denied(format!("Caddy refuses its configuration: {}", summary(&reason))));
            };
            self.leave_out(culprit, &said);
        }
    }

    /// Leaves a part out and tells everybody whom it concerns.
    pub(super) fn leave_out(&mut self, part: Part, reason: &str) {
        let (message, objects) = match &part {
            Part::Certificate(id) => (format!("Caddy cannot use the certificate: {reason}"), self.users(id)),
            Part::Listener(name) => {
                let known = self.change.listeners.upsert.iter().filter(|listener| listener.name == *name);
                let objects = known.flat_map(|listener| listener.sources.clone()).collect();
                (format!("Caddy cannot open the port: {reason}"), objects)
            }
            Part::VirtualHost(id) => {
                let known = self.change.virtual_hosts.upsert.iter().filter(|host| host.id == *id);
                let objects = known.flat_map(|host| sources(&host.service)).cloned().collect();
                (format!("Caddy refuses the host: {reason}"), objects)
            }
        };
        if objects.is_empty() {
            self.log.error(&message, &[]);
        }
        self.rejections.push_all(&objects, &message);
        self.exclusions.insert(part);
    }

    /// The Secrets of a certificate, and whoever is served with it.
    fn users(&self, certificate: &str) -> Vec<ObjectRef> {
        let known = self.change.certificates.upsert.iter().filter(|it| it.id == certificate);
        let hosts = self.change.virtual_hosts.upsert.iter();
        let shown = hosts.filter(|host| host.certificate.as_deref() == Some(certificate));
        let secrets = known.flat_map(|it| &it.sources);
        secrets.chain(shown.flat_map(|host| sources(&host.service))).cloned().collect()
    }

    /// The listeners whose port Caddy could not open, if that is what it complains of.
    fn listeners_of(&self, reason: &str) -> Vec<Part> {
        let Some((before, _)) = reason.split_once(": bind: ") else { return vec![] };
        let Some(port) = before.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()) else { return vec![] };
        let open = self.change.listeners.upsert.iter().filter(|it| it.port == port);
        open.filter(|it| !self.exclusions.listener(&it.name)).map(|it| Part::Listener(it.name.clone())).collect()
    }

    /// The part without which Caddy would not refuse, and what Caddy says with it. Its words name nobody, so the parts are
    /// halved until it is found.
    fn culprit(&self, tier: Tier) -> Result<Option<(Part, String)>, Error> {
        let parts = self.exclusions.rest(self.change);
        let said = |count: usize| -> Result<Option<String>, Error> {
            let rendered = render::config(tier, self.settings, self.change, &self.exclusions.with(&parts[count..]));
            self.files.put(CANDIDATE, &rendered.json)?;
            let report = self.services.check(tier.name(), CANDIDATE)?;
            Ok((!report.ok).then(|| summary(&report.output).to_owned()))
        };
        let (mut taken, mut refused, Some(mut reason)) = (0, parts.len(), said(parts.len())?) else { return Ok(None) };
        if said(0)?.is_some() {
            return Ok(None);
        }
        while refused - taken > 1 {
            let middle = usize::midpoint(taken, refused);
            match said(middle)? {
                Some(words) => (refused, reason) = (middle, words),
                None => taken = middle,
            }
        }
        Ok(Some((parts[taken].clone(), reason)))
    }
}

fn sources(service: &HostService) -> impl Iterator<Item = &ObjectRef> {
    let routes = match service {
        HostService::Routes(routes) => routes.as_slice(),
        HostService::Passthrough(_) => &[],
    };
    routes.iter().map(|route| &route.source)
}

/// The end of what Caddy said, without the modules that it came through.
pub(super) fn summary(output: &str) -> &str {
    let last = output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing").trim();
    let said = last.strip_prefix("Error: ").unwrap_or(last);
    ["provision tls: ", "provision http: ", "http app module: start: "]
        .iter()
        .filter_map(|module| said.rfind(module).map(|at| &said[at + module.len()..]))
        .min_by_key(|words| words.len())
        .unwrap_or(said)
}
