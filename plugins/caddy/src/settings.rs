//! What the operator may set. The schema of the descriptor is made of these types and their comments.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use lb_provider::{JsonSchema, Within, schemars};
use serde::{Deserialize, Serialize};

use crate::names::Tier;

/// Settings of the Caddy provider.
//
// All have defaults, and a value that Caddy could not use is an error that names the key.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[schemars(crate = "schemars")]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// The loopback address and port of the edge's admin endpoint; the `base-url` of the HTTP grant `edge` names the same.
    #[schemars(with = "String")]
    pub(crate) edge_admin_address: AdminAddress,
    /// The loopback address and port of the router's admin endpoint; the `base-url` of the HTTP grant `router` names the
    /// same.
    #[schemars(with = "String")]
    pub(crate) router_admin_address: AdminAddress,
    /// The addresses that every listener binds to; none stands for all that the machine has.
    pub(crate) listen_addresses: Vec<IpAddr>,
    /// How long requests in flight may go on after a change, or after Caddy was told to end.
    pub(crate) grace_period_seconds: Within<1, 86_400>,
    /// How long an endpoint may take to accept a connection.
    pub(crate) connect_timeout_milliseconds: Within<1, 86_400_000>,
    /// The longest time between two reads or writes of an endpoint's connection.
    pub(crate) idle_timeout_milliseconds: Within<1, 86_400_000>,
    /// The largest request body where a route sets no limit of its own; 0 is no limit.
    pub(crate) body_limit_bytes: Within<0, { 1 << 50 }>,
    /// How often endpoints are tried for a request, where a route does not say.
    pub(crate) tries: Within<1, 100>,
}

impl Settings {
    /// Where a Caddy takes orders.
    pub(crate) fn admin_address(&self, tier: Tier) -> SocketAddr {
        match tier {
            Tier::Edge => self.edge_admin_address.0,
            Tier::Router => self.router_admin_address.0,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            edge_admin_address: AdminAddress(SocketAddr::from((Ipv4Addr::LOCALHOST, 2119))),
            router_admin_address: AdminAddress(SocketAddr::from((Ipv4Addr::LOCALHOST, 2120))),
            listen_addresses: vec![],
            grace_period_seconds: Within::new(240),
            connect_timeout_milliseconds: Within::new(5_000),
            idle_timeout_milliseconds: Within::new(60_000),
            body_limit_bytes: Within::new(100 << 20),
            tries: Within::new(4),
        }
    }
}

/// Where Caddy takes orders: an address of this machine alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub(crate) struct AdminAddress(pub(crate) SocketAddr);

impl TryFrom<String> for AdminAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let shown = text.escape_debug();
        let address: SocketAddr =
            text.parse().map_err(|_| format!("`{shown}` is not an address with a port, for example 127.0.0.1:2119"))?;
        if !address.ip().is_loopback() || address.port() == 0 {
            return Err(format!("`{shown}` is not a port of the loopback address: who reaches it rules Caddy"));
        }
        Ok(Self(address))
    }
}

#[cfg(test)]
mod tests;
