//! What a location does with a request.

use std::net::IpAddr;

use lb_provider::{
    ObjectRef, PathMatch, PathRewrite, Policy, Redirect, Retry, Route, RouteAction, Timeouts, WeightedBackend,
};

use super::{affinity, source};
use crate::{
    conf::{Conf, code, literal, number, template},
    names::{backend_conf, digest},
    rejections::Rejections,
};

/// What stands for "no timeout": ten days.
const NO_TIMEOUT: u64 = 864_000_000;

/// The comment that names the route's object.
pub(super) fn write_source(conf: &mut Conf, route: &Route) {
    source::write(conf, [&route.source]);
}

/// The directives of a route. `length` is how many bytes of the path its prefix is.
///
/// A route that cannot be kept as it was asked for is closed: it answers 503 rather than let through what it should not.
pub(super) fn write(conf: &mut Conf, route: &Route, length: usize, rejections: &mut Rejections) {
    let mut body = conf.nested();
    let written = write_open(&mut body, route, length, rejections)
        .and_then(|()| conf.append(body).map_err(|error| error.to_string()));
    if let Err(reason) = written {
        rejections.push(&route.source, format!("{reason}; requests are answered 503"));
        write_status(conf, 503);
    }
}

fn write_open(conf: &mut Conf, route: &Route, length: usize, rejections: &mut Rejections) -> Result<(), String> {
    check_policies(&route.policies)?;
    check_action(&route.action)?;
    write_source_ranges(conf, &route.policies)?;
    match &route.action {
        RouteAction::Respond(status) => write_status(conf, *status),
        RouteAction::Redirect(redirect) => write_redirect(conf, redirect, &route.path, length),
        RouteAction::Forward(backends) => {
            write_forward(conf, backends);
            for policy in &route.policies {
                write_policy(conf, policy, &route.source, rejections);
            }
        }
    }
    Ok(())
}

/// What the descriptor does not promise and what must not be ignored.
fn check_policies(policies: &[Policy]) -> Result<(), String> {
    let unsupported = |policy: &Policy| match policy {
        Policy::Rewrite(_) => Some("rewriting host or path"),
        Policy::RequestHeaders(_) => Some("changing request headers"),
        Policy::ResponseHeaders(_) => Some("changing response headers"),
        Policy::Cors(_) => Some("CORS"),
        Policy::RateLimit(_) => Some("rate limits"),
        Policy::Auth(_) => Some("authentication"),
        Policy::Mirror(_) => Some("mirroring"),
        Policy::Timeouts(_)
        | Policy::BodyLimit(_)
        | Policy::SourceRanges(_)
        | Policy::CookieAffinity(_)
        | Policy::Retry(_) => None,
    };
    match policies.iter().find_map(unsupported) {
        Some(what) => Err(format!("{what} is not supported by the nginx provider")),
        None => Ok(()),
    }
}

fn check_action(action: &RouteAction) -> Result<(), String> {
    match action {
        RouteAction::Respond(status) if !(200..=599).contains(status) => {
            Err(format!("{status} is not a status that can be answered"))
        }
        RouteAction::Redirect(Redirect { status, .. }) if !matches!(status, 301 | 302 | 303 | 307 | 308) => {
            Err(format!("{status} is not a redirect"))
        }
        RouteAction::Redirect(Redirect { scheme: Some(scheme), .. }) if scheme != "http" && scheme != "https" => {
            Err(format!("`{}` is not a scheme to redirect to", scheme.escape_debug()))
        }
        _ => Ok(()),
    }
}

