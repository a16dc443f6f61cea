//! What Rancher has for one Ingress, read in one round. Every filter is checked again here: one that Rancher does not
//! know lets everything through, and MySQL compares without case.

use std::collections::{BTreeMap, BTreeSet};

use lb_provider::{
    Error,
    http::{Answer, RequestBuilder},
};

use crate::{
    Settings,
    api::{self, Session},
    certificates,
    model::{Certificate, KubernetesService, LoadBalancerService, Stack},
    name,
    plan::Plan,
    stack,
};

/// What there is.
pub(crate) struct Seen {
    pub(crate) incarnations: Incarnations,
    pub(crate) stack: Option<Stack>,
    /// What Rancher's ids of the wanted Services are, by UID.
    pub(crate) services: BTreeMap<String, String>,
    /// Those with the names of the wanted ones.
    pub(crate) certificates: Vec<Certificate>,
    /// The server's image, if the settings name none.
    pub(crate) image: Option<Result<Answer, lb_provider::http::Error>>,
}

/// The load balancers of one `<namespace>/<name>`.
#[derive(Default)]
pub(crate) struct Incarnations {
    /// Made or adopted by this controller, for whichever UID; those that leave among them.
    pub(crate) ours: Vec<LoadBalancerService>,
    /// Made by the original, and nobody's since.
    pub(crate) originals: Vec<LoadBalancerService>,
}

/// One round of reads for an apply.
pub(crate) fn look(session: &Session, load_balancer: &str, plan: &Plan) -> Result<Seen, Error> {
    let wanted = plan.services();
    let certificates = plan.certificates.values();
    let names: BTreeSet<_> = certificates.map(|each| certificates::name(&session.controller, plan, each)).collect();
    let with_image = session.settings.image.is_none();

    let mut requests = incarnation_requests(session, load_balancer);
    let of_incarnations = requests.len();
    requests.push(api::stacks_named(&session.settings.stack.0));
    requests.extend(with_image.then(api::image));
    let service_requests = few_or_all(&wanted, api::kubernetes_service, api::kubernetes_services);
    let of_services = service_requests.len();
    requests.extend(service_requests);
    let all_certificates = || api::certificates_named(&certificates::prefix(&session.controller));
    requests.extend(few_or_all(&names, api::certificate, all_certificates));

    let mut answers = session.client.send_all(requests).into_iter();
    let mut found = vec![];
    for answer in answers.by_ref().take(of_incarnations) {
        found.extend(session.list::<LoadBalancerService>(answer)?);
    }
    let incarnations = incarnations(session, load_balancer, found);
    let mut stacks = vec![];
    for answer in answers.by_ref().take(1) {
        stacks = session.list(answer)?;
    }
    let image = if with_image { answers.next() } else { None };
    let mut services = BTreeMap::new();
    for answer in answers.by_ref().take(of_services) {
        services.extend(usable(session.list(answer)?, &wanted));
    }
    let mut certificates = vec![];
    for answer in answers {
        let listed = session.list::<Certificate>(answer)?;
        certificates.extend(listed.into_iter().filter(|certificate| names.contains(&certificate.name)));
    }
    let stack = stack::choose(stacks, &session.settings.stack.0);
    Ok(Seen { incarnations, stack, services, certificates, image })
}

/// One round of reads for a removal.
pub(crate) fn look_for(session: &Session, load_balancer: &str) -> Result<Incarnations, Error> {
    let mut found = vec![];
    for answer in session.client.send_all(incarnation_requests(session, load_balancer)) {
        found.extend(session.list::<LoadBalancerService>(answer)?);
    }
    Ok(incarnations(session, load_balancer, found))
}

/// Rancher's ids of these Services, by UID: of those that are there to stay.
pub(crate) fn usable(services: Vec<KubernetesService>, wanted: &BTreeSet<&str>) -> BTreeMap<String, String> {
    services
        .into_iter()
        .filter(|service| wanted.contains(&*service.external_id) && !matches!(&*service.state, "removing" | "removed"))
        .map(|service| (service.external_id, service.id))
        .collect()
}

