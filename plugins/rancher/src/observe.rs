//! Looking at all load balancers of ours, in as few requests as there are pages.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::UNIX_EPOCH,
};

use lb_provider::{
    Error, Observed, Readiness,
    http::{self, Answer},
};

use crate::{
    api::{self, Session, decode},
    apply::is_own_upgrade,
    certificates, look,
    look::Incarnations,
    mark::Mark,
    model::{Certificate, LoadBalancerService, Schema},
    normal::Normal,
    refusal,
};

pub(crate) fn observe(session: &Session) -> Result<Vec<Observed>, Error> {
    let prefix = certificates::prefix(&session.controller);
    let [services, certificates] = session.client.join([api::load_balancers(), api::certificates_named(&prefix)]);
    let server_time = services.as_ref().ok().and_then(date);
    let services: Vec<LoadBalancerService> = session.list(services)?;
    let certificates: Vec<Certificate> = session.list(certificates)?;
    let ours = by_load_balancer(session, &services);
    if ours.is_empty() {
        // At the start, before anything is written: a key of the wrong scope lists, but never creates.
        check_scope(session)?;
    }
    let missing: BTreeSet<_> =
        ours.values().flatten().flat_map(|own| own.mark.missing.iter().map(String::as_str)).collect();
    let appeared = if missing.is_empty() {
        BTreeMap::new()
    } else {
        look::usable(session.list(session.client.send(api::kubernetes_services()))?, &missing)
    };
    certificates::collect(session, &certificates, &services, server_time);
    let observed = ours.into_iter().map(|(load_balancer, incarnations)| {
        let (latest, rest) = incarnations.split_first().expect("a group has at least one member");
        let drift = || drift(session, latest, &certificates, &appeared);
        let crowded =
            (!rest.is_empty()).then(|| "a former load balancer of the same Ingress is still there".to_owned());
        Observed {
            load_balancer,
            owner_uid: Incarnations::owner_uid(&session.controller, latest.service),
            readiness: readiness(latest),
            addresses: latest.service.addresses(session.settings.publish_fqdn),
            drift: crowded.or_else(drift),
        }
    });
    Ok(observed.collect())
}

/// A load balancer of ours, and what it says of itself.
struct Own<'a> {
    service: &'a LoadBalancerService,
    mark: Mark,
}

/// Those of ours that are there to stay; of several incarnations of one Ingress the latest first.
fn by_load_balancer<'a>(session: &Session, services: &'a [LoadBalancerService]) -> BTreeMap<String, Vec<Own<'a>>> {
    let mut groups: BTreeMap<String, Vec<Own>> = BTreeMap::new();
    let ours = services.iter().filter(|service| service.belongs_to(&session.controller) && !service.is_leaving());
    for service in ours {
        let Some(mark) = service.mark().filter(|mark| mark.load_balancer.contains('/')) else {
            // The next apply of its Ingress writes it anew.
            let message = "the mark of a load balancer was removed from its metadata; whose it is cannot be told";
            session.log.warn(message, &[("service", &*service.name), ("id", &*service.id)]);
            continue;
        };
        groups.entry(mark.load_balancer.clone()).or_default().push(Own { service, mark });
    }
    for group in groups.values_mut() {
        group.sort_by_key(|own| (std::cmp::Reverse(own.service.created), own.service.id.clone()));
    }
    groups
}

/// Why it is not as it was applied, if it is not.
fn drift(
    session: &Session,
    own: &Own,
    certificates: &[Certificate],
    appeared: &BTreeMap<String, String>,
) -> Option<String> {
    let Own { service, mark } = own;
    if service.state == "inactive" {
        return Some("somebody deactivated it".to_owned());
    }
    if service.state == "upgraded" && is_own_upgrade(service, mark) {
        return Some("its upgrade waits to be finished".to_owned());
    }
    if Normal::marked(service, mark).digest() != mark.digest {
        return Some("its configuration in Rancher is not the one that was applied".to_owned());
    }
    if mark.missing.iter().any(|uid| appeared.contains_key(uid)) {
        return Some("Rancher learned of a Service that was missing".to_owned());
    }
    certificates::drift(session, &mark.certificates, certificates)
}

fn readiness(own: &Own) -> Readiness {
    match own.service.readiness() {
        Readiness::Ready if !own.mark.missing.is_empty() => {
            Readiness::Pending("Rancher does not know all of its Services yet; the rest is served".to_owned())
        }
        readiness => readiness,
    }
}

/// What a create means that was answered 405: a key of the wrong scope, told as at the start, or else what was answered.
pub(crate) fn may_not_create(session: &Session, error: http::Error) -> Error {
    check_scope(session).err().unwrap_or_else(|| refusal::of(error))
}

/// Whether the key may create load balancers here.
fn check_scope(session: &Session) -> Result<(), Error> {
    let schema: Schema = decode(session.client.send(api::schema()))?;
    if schema.collection_methods.iter().any(|method| method == "POST") {
        return Ok(());
    }
    Err(Error::Denied(
        "this API key may list load balancers in Rancher, but not create them: it is an account's, used without a project, \
         or its role only reads; use a key of the environment, or name the project in CATTLE_URL \
         (http://rancher:8080/v2-beta/projects/1a5)"
            .to_owned(),
    ))
}

/// The server's clock, in milliseconds since the epoch, if it shows it.
fn date(answer: &Answer) -> Option<i64> {
    let date = httpdate::parse_http_date(answer.header("date")?).ok()?;
    i64::try_from(date.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}
