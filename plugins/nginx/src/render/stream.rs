//! Ports that are not HTTP.

use std::collections::BTreeSet;

use lb_provider::{HostMatch, Listener, Protocol, VirtualHost, WeightedBackend};

use super::{
    host::{check_host, describe},
    listener::{seconds, write_listens},
    route::shares,
    source,
};
use crate::{
    conf::{Conf, Unwritable, code, literal, template, variable},
    names::{STREAM_HOSTS, STREAM_LISTENERS, digest},
    plan::Plan,
    settings::{ListenAddress, Settings},
};

/// One port.
pub(super) fn write_listener(
    plan: &mut Plan,
    settings: &Settings,
    listener: &Listener,
    without: &BTreeSet<ListenAddress>,
) {
    let path = format!("{STREAM_LISTENERS}/{}.conf", digest(&listener.name));
    match render_listener(settings, listener, without) {
        Ok(conf) => plan.put(path, conf),
        Err(error) => {
            plan.remove(path);
            plan.rejections.push_all(&listener.sources, &format!("the listener cannot be configured: {error}"));
        }
    }
}

fn render_listener(
    settings: &Settings,
    listener: &Listener,
    without: &BTreeSet<ListenAddress>,
) -> Result<Vec<u8>, Unwritable> {
    let digest = digest(&listener.name);
    let is_udp = listener.protocol == Protocol::Udp;
    let is_tls = listener.protocol == Protocol::Tls;
    let idle = if is_udp { settings.udp_idle_timeout_seconds } else { settings.tcp_idle_timeout_seconds };
    let name = format!("targets_{digest}");
    let shares = shares(&listener.targets);
    let mut conf = Conf::default();
    conf.comment(format_args!("listener {}", listener.name.escape_debug()));
    source::write(&mut conf, &listener.sources);
    if is_tls {
        let hosts = format!("{STREAM_HOSTS}/{digest}-*.conf");
        conf.block("map", [code("$ssl_preread_server_name"), variable(&name)], |conf| {
            conf.directive("include", [literal(&hosts)]);
        });
    }
    conf.block("server", [], |conf| {
        let udp = is_udp.then(|| code("udp"));
        write_listens(conf, settings, listener, without, udp.as_slice());
        if is_tls {
            conf.directive("ssl_preread", [code("on")]);
            conf.directive("set", [code("$targets_map"), literal(&name)]);
        } else {
            conf.directive("set", [code("$targets"), template().text(&shares)]);
        }
        conf.directive("proxy_timeout", [seconds(idle)]);
        conf.directive("proxy_pass", [code("$peer")]);
    });
    conf.finish()
}

/// One name of a passthrough port: an entry of its map.
pub(super) fn write_host(plan: &mut Plan, path: String, virtual_host: &VirtualHost, targets: &[WeightedBackend]) {
    if let Err(reason) = check_host(&virtual_host.host) {
        // A passthrough host names no object; its listener does.
        let message = format!("the host {} cannot be served: {reason}", describe(&virtual_host.host));
        plan.complaints.push(message);
        return;
    }
    let shares = shares(targets);
    let mut conf = Conf::default();
    conf.comment(format_args!("virtual host {}", virtual_host.id.escape_debug()));
    let key = match &virtual_host.host {
        HostMatch::Any => None,
        // The backslash takes any meaning from names such as `default`.
        HostMatch::Exact(name) => Some(format!(r"\{name}")),
        HostMatch::Wildcard(suffix) => Some(format!(r"~*^[^.]+\.{}$", suffix.replace('.', r"\."))),
    };
    conf.entry(key.as_ref().map_or(code("default"), literal), template().text(&shares));
    match conf.finish() {
        Ok(conf) => plan.put(path, conf),
        Err(error) => {
            let message = format!("the host {} cannot be served: {error}", describe(&virtual_host.host));
            plan.complaints.push(message);
        }
    }
}
