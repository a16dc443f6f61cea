mod bisect;

use lb_provider::{
    ChangeKind, ChangeSet, Error, Files, HostService, Keys, Log, ObjectRef, Protocol, Report, ServiceError, Services,
    StartOutcome,
};

use crate::{
    blame,
    exclusions::{Culprit, Exclusion, Exclusions},
    names::{LIVE, SERVICE, digest},
    plan::Plan,
    rejections::Rejections,
    render,
    settings::Settings,
    stage::Stage,
    state::State,
};

/// What nginx says when it cannot do what every tree needs of it.
const INSTALL: &str = "apt-get install nginx libnginx-mod-http-lua libnginx-mod-stream libnginx-mod-stream-js";

/// Brings a change to nginx: staged, checked, activated, read. What nginx refuses is found and left out, one by one, until
/// the rest is served.
pub(super) struct Activation<'a> {
    pub(super) settings: &'a Settings,
    pub(super) change: &'a ChangeSet,
    pub(super) files: &'a dyn Files,
    pub(super) services: &'a dyn Services,
    pub(super) keys: &'a dyn Keys,
    pub(super) log: &'a dyn Log,
    pub(super) state: &'a State<'a>,
}

/// How one attempt ended.
enum Attempt {
    Served,
    /// What was served before still is. These are to be left out, if nginx's words blame anybody.
    Refused {
        culprits: Vec<Culprit>,
        output: String,
    },
}

