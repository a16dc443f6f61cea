//! One change, in an order that is safe to break off at any line: first the files that the new configuration names, then
//! the router, then the edge, last the removal of what nothing names any more.

mod activation;
mod certificates;

use lb_provider::{ChangeKind, ChangeSet, Error, Host, Outcome, Readiness, ServiceError};

use crate::{
    admin::Admin, exclusions::Exclusions, names::Tier, rejections::Rejections, render, settings::Settings, state::State,
};
use activation::Activation;

pub(crate) fn apply(settings: &Settings, change: &ChangeSet, host: &impl Host) -> Result<Outcome, Error> {
    if change.kind != ChangeKind::Complete {
        let message = "the Caddy provider takes complete change-sets only, as its descriptor says";
        return Err(Error::Denied(message.to_owned()));
    }
    let state = State::new(host.files());
    state.claim(&change.load_balancer.id)?;
    let mut activation = Activation {
        settings,
        change,
        files: host.files(),
        services: host.services(),
        log: host.log(),
        state: &state,
        exclusions: Exclusions::default(),
        rejections: Rejections::default(),
        waits: vec![],
    };
    for certificate in certificates::write(host, change)? {
        activation.leave_out(certificate, "its private key is not there any more");
    }
    for tier in [Tier::Router, Tier::Edge] {
        start(tier, settings, host)?;
        activation.run(tier, &Admin::new(tier, settings, host))?;
    }
    certificates::remove_others(host, change)?;
    let waits = (!activation.waits.is_empty()).then(|| activation.waits.join("; "));
    state.set_incomplete(waits.as_deref())?;
    let readiness = waits.map_or(Readiness::Ready, Readiness::Pending);
    Ok(Outcome { readiness, addresses: vec![], rejections: activation.rejections.into_vec() })
}

/// Has a Caddy run, with what it served last if there is any.
fn start(tier: Tier, settings: &Settings, host: &impl Host) -> Result<(), Error> {
    let (files, services, log) = (host.files(), host.services(), host.log());
    let name = tier.name();
    let beginning = render::beginning(tier, settings);
    if !files.read(tier.start()).is_ok_and(|last| last.starts_with(&beginning)) {
        // There is none, or its admin endpoint is elsewhere.
        services.stop(name)?;
        files.put(tier.start(), &render::empty(tier, settings))?;
    }
    match services.start(name) {
        Ok(_) => return Ok(()),
        Err(ServiceError::Failed(output)) => {
            let said = activation::summary(&output);
            log.warn("Caddy cannot start with what it served last", &[("service", name), ("output", said)]);
        }
        Err(error) => return Err(error.into()),
    }
    // A port may be another program's by now. Without ports, Caddy says which when it is asked for them.
    files.put(tier.start(), &render::empty(tier, settings))?;
    match services.start(name) {
        Ok(_) => Ok(()),
        Err(ServiceError::Failed(output)) => {
            Err(Error::Denied(format!("Caddy ({name}) does not start: {}", activation::summary(&output))))
        }
        Err(error) => Err(error.into()),
    }
}
