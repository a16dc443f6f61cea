//! The component, and all that stays the same from one clause to the next.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use lb_model::types::{Descriptor, Feature};
use lb_sandbox::{
    Inspection, Metrics, ProviderClock, ProviderConfiguration, Sandbox, SandboxOptions, Source,
    configuration::{AddressKind, FilesGrant, HttpGrant, ValueFrom},
};
use prometheus_client::registry::Registry;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::{
    Error, Options, Report,
    certificates::Certificates,
    clause::{Checked, Ended},
    directory::Directory,
    fixtures::Fixtures,
    recording::{Recording, Tape},
    relay::{Behind, Relay, Upstream},
    stage::Stage,
};

/// How long an API may take to answer where the suite lets it hang, in milliseconds.
const SHORT_TIMEOUT: u64 = 400;

/// Beyond what a suite breaks, so that every call is made.
const MANY: u32 = 1000;

pub(crate) struct Bench {
    pub(crate) options: Options,
    sandbox: Sandbox,
    controller: String,
    clock: ProviderClock,
    metrics: Arc<Metrics>,
    certificates: Arc<Certificates>,
    inspection: Result<Inspection, String>,
    /// SHA-256 of the component, in hexadecimal.
    digest: String,
    /// Every HTTP grant, with the API behind it if there is one.
    apis: BTreeMap<String, Option<Upstream>>,
    /// Compiled components, where the options name no place for them.
    _cache: Option<TempDir>,
}

impl Bench {
    pub(crate) async fn new(options: Options) -> Result<Self, Error> {
        let cache = match options.cache_dir {
            Some(_) => None,
            None => Some(tempfile::tempdir().map_err(Error::machine("make a temporary directory"))?),
        };
        let cache_dir = options.cache_dir.clone().or_else(|| cache.as_ref().map(|it| it.path().join("compiled")));
        let sandbox_options = SandboxOptions { cache_dir, ..SandboxOptions::default() };
        let controller = options.controller.clone();
        let controller = controller.unwrap_or_else(|| format!("lb-suite-{:016x}", fastrand::u64(..)));
        sandbox_options.controller.tell(controller.clone());
        let clock = sandbox_options.clock.clone();
        let sandbox = Sandbox::new(sandbox_options)?;
        let mut bench = Self {
            sandbox,
            controller,
            clock,
            metrics: Metrics::register(&mut Registry::default()),
            certificates: Arc::default(),
            inspection: Err(String::new()),
            digest: String::new(),
            apis: BTreeMap::new(),
            options,
            _cache: cache,
        };
        let content = std::fs::read(&bench.options.component);
        bench.digest = content.map(|content| hex::encode(Sha256::digest(content))).unwrap_or_default();
        bench.inspection = match bench.inspect().await {
            Ok(inspection) => Ok(inspection),
            // It is the first clause that it breaks.
            Err(error @ (lb_sandbox::Error::Descriptor { .. } | lb_sandbox::Error::Call { .. })) => {
                Err(error.to_string())
            }
            Err(error) => return Err(error.into()),
        };
        bench.apis = bench.find_apis()?;
        Ok(bench)
    }

    /// Reads, compiles and describes the component anew.
    pub(crate) async fn inspect(&self) -> Result<Inspection, lb_sandbox::Error> {
        self.sandbox.inspect(self.source()).await
    }

