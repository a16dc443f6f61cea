//! One change, in an order that is safe to break off at any line: first the endpoints of new backends, then what refers to
//! them, last the removal of what nothing refers to any more.

mod activation;

use lb_provider::{ChangeKind, ChangeSet, Error, FileError, Files, Host, Outcome, Readiness};

use crate::{
    backends,
    names::{LIVE, backend_conf},
    rejections::Rejections,
    render,
    settings::Settings,
    state::State,
};
use activation::Activation;

pub(crate) fn apply(settings: &Settings, change: &ChangeSet, host: &impl Host) -> Result<Outcome, Error> {
    let state = State::new(host.files());
    state.claim(&change.load_balancer.id)?;
    let mut rejections = Rejections::default();
    backends::put(host.files(), change, &mut rejections)?;
    if concerns_more_than_backends(change) || !knows_protocols(host.files(), change)? {
        let activation = Activation {
            settings,
            change,
            files: host.files(),
            services: host.services(),
            keys: host.keys(),
            log: host.log(),
            state: &state,
        };
        rejections.extend(activation.run()?);
    }
    backends::remove(host.files(), change)?;
    let readiness = state.incomplete()?.map_or(Readiness::Ready, Readiness::Pending);
    Ok(Outcome { readiness, addresses: vec![], rejections: rejections.into_vec() })
}

/// Whether there is more to change than backends.
fn concerns_more_than_backends(change: &ChangeSet) -> bool {
    change.kind == ChangeKind::Complete
        || !change.listeners.upsert.is_empty()
        || !change.listeners.remove.is_empty()
        || !change.virtual_hosts.upsert.is_empty()
        || !change.virtual_hosts.remove.is_empty()
        || !change.certificates.upsert.is_empty()
        || !change.certificates.remove.is_empty()
}

/// Whether nginx would speak to each backend as it wants to be spoken to.
fn knows_protocols(files: &dyn Files, change: &ChangeSet) -> Result<bool, Error> {
    for backend in &change.backends.upsert {
        match files.read(&format!("{LIVE}/{}", backend_conf(&backend.id))) {
            Ok(known) if known == render::backend(backend) => {}
            Ok(_) | Err(FileError::NotFound(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