/// The answer is given in the content phase, after the rules about client addresses.
fn write_status(conf: &mut Conf, status: u16) {
    conf.directive("set", [code("$response_status"), number(status, "")]);
    conf.lua("content_by_lua_block", r#"require("response").status()"#);
}

fn write_forward(conf: &mut Conf, backends: &[WeightedBackend]) {
    let shares = shares(backends);
    conf.directive("set", [code("$backends"), template().text(&shares)]);
    let open: Vec<_> = backends.iter().filter(|backend| backend.weight > 0).collect();
    match open.as_slice() {
        [] => write_status(conf, 503),
        [only] => drop(conf.directive("include", [literal(&backend_conf(&only.backend))])),
        // Each of them may speak another protocol.
        _ => drop(conf.directive("proxy_pass", [code("$upstream")])),
    }
}

/// How the balancers are told of backends and their weights.
pub(super) fn shares(backends: &[WeightedBackend]) -> String {
    let open = backends.iter().filter(|backend| backend.weight > 0);
    let shares: Vec<_> = open.map(|backend| format!("{}={}", digest(&backend.backend), backend.weight)).collect();
    shares.join(" ")
}

fn write_redirect(conf: &mut Conf, redirect: &Redirect, path: &PathMatch, length: usize) {
    let mut target = match redirect.scheme.as_deref() {
        Some("https") => template().code("https://"),
        Some(_) => template().code("http://"),
        None => template().code("$scheme://"),
    };
    target = match &redirect.host {
        Some(host) => target.text(host),
        None => target.code("$host"),
    };
    let is_usual =
        matches!((redirect.scheme.as_deref(), redirect.port), (Some("https"), Some(443)) | (Some("http"), Some(80)));
    let port = redirect.port.filter(|_| !is_usual).map(|port| format!(":{port}")).unwrap_or_default();
    target = match (&redirect.scheme, redirect.port) {
        // Where the client said it.
        (None, None) => target.code("$client_port"),
        // A scheme without a port has its usual one.
        _ => target.text(&port),
    };
    let whole = matches!(path, PathMatch::Exact(_));
    match &redirect.path {
        None => target = target.code("$request_uri"),
        Some(PathRewrite::Full(path)) => target = target.text(path).code("$is_args$args"),
        Some(PathRewrite::Prefix(path)) if whole => target = target.text(path).code("$is_args$args"),
        Some(PathRewrite::Prefix(prefix)) => {
            let prefix = prefix.trim_end_matches('/');
            conf.directive("set", [code("$redirect_prefix"), template().text(prefix)]);
            conf.directive("set", [code("$redirect_prefix_length"), number(length as u64, "")]);
        }
    }
    conf.directive("set", [code("$redirect_to"), target]);
    conf.directive("set", [code("$redirect_status"), number(redirect.status, "")]);
    conf.lua("content_by_lua_block", r#"require("response").redirect()"#);
}

/// What a policy asks of requests that are forwarded.
fn write_policy(conf: &mut Conf, policy: &Policy, source: &ObjectRef, rejections: &mut Rejections) {
    match policy {
        Policy::BodyLimit(bytes) => {
            // nginx counts in signed numbers.
            conf.directive("client_max_body_size", [number((*bytes).min(1 << 62), "")]);
        }
        Policy::Timeouts(timeouts) => {
            write_timeouts(conf, timeouts);
            if matches!(timeouts.request, Some(1..)) {
                let message = "nginx cannot limit the time of a whole request, only of connecting and of pauses; the \
                               request timeout is left out";
                rejections.push(source, message);
            }
        }
        Policy::Retry(retry) => write_retry(conf, *retry),
        Policy::CookieAffinity(cookie) => {
            if let Err(reason) = affinity::write(conf, cookie) {
                rejections.push(source, format!("{reason}; clients are spread without it"));
            }
        }
        // Written for all actions, or refused.
        _ => {}
    }
}

fn write_timeouts(conf: &mut Conf, Timeouts { connect, idle, request: _ }: &Timeouts) {
    let milliseconds = |time: u64| number(if time == 0 { NO_TIMEOUT } else { time.min(NO_TIMEOUT) }, "ms");
    if let Some(connect) = *connect {
        conf.directive("proxy_connect_timeout", [milliseconds(connect)]);
    }
    if let Some(idle) = *idle {
        conf.directive("proxy_read_timeout", [milliseconds(idle)]);
        conf.directive("proxy_send_timeout", [milliseconds(idle)]);
    }
}

fn write_retry(conf: &mut Conf, retry: Retry) {
    match retry {
        Retry { attempts: 0 | 1, .. } => {
            conf.directive("proxy_next_upstream", [code("off")]);
        }
        Retry { attempts, non_idempotent } => {
            let others = non_idempotent.then(|| code("non_idempotent"));
            conf.directive("proxy_next_upstream", [code("error"), code("timeout")].into_iter().chain(others));
            conf.directive("proxy_next_upstream_tries", [number(attempts, "")]);
        }
    }
}

/// nginx takes the first rule that matches: who is denied, then who is allowed, then nobody.
fn write_source_ranges(conf: &mut Conf, policies: &[Policy]) -> Result<(), String> {
    let ranges = policies.iter().find_map(|policy| match policy {
        Policy::SourceRanges(ranges) => Some(ranges),
        _ => None,
    });
    let Some(ranges) = ranges else { return Ok(()) };
    let parse = |blocks: &[String]| blocks.iter().map(|block| address_block(block)).collect::<Result<Vec<_>, _>>();
    let (allow, deny) = (parse(&ranges.allow)?, parse(&ranges.deny)?);
    for block in &deny {
        conf.directive("deny", [literal(block)]);
    }
    for block in &allow {
        conf.directive("allow", [literal(block)]);
    }
    if !allow.is_empty() {
        conf.directive("deny", [code("all")]);
    }
    Ok(())
}

/// A CIDR block or a single address, in nginx's spelling.
fn address_block(text: &str) -> Result<String, String> {
    let invalid = || format!("`{}` is not a block of addresses such as 10.0.0.0/8", text.escape_debug());
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().map_err(|_| invalid())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Ok(most), str::parse::<u8>).map_err(|_| invalid())?;
    if length > most {
        return Err(invalid());
    }
    // Bits beyond the length are dropped: nginx would warn of them.
    Ok(match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(u32::from(32 - length)).unwrap_or(0);
            format!("{}/{length}", std::net::Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(u32::from(128 - length)).unwrap_or(0);
            format!("{}/{length}", std::net::Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    })
}
