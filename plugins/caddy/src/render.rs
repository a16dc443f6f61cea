//! From a complete change-set to Caddy's configuration. Pure: the same input gives the same bytes.

mod edge;
mod host;
mod listener;
mod path;
mod policies;
mod proxy;
mod route;
mod tls;

use std::collections::BTreeMap;

use lb_provider::{Backend, ChangeSet};

use crate::{
    config::{Admin, AdminConfig, Apps, Config, Http, Log, Logging, Storage},
    exclusions::Exclusions,
    names::{STORAGE, Tier, digest},
    rejections::Rejections,
    settings::Settings,
    text::Milliseconds,
};

/// A configuration as Caddy is sent it.
#[derive(Debug)]
pub(crate) struct Rendered {
    /// Other content has another name.
    pub(crate) name: String,
    pub(crate) json: Vec<u8>,
    /// What it does not serve.
    pub(crate) rejections: Rejections,
    /// The same, of what has no object that could be told.
    pub(crate) complaints: Vec<String>,
}

/// What the parts of a configuration are made from.
struct Scope<'a> {
    settings: &'a Settings,
    change: &'a ChangeSet,
    exclusions: &'a Exclusions,
    backends: BTreeMap<&'a str, &'a Backend>,
}

/// What could not be served.
#[derive(Default)]
struct Unserved {
    rejections: Rejections,
    complaints: Vec<String>,
}

/// All that the change asks of one Caddy, without what it refused.
pub(crate) fn config(tier: Tier, settings: &Settings, change: &ChangeSet, exclusions: &Exclusions) -> Rendered {
    let backends = change.backends.upsert.iter().map(|backend| (backend.id.as_str(), backend)).collect();
    let scope = Scope { settings, change, exclusions, backends };
    let mut unserved = Unserved::default();
    let http = Http {
        plain_port: settings.admin_address(tier).port(),
        grace_period: Milliseconds(settings.grace_period_seconds.get() * 1000),
        servers: listener::servers(tier, &scope, &mut unserved),
    };
    let apps = Apps { http: Some(http), tls: (tier == Tier::Edge).then(|| tls::app(&scope)) };
    let Unserved { rejections, complaints } = unserved;
    let (name, json) = write(tier, settings, apps);
    Rendered { name, json, rejections, complaints }
}

/// A configuration that serves nothing but the admin endpoint.
pub(crate) fn empty(tier: Tier, settings: &Settings) -> Vec<u8> {
    write(tier, settings, Apps::default()).1
}

/// What every configuration of these settings begins with, up to the first part that depends on a change.
pub(crate) fn beginning(tier: Tier, settings: &Settings) -> Vec<u8> {
    let (name, mut json) = write(tier, settings, Apps::default());
    let text = String::from_utf8_lossy(&json);
    let end = text.find(&name).expect("the name stands in it");
    json.truncate(end);
    json
}

/// Of what Caddy does at every change only the errors; that it is ready is no module's message.
fn logs() -> BTreeMap<&'static str, Log> {
    const MODULES: &[&str] = &["admin", "http", "tls"];
    BTreeMap::from([
        ("default", Log { exclude: MODULES, ..Log::default() }),
        ("modules", Log { level: Some("ERROR"), include: MODULES, ..Log::default() }),
    ])
}

/// Names a configuration by its content, and writes it.
fn write(tier: Tier, settings: &Settings, apps: Apps) -> (String, Vec<u8>) {
    let address = settings.admin_address(tier).to_string();
    let mut config = Config {
        admin: Admin {
            listen: address.clone(),
            enforce_origin: true,
            origins: vec![address],
            config: AdminConfig { persist: false },
        },
        storage: Storage { module: "file_system", root: STORAGE },
        logging: Logging { id: String::new(), logs: logs() },
        apps,
    };
    let json = |config: &Config| serde_json::to_vec(config).expect("strings, numbers and lists are JSON");
    config.logging.id = format!("configuration-{}", digest(json(&config)));
    let json = json(&config);
    (config.logging.id, json)
}
