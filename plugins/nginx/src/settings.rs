//! What the operator may set. `settings/schema.json` documents every key.

mod values;

use serde::Deserialize;

pub(crate) use values::{
    AbsolutePath, AccessLog, ListenAddress, ListenAddresses, SearchPath, User, Within, WorkerProcesses,
};

/// The settings. All have defaults, and a value that nginx could not use is an error that names the key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    pub(crate) listen_addresses: ListenAddresses,
    pub(crate) user: Option<User>,
    pub(crate) modules_directory: AbsolutePath,
    pub(crate) lua_package_path: Option<SearchPath>,
    pub(crate) access_log: AccessLog,
    pub(crate) worker_processes: WorkerProcesses,
    pub(crate) worker_connections: Within<64, 1_000_000>,
    pub(crate) worker_shutdown_timeout_seconds: Within<1, 86_400>,
    pub(crate) client_keepalive_seconds: Within<0, 86_400>,
    pub(crate) body_limit_bytes: Within<0, { 1 << 50 }>,
    pub(crate) upstream_keepalive_connections: Within<1, 100_000>,
    pub(crate) upstream_keepalive_seconds: Within<1, 86_400>,
    pub(crate) connect_timeout_milliseconds: Within<1, 75_000>,
    pub(crate) idle_timeout_milliseconds: Within<1, 86_400_000>,
    pub(crate) tries: Within<1, 100>,
    pub(crate) tcp_idle_timeout_seconds: Within<1, 86_400>,
    pub(crate) udp_idle_timeout_seconds: Within<1, 86_400>,
}

/// JSON Schema of the settings.
pub(crate) const SCHEMA: &str = include_str!("settings/schema.json");

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen_addresses: ListenAddresses::everywhere(),
            user: None,
            modules_directory: AbsolutePath::debian_modules(),
            lua_package_path: None,
            access_log: AccessLog::Off,
            worker_processes: WorkerProcesses::Auto,
            worker_connections: Within(4096),
            worker_shutdown_timeout_seconds: Within(240),
            client_keepalive_seconds: Within(75),
            body_limit_bytes: Within(100 << 20),
            upstream_keepalive_connections: Within(320),
            upstream_keepalive_seconds: Within(60),
            connect_timeout_milliseconds: Within(5_000),
            idle_timeout_milliseconds: Within(60_000),
            tries: Within(3),
            tcp_idle_timeout_seconds: Within(600),
            udp_idle_timeout_seconds: Within(60),
        }
    }
}

#[cfg(test)]
mod tests;
