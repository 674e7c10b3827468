//! `applet serve`.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Listening. `--listen` and `APPLET_LISTEN`, `--allow-unpatched` and `APPLET_ALLOW_UNPATCHED` override it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Serve even on a PostgreSQL with known security holes.
    pub allow_unpatched: bool,
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), allow_unpatched: false }
    }
}