fn few_or_all<T: AsRef<str>>(
    wanted: &BTreeSet<T>,
    one: impl Fn(&str) -> RequestBuilder,
    all: impl Fn() -> RequestBuilder,
) -> Vec<RequestBuilder> {
    if wanted.len() <= api::MOST_LOOKUPS { wanted.iter().map(|name| one(name.as_ref())).collect() } else { vec![all()] }
}

fn incarnation_requests(session: &Session, load_balancer: &str) -> Vec<RequestBuilder> {
    let mut requests = vec![api::load_balancers_named(&name::prefix(&session.controller, load_balancer))];
    let parts = load_balancer.split_once('/');
    requests.extend(parts.map(|(namespace, name)| api::load_balancers_of_original(namespace, name)));
    requests
}

fn incarnations(session: &Session, load_balancer: &str, found: Vec<LoadBalancerService>) -> Incarnations {
    let controller = &*session.controller;
    let prefix = name::prefix(controller, load_balancer);
    let legacy = legacy_names(session.settings, load_balancer);
    let mut incarnations = Incarnations::default();
    let mut seen = BTreeSet::new();
    for service in found {
        if !seen.insert(service.id.clone()) {
            continue;
        }
        let mark = service.mark();
        let is_marked_so = mark.as_ref().is_none_or(|mark| mark.load_balancer == load_balancer);
        let made = service.made_for(controller).is_some() && has_prefix(&service.name, &prefix) && is_marked_so;
        let adopted = service.is_originals() && service.belongs_to(controller) && is_marked_so;
        if made || adopted {
            incarnations.ours.push(service);
        } else if mark.is_none() && service.is_originals() && is_one_of(&legacy, &service.name) {
            incarnations.originals.push(service);
        }
    }
    incarnations
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(prefix))
}

fn is_one_of(names: &[String], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The names that the original gave to the load balancer of an Ingress, the newer one first.
pub(crate) fn legacy_names(settings: &Settings, load_balancer: &str) -> Vec<String> {
    let Some((namespace, name)) = load_balancer.split_once('/') else { return vec![] };
    vec![format!("{namespace}-{}-{name}", settings.legacy_separator.0), format!("{namespace}-{name}")]
}

impl Incarnations {
    /// The UID that one of ours was made or adopted for.
    pub(crate) fn owner_uid(controller: &str, service: &LoadBalancerService) -> Option<String> {
        let adopted = || service.mark().map(|mark| mark.owner_uid);
        service.made_for(controller).map(str::to_owned).or_else(adopted)
    }

    /// The one of the original that may be adopted for an Ingress whose rules go to these services: in the right stack, and
    /// certainly of this Ingress.
    ///
    /// A name that can be split in more than one way may be of another Ingress. Then its rules decide: they all have to go
    /// to services that this Ingress wants as well.
    pub(crate) fn adoptable(
        &self,
        settings: &Settings,
        load_balancer: &str,
        stack: Option<&Stack>,
        services: &BTreeMap<String, String>,
    ) -> Option<&LoadBalancerService> {
        let stack = stack.filter(|_| settings.adopt)?;
        let separator = format!("-{}-", settings.legacy_separator.0);
        let legacy = legacy_names(settings, load_balancer);
        // In how many ways a name can be split: the newer ones at each separator, the older ones at each dash.
        legacy.iter().zip([&*separator, "-"]).find_map(|(name, at)| {
            let named = |service: &&LoadBalancerService| service.name.eq_ignore_ascii_case(name);
            let service = self.originals.iter().find(named)?;
            let splits =
                (0..name.len()).filter(|&start| name.get(start..).is_some_and(|rest| rest.starts_with(at))).count();
            let of_this = || {
                let mut targets =
                    service.lb_config.port_rules.iter().filter_map(|rule| rule.get("serviceId")?.as_str());
                let wanted: BTreeSet<_> = services.values().map(String::as_str).collect();
                !service.lb_config.port_rules.is_empty() && targets.all(|target| wanted.contains(target))
            };
            let fits = service.stack_id == stack.id && !service.is_leaving() && (splits <= 1 || of_this());
            fits.then_some(service)
        })
    }
}
