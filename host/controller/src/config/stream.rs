//! The part `streams` of the configuration file.

use lb_model::{
    translate::{ServicePort, Stream},
    types::{HostMatch, Protocol},
};
use serde::Deserialize;

use super::{Usage, dns_name, namespaced_name};

/// A listener that forwards connections unopened.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StreamOptions {
    /// The port that is opened.
    port: u16,
    protocol: StreamProtocol,
    /// `namespace/name` of the Service.
    service: String,
    /// Number or name of the Service's port.
    service_port: ServicePortOptions,
    /// `tls` only: the SNI name, or `*.` and a suffix; absent for any.
    #[serde(default)]
    host: Option<String>,
    /// Clients send a PROXY protocol header.
    #[serde(default)]
    proxy_protocol: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StreamProtocol {
    Tcp,
    Udp,
    Tls,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum ServicePortOptions {
    Number(u16),
    Name(String),
}

impl StreamOptions {
    /// As translation takes it.
    pub(super) fn resolve(&self) -> anyhow::Result<Stream> {
        let protocol = match self.protocol {
            StreamProtocol::Tcp => Protocol::Tcp,
            StreamProtocol::Udp => Protocol::Udp,
            StreamProtocol::Tls => Protocol::Tls,
        };
        if self.port == 0 {
            return Err(Usage("port: must be between 1 and 65535".to_owned()).into());
        }
        if self.host.is_some() && self.protocol != StreamProtocol::Tls {
            return Err(Usage("host: only a `tls` stream is told apart by host; remove it".to_owned()).into());
        }
        let host = match self.host.as_deref() {
            None => None,
            Some(host) => Some(match host.strip_prefix("*.") {
                Some(suffix) => HostMatch::Wildcard(dns_name(suffix)?),
                None => HostMatch::Exact(dns_name(host)?),
            }),
        };
        Ok(Stream {
            port: self.port,
            protocol,
            host,
            service: namespaced_name("service", &self.service)?,
            service_port: match &self.service_port {
                ServicePortOptions::Number(number) => ServicePort::Number(*number),
                ServicePortOptions::Name(name) => ServicePort::Name(name.clone()),
            },
            proxy_protocol: self.proxy_protocol,
        })
    }
}