impl Activation<'_> {
    /// Returns what is not served. What the machine is to blame for is remembered in the state.
    pub(super) fn run(&self) -> Result<Rejections, Error> {
        let mut exclusions = Exclusions::default();
        let mut rejections = Rejections::default();
        let mut waits = Vec::new();
        // Each round leaves out something more of what there is, so there is a last one.
        loop {
            let plan = render::plan(self.settings, self.change, &exclusions);
            let culprits = match self.attempt(&plan)? {
                Attempt::Served => {
                    self.remember(&waits)?;
                    plan.complaints.iter().for_each(|complaint| self.log.warn(complaint, &[]));
                    let mut all = plan.rejections;
                    all.extend(rejections);
                    return Ok(all);
                }
                Attempt::Refused { culprits, output } if culprits.is_empty() => {
                    vec![bisect::culprit(self, &exclusions, &output)?]
                }
                Attempt::Refused { culprits, .. } => culprits,
            };
            for culprit in culprits {
                self.tell(&culprit, &mut rejections, &mut waits);
                self.exclude(&mut exclusions, culprit)?;
            }
        }
    }

    fn attempt(&self, plan: &Plan) -> Result<Attempt, Error> {
        let mut stage = Stage::open(self.files, self.keys)?;
        stage.fill(plan, self.settings)?;
        if !stage.without_key().is_empty() {
            let culprits = stage.without_key().iter().map(|digest| self.without_key(digest)).collect();
            stage.discard()?;
            return Ok(Attempt::Refused { culprits, output: String::new() });
        }
        if !stage.is_changed() && !self.state.owes_reload()? {
            stage.discard()?;
            return self.load(|| self.services.start(SERVICE).map(|_| succeeded()), None);
        }
        let report = self.services.check(SERVICE, stage.path())?;
        if !report.ok {
            let culprits = self.blame(stage.path(), &report.output)?;
            stage.discard()?;
            return Ok(Attempt::Refused { culprits, output: report.output });
        }
        self.state.owe_reload()?;
        let previous = stage.activate()?;
        let attempt = self.load(|| self.start_or_reload(), previous.as_deref())?;
        if matches!(attempt, Attempt::Served) {
            self.state.reloaded()?;
            previous.iter().try_for_each(|previous| self.files.discard(previous))?;
        }
        Ok(attempt)
    }

    /// Has nginx read what is live. If it refuses, what was live before is live again.
    fn load(
        &self,
        read: impl FnOnce() -> Result<Report, ServiceError>,
        previous: Option<&str>,
    ) -> Result<Attempt, Error> {
        let output = match read() {
            Ok(Report { ok: true, .. }) => return Ok(Attempt::Served),
            Ok(Report { output, .. }) | Err(ServiceError::Failed(output)) => output,
            Err(error) => return Err(error.into()),
        };
        let culprits = self.blame(LIVE, &output);
        if let Some(previous) = previous
            && let Some(refused) = self.files.activate(LIVE, previous)?
        {
            self.files.discard(&refused)?;
        }
        Ok(Attempt::Refused { culprits: culprits?, output })
    }

    /// An incremental change tells nothing of what an earlier one could not serve.
    fn remember(&self, waits: &[String]) -> Result<(), Error> {
        match (waits, self.change.kind) {
            ([], ChangeKind::Incremental) => Ok(()),
            ([], ChangeKind::Complete) => self.state.set_incomplete(None),
            (waits, _) => self.state.set_incomplete(Some(&waits.join("; "))),
        }
    }

    fn start_or_reload(&self) -> Result<Report, ServiceError> {
        match self.services.start(SERVICE)? {
            StartOutcome::Started => Ok(succeeded()),
            StartOutcome::AlreadyRunning => self.services.reload(SERVICE),
        }
    }

    /// Whom nginx's words blame; nobody if they name no object. An error if all of nginx is of no use.
    fn blame(&self, root: &str, output: &str) -> Result<Vec<Culprit>, Error> {
        if let Some(culprit) = blame::find(self.files, root, output)? {
            return Ok(vec![culprit]);
        }
        if ["dlopen()", "resty.core", "is not binary compatible"].iter().any(|sign| output.contains(sign)) {
            return Err(Error::Denied(format!(
                "nginx cannot load a module: {}. Install what is missing with `{INSTALL}`, or set `modules-directory` and \
                 `lua-package-path` in the provider's settings",
                blame::summary(output)
            )));
        }
        Ok(vec![])
    }

    fn without_key(&self, certificate: &str) -> Culprit {
        let known = self.change.certificates.upsert.iter().find(|known| digest(&known.id) == certificate);
        Culprit {
            exclusion: Exclusion::Certificate(certificate.to_owned()),
            objects: known.map(|known| known.sources.clone()).unwrap_or_default(),
            reason: "its private key is not there any more".to_owned(),
        }
    }

    /// Tells everybody whom it concerns.
    fn tell(&self, culprit: &Culprit, rejections: &mut Rejections, waits: &mut Vec<String>) {
        let Culprit { exclusion, objects, reason } = culprit;
        let message = match exclusion {
            Exclusion::Address(address) => {
                let address = address.to_string();
                return self.log.warn(
                    "the machine does not have this listen address; it is left out",
                    &[("address", &address), ("reason", reason)],
                );
            }
            Exclusion::Listener(_) => format!("nginx cannot open the listener: {reason}"),
            Exclusion::Stream => {
                format!("nginx cannot open ports that are not HTTP: {reason}. Install what is missing with `{INSTALL}`")
            }
            Exclusion::Certificate(_) => format!("nginx cannot use the certificate: {reason}"),
            Exclusion::Host(_) | Exclusion::Routes { .. } => format!("nginx refuses this configuration: {reason}"),
        };
        rejections.push_all(self.concerned(exclusion, objects), &message);
        if exclusion.is_environmental() {
            self.log.error(&message, &[]);
            waits.push(message);
        } else if objects.is_empty() {
            self.log.error(&message, &[]);
        }
    }

    /// The objects behind what is left out: those that its file names, and those of the change that use it.
    fn concerned<'b>(&'b self, exclusion: &Exclusion, objects: &'b [ObjectRef]) -> Vec<&'b ObjectRef> {
        let mut concerned: Vec<_> = objects.iter().collect();
        match exclusion {
            Exclusion::Certificate(certificate) => {
                let uses = |id: &String| digest(id) == *certificate;
                for host in &self.change.virtual_hosts.upsert {
                    if let HostService::Routes(routes) = &host.service
                        && host.certificate.as_ref().is_some_and(uses)
                    {
                        concerned.extend(routes.iter().map(|route| &route.source));
                    }
                }
            }
            Exclusion::Stream => {
                let listeners = self.change.listeners.upsert.iter();
                let others = listeners.filter(|it| !matches!(it.protocol, Protocol::Http | Protocol::Https));
                concerned.extend(others.flat_map(|listener| &listener.sources));
            }
            _ => {}
        }
        concerned
    }

    /// Leaves it out of the next round; more of it if that did not help.
    fn exclude(&self, exclusions: &mut Exclusions, culprit: Culprit) -> Result<(), Error> {
        let larger = match &culprit.exclusion {
            Exclusion::Routes { path, .. } => Some(Exclusion::Host(path.clone())),
            _ => None,
        };
        let is_new = exclusions.insert(culprit.exclusion) || larger.is_some_and(|larger| exclusions.insert(larger));
        let has_addresses = self.settings.listen_addresses.iter().any(|it| !exclusions.addresses.contains(&it));
        if is_new && has_addresses {
            return Ok(());
        }
        // What is in the way is not of this change: only a complete one can help.
        self.state.set_incomplete(Some(&culprit.reason))?;
        let what = if has_addresses {
            "nginx refuses its configuration"
        } else {
            "the machine has none of the `listen-addresses`"
        };
        Err(Error::Denied(format!("{what}: {}", culprit.reason)))
    }
}

fn succeeded() -> Report {
    Report { ok: true, output: String::new() }
}
