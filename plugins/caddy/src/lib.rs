//! A provider that makes Caddy serve the generic load-balancer configuration, by its admin API.
//!
//! ```text
//! change-set --render--> Config --one serializer--> JSON --POST /load--> Caddy
//!                  ^                                            |
//!                  +---- Exclusions <--- what Caddy refuses <---+
//!
//! clients --TCP, TLS--> edge --unix socket--> router --> endpoints
//! ```
//!
//! Caddy takes any change by building all of its configuration anew, in the same process. So every change-set is a complete
//! one, and is one request; a configuration that Caddy has already is not sent.
//!
//! It also opens its ports anew, and the kernel resets connections that wait at the old ones; a unix socket it keeps. So
//! there are two: the edge has what changes rarely, and the router what changes all the time.

mod admin;
mod apply;
mod config;
mod descriptor;
mod exclusions;
mod names;
mod rejections;
mod render;
mod settings;
mod state;
mod text;

use lb_provider::{ChangeSet, Descriptor, Error, Host, Observed, Outcome, Provider, Readiness, Removal};

use admin::Admin;
use names::{CERTIFICATES, OWN, STORAGE, Tier};
pub use settings::Settings;
use state::State;

/// The provider.
pub struct Caddy;

lb_provider::export_provider!(Caddy);

impl Provider for Caddy {
    type Settings = Settings;

    fn describe() -> Descriptor {
        descriptor::descriptor()
    }

    fn apply(settings: &Settings, change: ChangeSet, host: &impl Host) -> Result<Outcome, Error> {
        apply::apply(settings, &change, host)
    }

    fn remove(_: &Settings, load_balancer: &str, host: &impl Host) -> Result<Removal, Error> {
        let state = State::new(host.files());
        if state.owner()?.as_deref() == Some(load_balancer) {
            for tier in Tier::BOTH {
                host.services().stop(tier.name())?;
                host.files().remove(tier.name())?;
            }
            for path in [CERTIFICATES, STORAGE, OWN] {
                host.files().remove(path)?;
            }
            // Last, so that a removal that was cut short is seen and done again.
            state.forget()?;
        }
        Ok(Removal::Removed)
    }

    fn observe(settings: &Settings, host: &impl Host) -> Result<Vec<Observed>, Error> {
        let state = State::new(host.files());
        let Some(load_balancer) = state.owner()? else { return Ok(vec![]) };
        let mut drift = state.incomplete()?;
        for tier in Tier::BOTH {
            if drift.is_none() {
                drift = self::drift(tier, &state, settings, host)?;
            }
        }
        let readiness = drift.clone().map_or(Readiness::Ready, Readiness::Pending);
        Ok(vec![Observed { load_balancer, owner_uid: None, readiness, addresses: vec![], drift }])
    }
}

/// Why a Caddy is not as it was applied.
fn drift(tier: Tier, state: &State, settings: &Settings, host: &impl Host) -> Result<Option<String>, Error> {
    let name = tier.name();
    if !host.services().running(name)? {
        return Ok(Some(format!("Caddy does not run: {name}")));
    }
    let serves = match state.wanted(tier)? {
        Some(wanted) => Admin::new(tier, settings, host).serves(&wanted)?,
        None => false,
    };
    Ok((!serves).then(|| format!("Caddy does not serve what was applied last: {name}")))
}
