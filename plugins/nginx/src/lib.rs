//! A provider that makes nginx serve the generic load-balancer configuration.
//!
//! ```text
//! change-set --render--> Plan (files of the tree) --Stage--> staged copy --nginx -t--> live tree --reload--> nginx
//!     |                       ^                                  |
//!     |                       +---- Exclusions <--- blame <------+  what nginx refuses, alone, is left out
//!     +--backends--> one data file each, which nginx's workers read by themselves: no reload
//! ```
//!
//! Everything that a call must know of earlier ones is read from the files themselves.

mod apply;
mod backends;
mod blame;
mod conf;
mod descriptor;
mod exclusions;
mod names;
mod plan;
mod rejections;
mod render;
mod settings;
mod stage;
mod state;

use lb_provider::{ChangeSet, Descriptor, Error, Host, Observed, Outcome, Provider, Readiness, Removal};

use names::{BACKENDS, LIVE, SERVICE};
pub use settings::Settings;
use state::State;

/// The provider.
pub struct Nginx;

lb_provider::export_provider!(Nginx);

impl Provider for Nginx {
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
            host.services().stop(SERVICE)?;
            host.files().remove(LIVE)?;
            host.files().remove(BACKENDS)?;
            // Last, so that a removal that was cut short is seen and done again.
            state.forget()?;
        }
        Ok(Removal::Removed)
    }

    fn observe(_: &Settings, host: &impl Host) -> Result<Vec<Observed>, Error> {
        let state = State::new(host.files());
        let Some(load_balancer) = state.owner()? else { return Ok(vec![]) };
        let drift = match state.unfinished()? {
            Some(reason) => Some(reason),
            None if !host.services().running(SERVICE)? => Some("nginx does not run".to_owned()),
            None => None,
        };
        let readiness = drift.clone().map_or(Readiness::Ready, Readiness::Pending);
        Ok(vec![Observed { load_balancer, owner_uid: None, readiness, addresses: vec![], drift }])
    }
}