    fn source(&self) -> Source<'_> {
        Source { path: &self.options.component, name: &self.options.name, digest: self.options.digest.as_deref() }
    }

    /// A report without clauses.
    pub(crate) fn report(&self) -> Report {
        let descriptor = self.inspection.as_ref().ok().map(|inspection| &inspection.descriptor);
        Report {
            component: self.options.name.clone(),
            provider: descriptor.map(|descriptor| descriptor.name.clone()).unwrap_or_default(),
            version: descriptor.map(|descriptor| descriptor.version.clone()).unwrap_or_default(),
            digest: self.digest.clone(),
            clauses: Vec::new(),
        }
    }

    /// What the component is, with its HTTP grants. Without a description there is nothing that can be checked but that.
    pub(crate) fn inspected(&self) -> Checked<(&Inspection, &BTreeMap<String, Option<Upstream>>)> {
        match &self.inspection {
            Ok(inspection) => Ok((inspection, &self.apis)),
            Err(_) => Err(Ended::skipped("the component does not describe itself")),
        }
    }

    /// Why the component does not describe itself, if it does not.
    pub(crate) fn undescribed(&self) -> Option<&str> {
        self.inspection.as_ref().err().map(String::as_str)
    }

    /// An HTTP grant whose API only fails.
    pub(crate) fn without_api(&self) -> Checked<Option<&str>> {
        let (_, apis) = self.inspected()?;
        Ok(apis.iter().find(|(_, api)| api.is_none()).map(|(name, _)| name.as_str()))
    }

    /// The HTTP grants: those that are configured, and those that the component wants besides.
    fn find_apis(&self) -> Result<BTreeMap<String, Option<Upstream>>, Error> {
        let grants = &self.options.configuration.grants;
        let Ok(inspection) = &self.inspection else { return Ok(BTreeMap::new()) };
        let wanted = inspection.descriptor.grants.iter().filter(|wanted| wanted.capability == "http");
        let wanted = wanted.map(|wanted| wanted.name.clone());
        let given = self.options.apis.keys().cloned();
        let names: BTreeSet<_> = if inspection.capabilities.contains(&"http") {
            grants.http.keys().cloned().chain(wanted).chain(given).collect()
        } else {
            BTreeSet::new()
        };
        if let Some(unknown) = self.options.apis.keys().find(|name| !names.contains(*name)) {
            return Err(Error::UnknownApi { name: unknown.clone(), known: names.into_iter().collect() });
        }
        let api = |name: String| {
            let grant = grants.http.get(&name);
            let own = || grant.filter(|_| !grants.services.is_empty()).and_then(of_this_machine);
            let url = self.options.apis.get(&name).cloned().or_else(own);
            let upstream = url.map(|url| Upstream::new(url, grant.and_then(|grant| grant.ca_file.as_deref())));
            Ok((name, upstream.transpose()?))
        };
        names.into_iter().map(api).collect()
    }

    /// Who the controller says that it is.
    pub(crate) fn controller(&self) -> &str {
        &self.controller
    }

    /// What the provider is told of the time.
    pub(crate) fn clock(&self) -> &ProviderClock {
        &self.clock
    }

    pub(crate) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// The base URL of each API.
    pub(crate) fn base_urls(&self) -> BTreeMap<String, String> {
        let url = |(name, api): (&String, &Option<Upstream>)| Some((name.clone(), api.as_ref()?.base().to_string()));
        self.apis.iter().filter_map(url).collect()
    }

    /// A provider with a directory of its own, each of whose APIs works.
    pub(crate) async fn stage(&self, name: &str) -> Checked<Stage> {
        self.open(name, None, |_, api| api.map_or(Behind::Nobody, Behind::Api)).await
    }

    /// A provider whose APIs are a recording.
    pub(crate) async fn replaying_stage(&self, recording: &Recording, tape: &Arc<Mutex<Tape>>) -> Checked<Stage> {
        let source = |grant: &str, _| match recording.apis.get(grant).and_then(|url| Url::parse(url).ok()) {
            Some(base) => Behind::Tape { base, tape: tape.clone() },
            None => Behind::Nobody,
        };
        self.open("recording", None, source).await
    }

    /// The same, whose APIs have little time to answer.
    pub(crate) async fn failing_stage(&self, name: &str) -> Checked<Stage> {
        self.open(name, Some(SHORT_TIMEOUT), |_, api| api.map_or(Behind::Nobody, Behind::Api)).await
    }

    async fn open(
        &self,
        name: &str,
        timeout_ms: Option<u64>,
        source: impl Fn(&str, Option<Upstream>) -> Behind,
    ) -> Checked<Stage> {
        let (inspection, apis) = self.inspected()?;
        let directory = Directory::new()?;
        let mut relays = Vec::new();
        let mut configuration = self.options.configuration.clone();
        configuration.limits.circuit.breaches = MANY;
        let grants = &mut configuration.grants;
        for (name, upstream) in apis {
            let relay = Relay::start(name, source(name, upstream.clone())).await?;
            let given = grants.http.remove(name);
            grants.http.insert(name.clone(), relayed(given, &relay, timeout_ms));
            relays.push(relay);
        }
        grant_own(&mut configuration, inspection, &directory);
        let plugin = self
            .sandbox
            .load(self.source(), configuration, self.certificates.clone(), self.metrics.clone())
            .await
            .map_err(Error::Load)?;
        let fixtures = Fixtures::new(name, inspection.descriptor.clone(), self.certificates.clone());
        let works = apis.values().all(Option::is_some);
        Ok(Stage::new(plugin, directory, relays, fixtures, self.options.patience, works))
    }
}

/// What is the suite's own to give: a directory, and the keys of its certificates.
fn grant_own(configuration: &mut ProviderConfiguration, inspection: &Inspection, directory: &Directory) {
    let grants = &mut configuration.grants;
    let wants = |capability: &str| {
        inspection.capabilities.contains(&capability)
            || inspection.descriptor.grants.iter().any(|wanted| wanted.capability == capability)
    };
    grants.keys.store |= wants("keys");
    grants.keys.reveal |= wants("key-reveal");
    if wants("files") || grants.files.is_some() || grants.keys.store {
        let max_bytes = grants.files.as_ref().map_or(1 << 30, |files| files.max_bytes);
        grants.files = Some(FilesGrant { path: directory.path().to_owned(), max_bytes });
    }
}

/// A grant whose API is behind a relay.
fn relayed(given: Option<HttpGrant>, relay: &Relay, timeout_ms: Option<u64>) -> HttpGrant {
    let mut grant = given.unwrap_or_else(|| {
        serde_json::from_value(serde_json::json!({
            "base-url": relay.base_url().as_str(),
            "methods": ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"],
            "requests-per-second": 1000,
            "burst": 1000,
        }))
        .expect("the suite's own grant is one")
    });
    grant.base_url = ValueFrom::Literal(Zeroizing::new(relay.base_url().to_string()));
    grant.allow_addresses.insert(AddressKind::Loopback);
    grant.ca_file = None;
    if !relay.has_upstream() {
        grant.credentials = None;
    }
    if let Some(timeout_ms) = timeout_ms {
        grant.timeout_ms = timeout_ms;
        grant.connect_timeout_ms = grant.connect_timeout_ms.min(timeout_ms);
    }
    grant
}

/// The base URL of a grant, if it stands in the configuration and names this machine.
fn of_this_machine(grant: &HttpGrant) -> Option<Url> {
    let ValueFrom::Literal(text) = &grant.base_url else { return None };
    let url = Url::parse(text).ok()?;
    let loopback = match url.host()? {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name == "localhost",
    };
    loopback.then_some(url)
}

/// Whether a provider declares a feature.
pub(crate) fn has(descriptor: &Descriptor, feature: Feature) -> bool {
    descriptor.features.contains(&feature)
}
