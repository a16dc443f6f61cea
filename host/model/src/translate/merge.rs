//! One host of one listener, from all the Ingresses that have it.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    backend::BackendKey,
    fragment::{Fragment, FragmentRoute, Origin},
    host::Host,
    notice::{Notice, Report, quote},
    path,
    service::Target,
    tls::{Choice, Held},
};
use crate::{
    cluster::NamespacedName,
    types::{HostService, Policy, Route, RouteAction, VirtualHost, WeightedBackend},
};

/// What an Ingress that lost is told.
pub(super) type Conflict = (Arc<NamespacedName>, Notice);

/// A virtual host, and what it uses.
pub(super) struct Merged {
    pub(super) record: VirtualHost,
    /// One for each time that a route forwards.
    pub(super) backends: Vec<BackendKey>,
    pub(super) certificate: Option<Arc<Held>>,
    pub(super) conflicts: Vec<Conflict>,
}

/// The virtual host of a listener, from the fragments that have the host, the oldest first. `None`: nobody serves it,
/// or over TLS nobody gives a certificate.
pub(super) fn virtual_host(listener: &str, secure: bool, host: &Host, fragments: &[&Fragment]) -> Option<Merged> {
    if fragments.is_empty() {
        return None;
    }
    let mut told = Told::default();
    let certificate = if secure { choose_certificate(host, fragments, &mut told)?.held.clone() } else { None };
    let mut candidates: Vec<_> = fragments
        .iter()
        .filter_map(|fragment| Some((*fragment, fragment.routes(host)?)))
        .flat_map(|(fragment, routes)| routes.iter().map(move |route| (fragment, route)))
        .collect();
    // Stable: among equal paths rules come before default backends, then the older Ingress, then the first in it.
    candidates.sort_by_cached_key(|(_, route)| (path::order(&route.path), is_fallback(route)));
    let (mut routes, mut backends) = (Vec::new(), Vec::new());
    for same in candidates.chunk_by(|(_, left), (_, right)| left.path == right.path) {
        let ((owner, first), losers) = same.split_first().expect("chunk_by yields no empty chunk");
        for (loser, route) in losers {
            told.lost(host, (owner, first), (loser, route));
        }
        if let Target::Backend(key) = &first.target {
            backends.push(key.clone());
        }
        routes.push(build(owner, first));
    }
    // Most hosts have one route, and a vector of records this large starts with room for four.
    routes.shrink_to_fit();
    let record = VirtualHost {
        id: format!("{listener}/{host}"),
        listener: listener.to_owned(),
        host: host.matcher(),
        certificate: certificate.as_ref().map(|held| held.certificate.id.clone()),
        service: HostService::Routes(routes),
    };
    Some(Merged { record, backends, certificate, conflicts: told.finish() })
}

/// The certificate of the oldest Ingress that gives one.
fn choose_certificate<'a>(host: &Host, fragments: &[&'a Fragment], told: &mut Told) -> Option<&'a Choice> {
    let mut choices = fragments.iter().filter_map(|fragment| Some((fragment, fragment.certificate(host)?)));
    let (owner, chosen) = choices.next()?;
    for (fragment, other) in choices.filter(|(_, other)| other.id() != chosen.id()) {
        let winner = owner.rank.before(&fragment.rank);
        let message = format!("the host {host} is already served with another certificate, by {winner}");
        told.report(fragment).conflict(other.field(), message);
    }
    Some(chosen)
}

fn build(fragment: &Fragment, route: &FragmentRoute) -> Route {
    let (action, affinity) = match &route.target {
        Target::Backend(key) => {
            let backend = WeightedBackend { backend: key.to_string(), weight: 1 };
            (RouteAction::Forward(vec![backend]), fragment.affinity.as_deref().cloned())
        }
        Target::Unavailable => (RouteAction::Respond(503), None),
    };
    Route {
        path: route.path.clone(),
        method: None,
        headers: Vec::new(),
        query_parameters: Vec::new(),
        action,
        policies: affinity.map(Policy::CookieAffinity).into_iter().collect(),
        source: fragment.object(),
    }
}

/// Whether a route is there for what the rules leave.
fn is_fallback(route: &FragmentRoute) -> bool {
    route.origin == Origin::DefaultBackend
}

/// The backends that a virtual host forwards to, as often as it does.
pub(super) fn forwards(host: &VirtualHost) -> impl Iterator<Item = &str> {
    let (routes, passthrough) = match &host.service {
        HostService::Routes(routes) => (routes.as_slice(), [].as_slice()),
        HostService::Passthrough(targets) => ([].as_slice(), targets.as_slice()),
    };
    let routes = routes.iter().flat_map(|route| match &route.action {
        RouteAction::Forward(targets) => targets.as_slice(),
        RouteAction::Respond(_) | RouteAction::Redirect(_) => &[],
    });
    routes.chain(passthrough).map(|target| target.backend.as_str())
}

/// Gathers what losers are told.
#[derive(Default)]
struct Told(BTreeMap<Arc<NamespacedName>, Report>);

impl Told {
    fn report(&mut self, fragment: &Fragment) -> &mut Report {
        self.0.entry(fragment.rank.name.clone()).or_insert_with(|| Report::new(fragment.object()))
    }

    fn lost(&mut self, host: &Host, winner: (&Fragment, &FragmentRoute), loser: (&Fragment, &FragmentRoute)) {
        let same_ingress = winner.0.rank == loser.0.rank;
        // A default backend is there for what the rules leave; that a rule of a host leaves nothing is no conflict. Only
        // on the host `*` may it be all that the Ingress has.
        if is_fallback(loser.1) && !is_fallback(winner.1) && (same_ingress || !host.is_any()) {
            return;
        }
        let (kind, text) = path::describe(&loser.1.path);
        let place = match (host.is_any(), is_fallback(loser.1)) {
            (true, true) => String::from("the default of requests that no host matches"),
            (false, true) => format!("the default of the host {host}"),
            (true, false) => format!("the path {} ({kind}) of requests that no host matches", quote(text)),
            (false, false) => format!("the path {} ({kind}) of the host {host}", quote(text)),
        };
        let message = if same_ingress {
            format!("{place} is given more than once; {} is used", winner.1.origin.field())
        } else {
            let same_kind = is_fallback(winner.1) == is_fallback(loser.1);
            let rule = || format!("a rule of the Ingress {}", winner.0.rank.name);
            let winner = if same_kind { winner.0.rank.before(&loser.0.rank) } else { rule() };
            format!("{place} is already served by {winner}")
        };
        self.report(loser.0).conflict(loser.1.origin.field(), message);
    }

    fn finish(self) -> Vec<Conflict> {
        let notices = |(name, report): (Arc<NamespacedName>, Report)| {
            report.into_notices().into_iter().map(move |notice| (name.clone(), notice))
        };
        self.0.into_iter().flat_map(notices).collect()
    }
}
