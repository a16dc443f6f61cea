use lb_provider::{HostMatch, ObjectRef, Route, VirtualHost};

use super::{certificate, listener, location};
use crate::{
    conf::{Conf, literal},
    names::{digest, listener_digest},
    plan::Plan,
    rejections::Rejections,
};

/// A virtual host of an HTTP port.
pub(super) fn write(plan: &mut Plan, path: String, virtual_host: &VirtualHost, routes: &[&Route]) {
    let mut rejections = Rejections::default();
    let written = check_host(&virtual_host.host).and_then(|()| {
        let listener = listener_digest(&virtual_host.id);
        let certificate = match &virtual_host.certificate {
            Some(id) => certificate::conf_path(&digest(id)),
            None => listener::certificate_path(&listener),
        };
        let mut conf = Conf::default();
        conf.comment(format_args!("virtual host {}", virtual_host.id.escape_debug()));
        conf.block("server", [], |conf| {
            write_head(conf, &listener, &virtual_host.host, &certificate);
            location::write(conf, routes, &mut rejections);
        });
        conf.finish().map_err(|error| error.to_string())
    });
    match written {
        Ok(conf) => plan.put(path, conf),
        Err(reason) => {
            let message = format!("the host {} cannot be served: {reason}", describe(&virtual_host.host));
            rejections.push_all(sources(routes), &message);
        }
    }
    plan.rejections.extend(rejections);
}

/// The host for unknown names of a port that has no such virtual host.
pub(super) fn not_found(listener: &str) -> Vec<u8> {
    let mut conf = Conf::default();
    conf.comment("requests for hosts that nobody asked for");
    conf.block("server", [], |conf| {
        write_head(conf, listener, &HostMatch::Any, &listener::certificate_path(listener));
        location::write(conf, &[], &mut Rejections::default());
    });
    conf.finish().expect("digests can be written")
}

fn write_head(conf: &mut Conf, listener: &str, host: &HostMatch, certificate: &str) {
    let listen = match host {
        HostMatch::Any => listener::default_path(listener),
        _ => listener::listen_path(listener),
    };
    conf.directive("include", [literal(&listen)]);
    match host {
        // The default server; its name is empty, which is what a request without a host has.
        HostMatch::Any => {}
        HostMatch::Exact(name) => {
            conf.directive("server_name", [literal(name)]);
        }
        // nginx's own wildcards match any number of labels.
        HostMatch::Wildcard(suffix) => {
            let name = format!(r"~^[^.]+\.{}$", suffix.replace('.', r"\."));
            conf.directive("server_name", [literal(&name)]);
        }
    }
    conf.directive("include", [literal(certificate)]);
}

/// nginx gives a meaning of its own to names that begin with `~`, `*` or a dot.
pub(super) fn check_host(host: &HostMatch) -> Result<(), String> {
    let (HostMatch::Exact(name) | HostMatch::Wildcard(name)) = host else { return Ok(()) };
    let is_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_host);
    if name.len() <= 253 && name.split('.').all(is_label) {
        return Ok(());
    }
    Err("it is not a DNS name in lower case".to_owned())
}

pub(super) fn describe(host: &HostMatch) -> String {
    match host {
        HostMatch::Any => "`*`".to_owned(),
        HostMatch::Exact(name) => format!("`{}`", name.escape_debug()),
        HostMatch::Wildcard(suffix) => format!("`*.{}`", suffix.escape_debug()),
    }
}

fn sources<'a>(routes: &[&'a Route]) -> impl Iterator<Item = &'a ObjectRef> {
    routes.iter().map(|route| &route.source)
}
