use lb_provider::{Backend, BackendProtocol};

use crate::conf::{Conf, code};

/// What a location includes to forward to this backend alone.
///
/// nginx makes a TLS context of its own for every location that finds its upstream by a variable, which costs a
/// millisecond and 64 KiB each. So the protocol is configuration, though the endpoints are not.
pub(crate) fn render(backend: &Backend) -> Vec<u8> {
    let mut conf = Conf::default();
    let (protocol, upstream) = match backend.protocol {
        BackendProtocol::Http => ("http", "http://http_endpoints"),
        BackendProtocol::Https => ("https", "https://https_endpoints"),
        _ => ("none", "http://http_endpoints"),
    };
    // So that the balancer sees when endpoints already speak another one.
    conf.directive("set", [code("$spoken"), code(protocol)]);
    conf.directive("proxy_pass", [code(upstream)]);
    conf.finish().expect("code can be written")
}
