//! What a route does with a request besides forwarding it.

use std::collections::BTreeMap;

use lb_provider::{HeaderChanges, Policy, SourceRanges};

use super::route::respond;
use crate::{
    config::{Handler, HeaderOperations, Headers, Matcher, Pattern, RemoteIp, Route},
    settings::Settings,
    text::{Block, Expression, HeaderName, Template},
};

/// What the descriptor does not promise and what must not be ignored.
pub(super) fn unsupported(policy: &Policy) -> Option<&'static str> {
    match policy {
        Policy::Rewrite(_) => Some("rewriting of host or path"),
        Policy::Cors(_) => Some("CORS"),
        Policy::RateLimit(_) => Some("rate limits"),
        Policy::Auth(_) => Some("authentication"),
        Policy::Mirror(_) => Some("mirroring"),
        Policy::RequestHeaders(_)
        | Policy::ResponseHeaders(_)
        | Policy::Timeouts(_)
        | Policy::BodyLimit(_)
        | Policy::SourceRanges(_)
        | Policy::CookieAffinity(_)
        | Policy::Retry(_) => None,
    }
}

/// What the descriptor does not promise and what harms nobody if it is not there.
pub(super) fn left_out(policy: &Policy) -> Option<&'static str> {
    match policy {
        Policy::CookieAffinity(_) => {
            Some("the Caddy provider keeps no client at an endpoint by cookie; clients are spread without it")
        }
        Policy::Timeouts(_) => Some("the Caddy provider has no timeouts of single routes; those of its settings hold"),
        _ => None,
    }
}

/// Who is turned away.
pub(super) fn guards(policies: &[Policy]) -> Result<Vec<Handler>, String> {
    let Some(SourceRanges { allow, deny }) = policies.iter().find_map(|policy| match policy {
        Policy::SourceRanges(ranges) => Some(ranges),
        _ => None,
    }) else {
        return Ok(vec![]);
    };
    let within = |blocks: &[String]| -> Result<Matcher, String> {
        let ranges = blocks.iter().map(|block| Block::of(block)).collect::<Result<_, _>>()?;
        Ok(Matcher { remote_ip: Some(RemoteIp { ranges, forwarded: true }), ..Matcher::default() })
    };
    let mut forbidden = Vec::new();
    if !deny.is_empty() {
        forbidden.push(within(deny)?);
    }
    if !allow.is_empty() {
        forbidden.push(Matcher { none_of: Some(vec![within(allow)?]), ..Matcher::default() });
    }
    if forbidden.is_empty() {
        return Ok(vec![]);
    }
    let refuse = Route { matches: forbidden, handle: vec![respond(403)], terminal: true };
    Ok(vec![Handler::Subroute { routes: vec![refuse] }])
}

/// What is changed of requests and answers that are forwarded.
pub(super) fn changes(settings: &Settings, policies: &[Policy]) -> Result<Vec<Handler>, String> {
    let mut handlers = Vec::new();
    let limit = policies.iter().find_map(|policy| match policy {
        Policy::BodyLimit(bytes) => Some(*bytes),
        _ => None,
    });
    let limit = limit.unwrap_or(settings.body_limit_bytes.get());
    if limit > 0 {
        // Caddy counts in signed numbers.
        handlers.push(Handler::RequestBody { max_size: limit.min(1 << 62) });
    }
    for policy in policies {
        match policy {
            Policy::RequestHeaders(changes) => {
                let steps = operations(changes)?.into_iter();
                handlers.extend(
                    steps.map(|request| Headers { request: Some(request), response: None }).map(Handler::Headers),
                );
            }
            Policy::ResponseHeaders(changes) => {
                // The innermost handler sees the answer first.
                let steps = operations(changes)?.into_iter().rev();
                let deferred = steps.map(|response| HeaderOperations { deferred: true, ..response });
                handlers.extend(
                    deferred.map(|response| Headers { request: None, response: Some(response) }).map(Handler::Headers),
                );
            }
            _ => {}
        }
    }
    Ok(handlers)
}

/// Caddy would add before it sets, and set before it deletes; so each is a step of its own.
fn operations(changes: &HeaderChanges) -> Result<Vec<HeaderOperations>, String> {
    let values = |pairs: &[(String, String)]| -> Result<BTreeMap<HeaderName, Vec<Template>>, String> {
        let mut values: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, value) in pairs {
            if value.chars().any(char::is_control) {
                return Err(format!("the value of the header `{}` holds a control character", name.escape_debug()));
            }
            values.entry(HeaderName::of(name)?).or_default().push(Template::text(value));
        }
        Ok(values)
    };
    let delete: Vec<_> = changes.remove.iter().map(|name| HeaderName::of(name)).collect::<Result<_, _>>()?;
    let steps = [
        HeaderOperations { delete, ..HeaderOperations::default() },
        HeaderOperations { set: values(&changes.set)?, ..HeaderOperations::default() },
        HeaderOperations { add: values(&changes.add)?, ..HeaderOperations::default() },
    ];
    Ok(steps
        .into_iter()
        .filter(|step| !(step.delete.is_empty() && step.set.is_empty() && step.add.is_empty()))
        .collect())
}

/// Takes back that Caddy names itself; what an endpoint says of itself is kept.
pub(super) fn nameless() -> Handler {
    let response = HeaderOperations { delete: vec![HeaderName::new("Server")], ..HeaderOperations::default() };
    Handler::Headers(Headers { request: None, response: Some(response) })
}

/// What clients are told when something fails: a body that was too large is their own mistake, though Caddy says that the
/// endpoint failed.
pub(super) fn errors() -> Vec<Route> {
    let pattern = Expression::new("request body too large");
    let too_large = BTreeMap::from([("{http.error}", Pattern { pattern })]);
    let matches = vec![Matcher { vars_regexp: Some(too_large), ..Matcher::default() }];
    vec![Route { matches, handle: vec![respond(413)], terminal: true }]
}
