use std::collections::BTreeSet;

use lb_provider::{Listener, Protocol};

use super::{certificate, source};
use crate::{
    conf::{Argument, Conf, code, literal, number, template},
    names::{HTTP_LISTENERS, digest},
    plan::Plan,
    settings::{ListenAddress, Settings},
};

/// What every server of a port includes. Hosts do not know their port, so a change of it changes none of their files.
pub(super) fn write(plan: &mut Plan, settings: &Settings, listener: &Listener, without: &BTreeSet<ListenAddress>) {
    let digest = digest(&listener.name);
    plan.put(listen_path(&digest), listen(settings, listener, without, false));
    plan.put(default_path(&digest), listen(settings, listener, without, true));
    plan.put(certificate_path(&digest), default_certificate(listener));
}

pub(super) fn listen_path(digest: &str) -> String {
    format!("{HTTP_LISTENERS}/{digest}.listen")
}

pub(super) fn default_path(digest: &str) -> String {
    format!("{HTTP_LISTENERS}/{digest}.default")
}

pub(super) fn certificate_path(digest: &str) -> String {
    format!("{HTTP_LISTENERS}/{digest}.certificate")
}

fn listen(settings: &Settings, listener: &Listener, without: &BTreeSet<ListenAddress>, is_default: bool) -> Vec<u8> {
    let mut flags = Vec::new();
    if is_default {
        flags.push(code("default_server"));
    }
    if listener.protocol == Protocol::Https {
        flags.extend([code("ssl"), code("http2")]);
    }
    let mut conf = Conf::default();
    conf.comment(format_args!("listener {}", listener.name.escape_debug()));
    source::write(&mut conf, &listener.sources);
    write_listens(&mut conf, settings, listener, without, &flags);
    if listener.proxy_protocol {
        conf.directive("real_ip_header", [code("proxy_protocol")]);
        // Whoever may connect may say who the client is: that is what the option means.
        conf.directive("set_real_ip_from", [code("0.0.0.0/0")]).directive("set_real_ip_from", [code("::/0")]);
    }
    if let Some(port) = listener.redirect_to_https {
        let port = if port == 443 { String::new() } else { format!(":{port}") };
        conf.directive("return", [code("308"), template().code("https://$host").text(&port).code("$request_uri")]);
    }
    conf.finish().expect("addresses and ports can be written")
}

/// One `listen` line for each address.
pub(super) fn write_listens(
    conf: &mut Conf,
    settings: &Settings,
    listener: &Listener,
    without: &BTreeSet<ListenAddress>,
    flags: &[Argument<'static>],
) {
    for address in settings.listen_addresses.iter().filter(|address| !without.contains(address)) {
        let socket = format!("{address}:{}", listener.port);
        let mut arguments = vec![literal(&socket)];
        arguments.extend_from_slice(flags);
        if listener.proxy_protocol {
            arguments.push(code("proxy_protocol"));
        }
        conf.directive("listen", arguments);
    }
}

/// What a host without a certificate of its own includes.
fn default_certificate(listener: &Listener) -> Vec<u8> {
    match (listener.protocol, &listener.default_certificate) {
        (Protocol::Https, Some(id)) => {
            let path = certificate::conf_path(&digest(id));
            let mut conf = Conf::default();
            conf.directive("include", [literal(&path)]);
            conf.finish().expect("digests can be written")
        }
        (Protocol::Https, None) => certificate::refuse_handshakes(),
        _ => Vec::new(),
    }
}

/// Seconds as nginx spells them.
pub(super) fn seconds(seconds: impl Into<u64>) -> Argument<'static> {
    number(seconds, "s")
}
