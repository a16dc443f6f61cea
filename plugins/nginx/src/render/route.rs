//! What a location does with a request.

use std::net::IpAddr;

use lb_provider::{PathMatch, PathRewrite, Policy, Redirect, Retry, Route, RouteAction, Timeouts, WeightedBackend};

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
    check_policy(&route.policy)?;
    check_action(&route.action)?;
    write_source_ranges(conf, &route.policy)?;
    match &route.action {
        RouteAction::Respond(status) => write_status(conf, *status),
        RouteAction::Redirect(redirect) => write_redirect(conf, redirect, &route.path, length),
        RouteAction::Forward(backends) => {
            write_forward(conf, backends);
            write_limits(conf, &route.policy);
            if let Some(cookie) = &route.policy.cookie_affinity
                && let Err(reason) = affinity::write(conf, cookie)
            {
                rejections.push(&route.source, format!("{reason}; clients are spread without it"));
            }
            if matches!(&route.policy.timeouts, Some(Timeouts { request: Some(1..), .. })) {
                let message = "nginx cannot limit the time of a whole request, only of connecting and of pauses; the \
                               request timeout is left out";
                rejections.push(&route.source, message);
            }
        }
    }
    Ok(())
}

/// What the descriptor does not promise and what must not be ignored.
fn check_policy(policy: &Policy) -> Result<(), String> {
    let unsupported = [
        ("rewriting host or path", policy.rewrite.is_some()),
        ("changing request headers", policy.request_headers.is_some()),
        ("changing response headers", policy.response_headers.is_some()),
        ("CORS", policy.cors.is_some()),
        ("rate limits", policy.rate_limit.is_some()),
        ("authentication", policy.auth.is_some()),
        ("mirroring", policy.mirror.is_some()),
    ];
    match unsupported.iter().find(|(_, is_asked_for)| *is_asked_for) {
        Some((what, _)) => Err(format!("{what} is not supported by the nginx provider")),
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

fn write_limits(conf: &mut Conf, policy: &Policy) {
    if let Some(bytes) = policy.body_limit {
        // nginx counts in signed numbers.
        conf.directive("client_max_body_size", [number(bytes.min(1 << 62), "")]);
    }
    let milliseconds = |time: u64| number(if time == 0 { NO_TIMEOUT } else { time.min(NO_TIMEOUT) }, "ms");
    if let Some(Timeouts { connect, idle, request: _ }) = policy.timeouts {
        if let Some(connect) = connect {
            conf.directive("proxy_connect_timeout", [milliseconds(connect)]);
        }
        if let Some(idle) = idle {
            conf.directive("proxy_read_timeout", [milliseconds(idle)]);
            conf.directive("proxy_send_timeout", [milliseconds(idle)]);
        }
    }
    match policy.retry {
        None => {}
        Some(Retry { attempts: 0 | 1, .. }) => {
            conf.directive("proxy_next_upstream", [code("off")]);
        }
        Some(Retry { attempts, non_idempotent }) => {
            let others = non_idempotent.then(|| code("non_idempotent"));
            conf.directive("proxy_next_upstream", [code("error"), code("timeout")].into_iter().chain(others));
            conf.directive("proxy_next_upstream_tries", [number(attempts, "")]);
        }
    }
}

/// nginx takes the first rule that matches: who is denied, then who is allowed, then nobody.
fn write_source_ranges(conf: &mut Conf, policy: &Policy) -> Result<(), String> {
    let Some(ranges) = &policy.source_ranges else { return Ok(()) };
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
