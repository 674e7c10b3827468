//! Servers, as URLs name them.

use std::fmt;

use applet_types::is_loopback;
use url::{Host, Url};

use crate::{Access, RegistryError};

/// A scheme, a host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) tls: bool,
    pub(crate) host: Host<String>,
    pub(crate) port: u16,
}

impl Origin {
    /// The server of a URL.
    pub(crate) fn of(url: &Url, access: &Access) -> Result<Self, RegistryError> {
        let told = || url.host_str().unwrap_or_default().to_owned();
        let malformed = |reason| RegistryError::Malformed { host: told(), reason };
        let tls = match url.scheme() {
            "https" => true,
            // Plain text on this machine stays on this machine.
            "http" if access.insecure || url.host_str().is_some_and(is_loopback) => false,
            "http" => return Err(RegistryError::Insecure(told())),
            _ => return Err(malformed("a place that is not reached by HTTP")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(malformed("a place with a user's name in it"));
        }
        let host = url.host().ok_or_else(|| malformed("a place without a host"))?.to_owned();
        let port = url.port_or_known_default().ok_or_else(|| malformed("a place without a port"))?;
        Ok(Self { tls, host, port })
    }

    /// The beginning of a registry's URLs: plain text on this machine, or wherever the operator wants it; TLS
    /// everywhere else.
    pub(crate) fn base(registry: &str, access: &Access) -> Result<Url, RegistryError> {
        let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
        // An IPv6 address has colons of its own.
        let host = if registry.ends_with(']') { registry } else { host };
        let plain = access.root_certificates.is_none() && (access.insecure || is_loopback(host));
        let scheme = if plain { "http" } else { "https" };
        Url::parse(&format!("{scheme}://{registry}/")).map_err(|_| RegistryError::Malformed {
            host: registry.to_owned(),
            reason: "a name that is no server's",
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
