//! Making one load balancer match.
//!
//! # Flow
//!
//! One round of reads; then certificates; then one POST or one PUT. A cut after any request leaves something that the
//! next apply finds and continues: names and external ids follow from the Ingress, and what was written says so itself.
//!
//! What Rancher cannot do in the state that it is in is not sent: it would answer 409 and store it nevertheless, or store
//! it and never act on it. The host is told to try again.

mod create;
mod update;

use std::collections::{BTreeMap, BTreeSet};

use lb_provider::{Backend, ChangeSet, Error, ObjectRef, Outcome, Readiness, Rejection};
use serde::de::IgnoredAny;

pub(crate) use update::is_own_upgrade;

use crate::{
    api::{self, LOAD_BALANCERS, Session, decode},
    certificates,
    look::{self, Incarnations},
    mark::Mark,
    model::LoadBalancerService,
    name,
    normal::Normal,
    plan::{self, Plan},
    ports, refusal,
};

/// What one load balancer should be, in Rancher's terms.
struct Wanted<'a> {
    plan: Plan<'a>,
    owner: &'a ObjectRef,
    name: String,
    /// All but the scale that an Ingress leaves to Rancher's users.
    normal: Normal,
    mark: Mark,
}

pub(crate) fn apply(session: &Session, change: &ChangeSet) -> Result<Outcome, Error> {
    let load_balancer = &*change.load_balancer.id;
    let Some(owner) = &change.load_balancer.owner else {
        return Err(Error::Denied(format!(
            "the load balancer {load_balancer} belongs to no object; Rancher's have an owner each"
        )));
    };
    let mut plan = plan::plan(change);
    let mut rejections = std::mem::take(&mut plan.rejections);
    let seen = look::look(session, load_balancer, &plan)?;
    let is_of_owner = |service: &&LoadBalancerService| {
        Incarnations::owner_uid(&session.controller, service).as_deref() == Some(&*owner.uid)
    };
    let standing = || seen.incarnations.ours.iter().filter(|service| !service.is_leaving());
    let current = standing().find(is_of_owner);
    // Former owners' go first: they may hold the ports.
    let stale = standing().filter(|service| current.is_none_or(|current| current.id != service.id));
    delete(session, stale, "removed a load balancer of an Ingress that is gone")?;
    if plan.ports.is_empty() {
        rejections.push(nothing_to_serve(owner));
        let Some(current) = current else {
            // Without a port it would never become ready. Nothing is there, and only a change of the Ingress can help.
            return Err(Error::Invalid(rejections));
        };
        // It serves nothing and stays where it is: what is removed comes back with another address.
        plan.ports = ports::read(&current.ports());
    }
    let ready = certificates::ensure(session, &plan, &seen.certificates, owner, &mut rejections)?;
    let missing: Vec<_> =
        plan.services().into_iter().filter(|uid| !seen.services.contains_key(*uid)).map(str::to_owned).collect();
    let normal = Normal::wanted(&plan, &seen.services, &ready.ids, plan.scale);
    let mut mark = Mark::new(&session.controller, load_balancer, &owner.uid);
    mark.digest = normal.digest();
    mark.labels = normal.labels.keys().cloned().collect();
    mark.scale = plan.scale;
    mark.image = session.settings.image.as_ref().map(|image| image.0.clone());
    mark.missing.clone_from(&missing);
    let given: BTreeSet<_> = normal.balancing.certificates().collect();
    mark.certificates = ready.held.into_iter().filter(|(id, _)| given.contains(id)).collect();
    let name = name::name(&session.controller, load_balancer, &owner.uid);
    let waits = waits(&change.backends.upsert, &missing, &plan);
    let wanted = Wanted { plan, owner, name, normal, mark };

    let adoptable =
        || seen.incarnations.adoptable(session.settings, load_balancer, seen.stack.as_ref(), &seen.services);
    let own_name = |service: &&LoadBalancerService| service.name.eq_ignore_ascii_case(&wanted.name);
    let service = if let Some(standing) = current.or_else(adoptable) {
        update::update(session, &wanted, standing.clone())?
    } else if let Some(leaving) = seen.incarnations.ours.iter().find(own_name) {
        return Err(waits_for_removal(leaving));
    } else {
        create::create(session, &wanted, seen.stack, seen.image)?
    };
    let readiness = waits.map_or_else(|| service.readiness(), Readiness::Pending);
    Ok(Outcome { readiness, addresses: service.addresses(session.settings.publish_fqdn), rejections })
}

fn nothing_to_serve(owner: &ObjectRef) -> Rejection {
    let message =
        "there is no port to serve: plain HTTP is switched off, and no host is served over TLS; allow one of them";
    Rejection { object: owner.clone(), field: "spec.tls".to_owned(), message: message.to_owned() }
}

/// What the load balancer lacks, if anything; the rest is served.
fn waits(backends: &[Backend], missing: &[String], plan: &Plan) -> Option<String> {
    let services: BTreeMap<_, _> = backends.iter().map(|backend| (&*backend.service.uid, &backend.service)).collect();
    let name = |uid: &String| services.get(&**uid).map(|service| format!("{}/{}", service.namespace, service.name));
    let unknown: Vec<_> = missing.iter().filter_map(name).collect();
    let without_port: Vec<_> = plan.without_port.iter().copied().collect();
    let unknown =
        (!unknown.is_empty()).then(|| format!("Rancher does not know the Service {} yet", unknown.join(", ")));
    let portless =
        (!without_port.is_empty()).then(|| format!("the pods of {} are not known yet", without_port.join(", ")));
    let waits: Vec<_> = unknown.into_iter().chain(portless).collect();
    (!waits.is_empty()).then(|| format!("{}; the rest is served", waits.join(", and ")))
}

fn waits_for_removal(service: &LoadBalancerService) -> Error {
    refusal::unavailable(format!(
        "the load balancer {} is {} in Rancher; it is made again once it is gone",
        service.name, service.state
    ))
}

/// Removes load balancers of ours, side by side.
pub(crate) fn delete<'a>(
    session: &Session,
    services: impl Iterator<Item = &'a LoadBalancerService>,
    message: &str,
) -> Result<(), Error> {
    let services: Vec<_> = services.collect();
    let answers = session.client.send_all(services.iter().map(|service| api::delete(LOAD_BALANCERS, &service.id)));
    for (service, answer) in services.into_iter().zip(answers) {
        match answer {
            Err(error) if error.status() == Some(404) => {}
            answer => drop(decode::<IgnoredAny>(answer)?),
        }
        session.log.info(message, &[("service", &service.name), ("id", &service.id)]);
    }
    Ok(())
}
