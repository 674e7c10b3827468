//! What is safe by default and takes the operator's word.

use serde::{Deserialize, Serialize};

/// The ways to servers. `--insecure-transport` and `APPLET_INSECURE_TRANSPORT` override it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityConfig {
    /// Take a way to another machine that is not encrypted, or whose far end proves nothing, if a URL asks
    /// for one.
    pub insecure_transport: bool,
}
