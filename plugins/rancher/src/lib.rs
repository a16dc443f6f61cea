//! A provider that makes Rancher 1.x load balancer services serve Ingresses, one for each.
//!
//! ```text
//! change-set --plan--> rules by UID --+
//!                                     +--> Normal (wanted) --difference--> one POST or one PUT
//! Rancher <--look: one round of reads-+--> Normal (stored) ------^
//!                                                |
//! observe: all of them in one list; digest of what is stored against the digest in the mark
//! ```
//!
//! Nothing is remembered between two calls: what a call must know of earlier ones stands in Rancher, in the mark of the
//! load balancer itself. Nothing is waited for: a transition that takes its time is pending, and observed.

mod api;
mod apply;
mod certificates;
mod descriptor;
mod labels;
mod look;
mod mark;
mod model;
mod name;
mod normal;
mod observe;
mod plan;
mod ports;
mod refusal;
mod remove;
mod settings;
mod stack;

use lb_provider::{ChangeSet, Descriptor, Error, Host, Observed, Outcome, Provider, Removal};

use api::Session;
pub use settings::Settings;

/// The provider.
pub struct Rancher;

lb_provider::export_provider!(Rancher);

impl Provider for Rancher {
    type Settings = Settings;

    fn describe() -> Descriptor {
        descriptor::descriptor()
    }

    fn apply(settings: &Settings, change: ChangeSet, host: &impl Host) -> Result<Outcome, Error> {
        apply::apply(&Session::new(settings, host), &change)
    }

    fn remove(settings: &Settings, load_balancer: &str, host: &impl Host) -> Result<Removal, Error> {
        remove::remove(&Session::new(settings, host), load_balancer)
    }

    fn observe(settings: &Settings, host: &impl Host) -> Result<Vec<Observed>, Error> {
        observe::observe(&Session::new(settings, host))
    }
}
