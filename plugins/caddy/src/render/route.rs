use std::collections::BTreeMap;

use lb_provider::{Backend, Listener, Policy, Route as Wanted, RouteAction, WeightedBackend};

use super::{Scope, path, policies, proxy};
use crate::{
    config::{Handler, Matcher, Pattern, Route, StaticResponse},
    rejections::Rejections,
    text::Method,
};

/// One rule of a host; nothing if it cannot even be matched.
///
/// A route that cannot be kept as it was asked for is closed: it answers 503 rather than let through what it should not.
pub(super) fn write(scope: &Scope, listener: &Listener, route: &Wanted, rejections: &mut Rejections) -> Option<Route> {
    let matches = match matcher(route) {
        Ok(matches) => matches,
        Err(reason) => {
            rejections.push(&route.source, format!("{reason}; the rule is left out"));
            return None;
        }
    };
    let handle = handlers(scope, listener, route, rejections).unwrap_or_else(|reason| {
        rejections.push(&route.source, format!("{reason}; requests are answered 503"));
        vec![respond(503)]
    });
    Some(Route { matches, handle, terminal: true })
}

/// An answer without an endpoint.
pub(super) fn respond(status: u16) -> Handler {
    let body = match status {
        403 => Some("403 forbidden\n"),
        404 => Some("404 page not found\n"),
        503 => Some("503 service unavailable\n"),
        _ => None,
    };
    Handler::StaticResponse(StaticResponse { status_code: status, headers: BTreeMap::new(), body })
}

fn matcher(route: &Wanted) -> Result<Vec<Matcher>, String> {
    if !route.headers.is_empty() || !route.query_parameters.is_empty() {
        return Err("the Caddy provider does not choose routes by header or query".to_owned());
    }
    let method = route.method.as_deref().map(Method::of).transpose()?;
    let path = path::expression(&route.path)?;
    if method.is_none() && path.is_none() {
        return Ok(vec![]);
    }
    let matcher = Matcher {
        method: method.map(|method| vec![method]),
        path_regexp: path.map(|pattern| Pattern { pattern }),
        ..Matcher::default()
    };
    Ok(vec![matcher])
}

fn handlers(
    scope: &Scope,
    listener: &Listener,
    route: &Wanted,
    rejections: &mut Rejections,
) -> Result<Vec<Handler>, String> {
    if let Some(unsupported) = route.policies.iter().find_map(policies::unsupported) {
        return Err(format!("the Caddy provider does not do {unsupported}"));
    }
    for policy in &route.policies {
        if let Some(missing) = policies::left_out(policy) {
            rejections.push(&route.source, missing);
        }
    }
    let mut handlers = policies::guards(&route.policies)?;
    match &route.action {
        RouteAction::Respond(status) => handlers.push(status_answer(*status)?),
        RouteAction::Redirect(_) => return Err("the Caddy provider does no redirects of single routes".to_owned()),
        RouteAction::Forward(targets) => {
            handlers.extend(policies::changes(scope.settings, &route.policies)?);
            handlers.push(forward(scope, listener, targets, &route.policies)?);
        }
    }
    Ok(handlers)
}

fn status_answer(status: u16) -> Result<Handler, String> {
    if (200..=599).contains(&status) { Ok(respond(status)) } else { Err(format!("{status} is no status of an answer")) }
}

fn forward(
    scope: &Scope,
    listener: &Listener,
    targets: &[WeightedBackend],
    policies: &[Policy],
) -> Result<Handler, String> {
    let mut used = targets.iter().filter(|target| target.weight > 0);
    let (Some(target), None) = (used.next(), used.next()) else {
        return match targets.iter().filter(|target| target.weight > 0).count() {
            0 => Ok(respond(503)),
            _ => Err("the Caddy provider does not spread over several backends".to_owned()),
        };
    };
    let backend: &Backend =
        scope.backends.get(target.backend.as_str()).ok_or_else(|| "its backend is not known".to_owned())?;
    proxy::write(scope.settings, listener, backend, policies)
}
