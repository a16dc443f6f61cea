//! What the operator may set. The schema of the descriptor is made of these types and their comments.

mod values;

use lb_provider::{JsonSchema, Within, schemars};
use serde::{Deserialize, Serialize};

pub(crate) use values::{AbsolutePath, AccessLog, ListenAddress, ListenAddresses, SearchPath, User, WorkerProcesses};

/// Settings of the nginx provider.
//
// All have defaults, and a value that nginx could not use is an error that names the key.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[schemars(crate = "schemars")]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// The addresses that every listener binds to. An address of a family that the machine does not have is left out,
    /// with a warning.
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub(crate) listen_addresses: ListenAddresses,
    /// The account of nginx's workers. Without it they run as nginx was built to (`nobody`) where it is started by
    /// root, and as whoever started it elsewhere.
    #[schemars(with = "Option<String>")]
    pub(crate) user: Option<User>,
    /// Where nginx's dynamic modules are.
    #[schemars(with = "String")]
    pub(crate) modules_directory: AbsolutePath,
    /// Where lua-resty-core is, if Lua does not look there by itself, for example `/opt/lua/?.lua`.
    #[schemars(with = "Option<String>")]
    pub(crate) lua_package_path: Option<SearchPath>,
    /// A file, by its absolute path, that gets a JSON line for each request; or `off`.
    #[schemars(with = "String")]
    pub(crate) access_log: AccessLog,
    /// How many workers nginx has; `auto` is one for each processor.
    pub(crate) worker_processes: WorkerProcesses,
    /// Connections of one worker, to clients and endpoints together.
    pub(crate) worker_connections: Within<64, 1_000_000>,
    /// How long connections of the configuration before may go on after a reload.
    pub(crate) worker_shutdown_timeout_seconds: Within<1, 86_400>,
    /// How long an idle client connection is kept; 0 closes it after each answer.
    pub(crate) client_keepalive_seconds: Within<0, 86_400>,
    /// The largest request body where a route sets no limit of its own; 0 is no limit.
    pub(crate) body_limit_bytes: Within<0, { 1 << 50 }>,
    /// Idle connections to endpoints that one worker keeps.
    pub(crate) upstream_keepalive_connections: Within<1, 100_000>,
    /// How long an idle connection to an endpoint is kept.
    pub(crate) upstream_keepalive_seconds: Within<1, 86_400>,
    /// How long an endpoint may take to accept a connection, where a route does not say.
    pub(crate) connect_timeout_milliseconds: Within<1, 75_000>,
    /// The longest time between two reads or writes of an endpoint's connection, where a route does not say.
    pub(crate) idle_timeout_milliseconds: Within<1, 86_400_000>,
    /// How many endpoints are tried for a request, where a route does not say.
    pub(crate) tries: Within<1, 100>,
    /// When an idle connection of a `tcp` or `tls` listener is closed.
    pub(crate) tcp_idle_timeout_seconds: Within<1, 86_400>,
    /// When an idle session of a `udp` listener is forgotten.
    pub(crate) udp_idle_timeout_seconds: Within<1, 86_400>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen_addresses: ListenAddresses::everywhere(),
            user: None,
            modules_directory: AbsolutePath::debian_modules(),
            lua_package_path: None,
            access_log: AccessLog::Off,
            worker_processes: WorkerProcesses::Auto,
            worker_connections: Within::new(4096),
            worker_shutdown_timeout_seconds: Within::new(240),
            client_keepalive_seconds: Within::new(75),
            body_limit_bytes: Within::new(100 << 20),
            upstream_keepalive_connections: Within::new(320),
            upstream_keepalive_seconds: Within::new(60),
            connect_timeout_milliseconds: Within::new(5_000),
            idle_timeout_milliseconds: Within::new(60_000),
            tries: Within::new(3),
            tcp_idle_timeout_seconds: Within::new(600),
            udp_idle_timeout_seconds: Within::new(60),
        }
    }
}

#[cfg(test)]
mod tests;
