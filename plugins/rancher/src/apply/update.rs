//! A load balancer that is there: one PUT with what differs, and an upgrade where its containers have to be made anew.

use std::collections::BTreeSet;

use lb_provider::Error;
use serde_json::{Map, Value, json};

use super::{Wanted, create::image_uuid, delete};
use crate::{
    api::{self, LOAD_BALANCERS, Session, decode},
    labels,
    mark::Mark,
    model::LoadBalancerService,
    normal::Normal,
    ports, refusal,
};

/// What may be written in a state, and is acted upon.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writable {
    /// Anything by PUT; an upgrade can begin.
    All,
    /// Anything by PUT, no upgrade.
    Put,
    /// All but the launch configuration, which is being replaced.
    Balancing,
    Nothing,
}

fn writable(state: &str) -> Writable {
    match state {
        "active" | "inactive" | "activating" | "updating-active" => Writable::All,
        "updating-inactive" => Writable::Put,
        "upgrading" | "finishing-upgrade" | "rolling-back" | "canceling-upgrade" => Writable::Balancing,
        // In requested, registering, deactivating, restarting, removing and removed a PUT answers 409 and is stored all
        // the same; in upgraded and canceled-upgrade it is stored, and nothing happens.
        _ => Writable::Nothing,
    }
}

/// What differs between a load balancer and what it should be.
#[expect(clippy::struct_excessive_bools, reason = "they are the parts of one, and each may differ")]
struct Difference {
    balancing: bool,
    /// To this number.
    scale: Option<u32>,
    /// Ports, or labels that take effect without new containers.
    launch: bool,
    /// The containers have to be made anew: labels that place them, or the image.
    upgrade: bool,
    mark: bool,
}

impl Difference {
    fn is_empty(&self) -> bool {
        !self.balancing && self.scale.is_none() && !self.launch && !self.upgrade && !self.mark
    }
}

pub(super) fn update(
    session: &Session,
    wanted: &Wanted,
    mut service: LoadBalancerService,
) -> Result<LoadBalancerService, Error> {
    let mark = service.mark();
    let adopted = mark.is_none() && service.is_originals();
    if labels::is_global(&labels::stored(&service.launch_config)) != wanted.plan.is_global() {
        // Rancher refuses to switch this on a service that exists.
        delete(
            session,
            std::iter::once(&service),
            "removed a load balancer, to be made again one for each host, or no more so",
        )?;
        let name = &service.name;
        return Err(refusal::unavailable(format!(
            "the load balancer {name} is made again, as io.rancher.scheduler.global changed"
        )));
    }
    let difference = difference(session, wanted, &service, mark.as_ref());
    // Somebody may have changed the rest meanwhile: nothing of that can be put right before the upgrade is over.
    let runs_as_wanted = !difference.upgrade && !difference.launch;
    let began = |mark: &Mark| is_own_upgrade(&service, mark) || (mark.upgrade && runs_as_wanted);
    if service.state == "upgraded" && mark.as_ref().is_some_and(began) {
        service = session.act(&service.id, "finishupgrade", &json!({}))?;
        session.log.info("finished an upgrade", &[("service", &service.name)]);
    }
    if service.state == "inactive" {
        service = session.act(&service.id, "activate", &json!({}))?;
        session.log.info("activated a load balancer", &[("service", &service.name)]);
    }
    if difference.is_empty() {
        return Ok(service);
    }
    let needed = match difference {
        Difference { upgrade: true, .. } => Writable::All,
        Difference { launch: true, .. } => Writable::Put,
        _ => Writable::Balancing,
    };
    if !reaches(writable(&service.state), needed) {
        let (name, state) = (&service.name, &service.state);
        return Err(refusal::unavailable(format!(
            "the load balancer {name} is {state} in Rancher; its change waits for the end of that"
        )));
    }
    if adopted {
        session.log.info("adopted a load balancer of the original controller", &[("service", &service.name)]);
    }
    let launch_config = launch_config(session, wanted, &service, &difference);
    if difference.balancing
        || difference.scale.is_some()
        || difference.mark
        || (difference.launch && !difference.upgrade)
    {
        service = put(session, wanted, &service, &difference, &launch_config)?;
    }
    if difference.upgrade {
        let strategy =
            json!({ "launchConfig": launch_config, "batchSize": 1, "intervalMillis": 2000, "startFirst": false });
        service = session.act(&service.id, "upgrade", &json!({ "inServiceStrategy": strategy }))?;
        session.log.info("began an upgrade", &[("service", &service.name)]);
    }
    Ok(service)
}

fn reaches(allowed: Writable, needed: Writable) -> bool {
    let rank = |writable| match writable {
        Writable::Nothing => 0,
        Writable::Balancing => 1,
        Writable::Put => 2,
        Writable::All => 3,
    };
    rank(allowed) >= rank(needed)
}

fn difference(session: &Session, wanted: &Wanted, service: &LoadBalancerService, mark: Option<&Mark>) -> Difference {
    let labels: BTreeSet<_> = wanted.normal.labels.keys().map(String::as_str).collect();
    let stored = Normal::stored(service, mark, wanted.normal.scale.is_some(), &labels);
    // A scale that the Ingress asks for no more becomes the default; one that it never asked for is left alone.
    let scale = wanted.plan.scale.or_else(|| mark.and_then(|mark| mark.scale).map(|_| 1));
    let scale = scale.filter(|scale| !wanted.plan.is_global() && service.scale != Some(*scale));
    let image = session.settings.image.as_ref().is_some_and(|image| {
        let is_marked = mark.is_some_and(|mark| mark.image.as_ref() == Some(&image.0) && !mark.upgrade);
        !is_marked && !is_image(service.image(), &image.0)
    });
    Difference {
        balancing: stored.balancing != wanted.normal.balancing || mark.is_some_and(|mark| mark.digest == UNSETTLED),
        scale,
        launch: !stored.has_ports_of(&wanted.normal) || stored.labels != wanted.normal.labels,
        upgrade: stored.placing() != wanted.normal.placing() || image,
        // Whose upgrade it is, is of no interest once it is over.
        mark: mark.is_none_or(|mark| Mark { upgrade: false, ..mark.clone() } != wanted.mark),
    }
}

