//! Removing a load balancer, with every incarnation of its Ingress. Its certificates are collected by `observe`.

use lb_provider::{Error, Removal};

use crate::{api::Session, apply::delete, look};

pub(crate) fn remove(session: &Session, load_balancer: &str) -> Result<Removal, Error> {
    let services = look::look_for(session, load_balancer)?.ours;
    delete(session, services.iter().filter(|service| !service.is_leaving()), "removed a load balancer")?;
    // One that is `removed` is listed no more.
    Ok(match services.first() {
        None => Removal::Removed,
        Some(service) => Removal::Pending(format!("the load balancer {} is being removed in Rancher", service.name)),
    })
}
