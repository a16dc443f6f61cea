//! Caddy's configuration, as far as it is used. Its JSON is written by serde alone.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::Serialize;

use crate::text::{Block, Expression, HeaderName, HostName, Method, Milliseconds, Template};

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Config {
    pub(crate) admin: Admin,
    pub(crate) storage: Storage,
    pub(crate) logging: Logging,
    pub(crate) apps: Apps,
}

/// Who may change it.
#[derive(Debug, Serialize)]
pub(crate) struct Admin {
    pub(crate) listen: String,
    pub(crate) enforce_origin: bool,
    pub(crate) origins: Vec<String>,
    pub(crate) config: AdminConfig,
}

#[derive(Debug, Serialize)]
pub(crate) struct AdminConfig {
    /// Whether Caddy keeps a copy of its own.
    pub(crate) persist: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Storage {
    pub(crate) module: &'static str,
    pub(crate) root: &'static str,
}

/// What Caddy says. This object also carries the name by which the whole configuration is recognised.
#[derive(Debug, Serialize)]
pub(crate) struct Logging {
    #[serde(rename = "@id")]
    pub(crate) id: String,
    pub(crate) logs: BTreeMap<&'static str, Log>,
}

/// Messages of some modules.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Log {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) level: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) include: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) exclude: &'static [&'static str],
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Apps {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http: Option<Http>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<Tls>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Http {
    /// A port on which there is never TLS.
    #[serde(rename = "http_port")]
    pub(crate) plain_port: u16,
    pub(crate) grace_period: Milliseconds,
    pub(crate) servers: BTreeMap<String, Server>,
}

/// One port.
#[derive(Debug, Serialize)]
pub(crate) struct Server {
    pub(crate) listen: Vec<String>,
    pub(crate) protocols: Vec<&'static str>,
    pub(crate) automatic_https: AutomaticHttps,
    pub(crate) routes: Vec<Route>,
    pub(crate) errors: Errors,
    /// With any of them, the port speaks TLS.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tls_connection_policies: Vec<ConnectionPolicy>,
}

#[derive(Debug, Serialize)]
pub(crate) struct AutomaticHttps {
    pub(crate) disable: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Errors {
    pub(crate) routes: Vec<Route>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Route {
    /// One of them must match; none matches everything.
    #[serde(rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub(crate) matches: Vec<Matcher>,
    pub(crate) handle: Vec<Handler>,
    /// Nothing comes after it.
    pub(crate) terminal: bool,
}

/// All that is there must match.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Matcher {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<Vec<HostName>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) method: Option<Vec<Method>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path_regexp: Option<Pattern>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remote_ip: Option<RemoteIp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vars_regexp: Option<BTreeMap<&'static str, Pattern>>,
    #[serde(rename = "not", skip_serializing_if = "Option::is_none")]
    pub(crate) none_of: Option<Vec<Matcher>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Pattern {
    pub(crate) pattern: Expression,
}

#[derive(Debug, Serialize)]
pub(crate) struct RemoteIp {
    pub(crate) ranges: Vec<Block>,
    /// Whether the client is the one that `X-Forwarded-For` names, which the edge has set.
    pub(crate) forwarded: bool,
}

#[derive(Debug, Serialize)]
#[serde(tag = "handler", rename_all = "snake_case")]
pub(crate) enum Handler {
    Subroute { routes: Vec<Route> },
    StaticResponse(StaticResponse),
    RequestBody { max_size: u64 },
    Headers(Headers),
    ReverseProxy(Box<ReverseProxy>),
}

#[derive(Debug, Serialize)]
pub(crate) struct StaticResponse {
    pub(crate) status_code: u16,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<HeaderName, Vec<Template>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<&'static str>,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Headers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<HeaderOperations>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response: Option<HeaderOperations>,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct HeaderOperations {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) delete: Vec<HeaderName>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) set: BTreeMap<HeaderName, Vec<Template>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) add: BTreeMap<HeaderName, Vec<Template>>,
    /// Of responses only: once the endpoint has answered.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deferred: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct ReverseProxy {
    pub(crate) upstreams: Vec<Upstream>,
    pub(crate) load_balancing: LoadBalancing,
    pub(crate) transport: Transport,
    pub(crate) headers: Headers,
}

#[derive(Debug, Serialize)]
pub(crate) struct Upstream {
    pub(crate) dial: Dial,
}

/// Where an endpoint is.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Dial {
    Address(SocketAddr),
    /// The router.
    Socket(String),
}

#[derive(Debug, Serialize)]
pub(crate) struct LoadBalancing {
    pub(crate) selection_policy: SelectionPolicy,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) try_duration: Option<Milliseconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) try_interval: Option<Milliseconds>,
    /// Which requests are sent again although an endpoint may have taken them: without any, GET.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) retry_match: Vec<Matcher>,
}

#[derive(Debug, Serialize)]
pub(crate) struct SelectionPolicy {
    pub(crate) policy: &'static str,
    /// The header that policy `header` goes by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<&'static str>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Transport {
    pub(crate) protocol: &'static str,
    pub(crate) dial_timeout: Milliseconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) read_timeout: Option<Milliseconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) write_timeout: Option<Milliseconds>,
    pub(crate) compression: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keep_alive: Option<KeepAlive>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<TransportTls>,
    pub(crate) versions: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
pub(crate) struct KeepAlive {
    pub(crate) enabled: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct TransportTls {
    pub(crate) insecure_skip_verify: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Tls {
    pub(crate) certificates: Certificates,
    pub(crate) disable_ocsp_stapling: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Certificates {
    pub(crate) load_files: Vec<CertificateFiles>,
}

#[derive(Debug, Serialize)]
pub(crate) struct CertificateFiles {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) tags: Vec<String>,
}

/// Which certificate is shown; the first that matches.
#[derive(Debug, Serialize)]
pub(crate) struct ConnectionPolicy {
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub(crate) matches: Option<Sni>,
    pub(crate) certificate_selection: CertificateSelection,
}

#[derive(Debug, Serialize)]
pub(crate) struct Sni {
    pub(crate) sni: Vec<HostName>,
}

#[derive(Debug, Serialize)]
pub(crate) struct CertificateSelection {
    pub(crate) any_tag: Vec<String>,
}