/// The digest of a load balancer whose last write may have been stored without being acted upon.
const UNSETTLED: &str = "";

fn put(
    session: &Session,
    wanted: &Wanted,
    service: &LoadBalancerService,
    difference: &Difference,
    launch_config: &Map<String, Value>,
) -> Result<LoadBalancerService, Error> {
    // The mark comes first: an upgrade that is cut short is known to be ours.
    // And it stays known when something else changes before it is over.
    let goes_on = writable(&service.state) == Writable::Balancing && service.mark().is_some_and(|mark| mark.upgrade);
    let mark = Mark { upgrade: difference.upgrade || goes_on, ..wanted.mark.clone() };
    let mut body = Map::from_iter([("metadata".to_owned(), json!(mark.write(&service.metadata)))]);
    if difference.balancing {
        body.insert("lbConfig".to_owned(), wanted.normal.balancing.lb_config());
    }
    if let Some(scale) = difference.scale {
        body.insert("scale".to_owned(), json!(scale));
    }
    if difference.launch && !difference.upgrade {
        body.insert("launchConfig".to_owned(), json!(launch_config));
    }
    match session.client.send(api::update(LOAD_BALANCERS, &service.id, &body)) {
        Err(error) if error.status() == Some(409) => {
            // Rancher stored it all the same, and does not act on it. The next apply would find nothing to do, but for this
            // mark, which is stored as well, whatever the answer is.
            let mark = Mark { digest: UNSETTLED.to_owned(), ..mark };
            let again = json!({ "metadata": mark.write(&service.metadata) });
            let answer = session.client.send(api::update(LOAD_BALANCERS, &service.id, &again));
            if let Err(failure) = answer.map_err(|failure| failure.status()) {
                let status = failure.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
                session.log.debug(
                    "a write that Rancher refused was marked",
                    &[("service", &service.name), ("status", &status)],
                );
            }
            Err(refusal::of(error))
        }
        Err(error) => Err(refusal::of_load_balancer(error, wanted.owner)),
        Ok(answer) => {
            session.log.info("changed a load balancer", &[("service", &service.name)]);
            decode(Ok(answer))
        }
    }
}

/// The stored launch configuration, whole: what is not sent is lost, health check and agent labels among it.
fn launch_config(
    session: &Session,
    wanted: &Wanted,
    service: &LoadBalancerService,
    difference: &Difference,
) -> Map<String, Value> {
    let mut launch_config = service.launch_config.clone();
    launch_config.insert("ports".to_owned(), json!(ports::merged(&wanted.normal.ports, &service.ports())));
    let stored = labels::stored(&service.launch_config);
    let keys: BTreeSet<_> = wanted.normal.labels.keys().map(String::as_str).collect();
    let mark = service.mark();
    let ours = labels::ours(&stored, mark.as_ref().map(|mark| &*mark.labels), &keys);
    let mut labels: Map<_, _> = match launch_config.remove("labels") {
        Some(Value::Object(labels)) => labels,
        _ => Map::new(),
    };
    labels.retain(|label, _| !ours.contains_key(label));
    labels.extend(wanted.normal.labels.iter().map(|(label, value)| (label.clone(), json!(value))));
    launch_config.insert("labels".to_owned(), Value::Object(labels));
    if let Some(image) =
        session.settings.image.as_ref().filter(|image| difference.upgrade && !is_image(service.image(), &image.0))
    {
        launch_config.insert("imageUuid".to_owned(), json!(image_uuid(&image.0)));
    }
    launch_config
}

/// Whether an upgrade that waits to be finished is the one that we began: the launch configuration is the one of the mark.
pub(crate) fn is_own_upgrade(service: &LoadBalancerService, mark: &Mark) -> bool {
    let has_image = mark.image.as_ref().is_none_or(|image| is_image(service.image(), image));
    mark.upgrade && has_image && Normal::marked(service, mark).digest() == mark.digest
}

/// Whether a stored image is the one that was asked for; the server may have put a registry before it.
fn is_image(stored: &str, wanted: &str) -> bool {
    let stored = stored.strip_prefix("docker:").unwrap_or(stored);
    stored == wanted || stored.strip_suffix(wanted).is_some_and(|registry| registry.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_behind_a_registry() {
        assert!(is_image("docker:rancher/lb:v1", "rancher/lb:v1"));
        assert!(is_image("docker:registry.example/rancher/lb:v1", "rancher/lb:v1"));
        assert!(!is_image("docker:myrancher/lb:v1", "rancher/lb:v1"));
        assert!(!is_image("docker:rancher/lb:v2", "rancher/lb:v1"));
        assert!(!is_image("", "rancher/lb:v1"));
    }

    #[test]
    fn weakness_14_nothing_is_written_where_it_is_stored_and_not_done() {
        for state in [
            "requested",
            "registering",
            "deactivating",
            "restarting",
            "removing",
            "removed",
            "upgraded",
            "canceled-upgrade",
            "error",
        ] {
            assert!(!reaches(writable(state), Writable::Balancing), "{state}");
        }
        for state in ["active", "inactive", "activating", "updating-active", "updating-inactive"] {
            assert!(reaches(writable(state), Writable::Put), "{state}");
        }
    }
}
