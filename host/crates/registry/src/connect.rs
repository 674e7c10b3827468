//! A connection to a server that proves its name, at an address that we may ask.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Host;

use crate::origin::Origin;
use crate::reach::{Reach, reach};
use crate::{Access, RegistryError};

/// How long an address may take to answer, and a handshake.
const PATIENCE: Duration = Duration::from_secs(10);

/// A stream to a server, protected or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Who may be asked, and how they have to prove themselves.
pub(crate) struct Connector {
    tls: TlsConnector,
    insecure: bool,
}

impl Connector {
    pub(crate) fn new(access: &Access) -> Result<Self, RegistryError> {
        let roots = authorities(access.root_certificates.as_deref())?;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| RegistryError::Authorities(error.to_string()))?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), insecure: access.insecure })
    }

    /// Connects, and says where the server is. `sent_by` is the registry that names the server, and where that
    /// is: it is not believed about anything deeper.
    pub(crate) async fn connect(
        &self,
        origin: &Origin,
        sent_by: Option<(&Origin, Reach)>,
    ) -> Result<(Box<dyn Stream>, Reach), RegistryError> {
        let unreachable = |reason: String| RegistryError::Unreachable { host: origin.to_string(), reason };
        let mut refused = None;
        for address in addresses(origin).await? {
            let Some(there) = self.admit(origin, address, sent_by) else {
                let sent_by = sent_by.map(|(registry, _)| registry.to_string());
                refused = Some(RegistryError::Address { host: origin.to_string(), sent_by });
                continue;
            };
            match timeout(PATIENCE, TcpStream::connect(address)).await {
                // The very address that was looked at: nothing is resolved again.
                Ok(Ok(stream)) => return Ok((self.secure(origin, stream).await?, there)),
                Ok(Err(error)) => refused = refused.or(Some(unreachable(error.to_string()))),
                Err(_) => refused = refused.or(Some(RegistryError::Timeout(origin.to_string()))),
            }
        }
        Err(refused.unwrap_or_else(|| unreachable("it has no address".to_owned())))
    }

    fn admit(
        &self,
        origin: &Origin,
        address: SocketAddr,
        sent_by: Option<(&Origin, Reach)>,
    ) -> Option<Reach> {
        let there = reach(address.ip())?;
        let deep_enough = sent_by.is_none_or(|(_, registry)| there <= registry);
        // A name for this machine that leads elsewhere would carry plain text there.
        let stays = origin.tls || self.insecure || there == Reach::Machine;
        (deep_enough && stays).then_some(there)
    }

    async fn secure(&self, origin: &Origin, stream: TcpStream) -> Result<Box<dyn Stream>, RegistryError> {
        if !origin.tls {
            return Ok(Box::new(stream));
        }
        let failed = |reason: String| RegistryError::Tls { host: origin.to_string(), reason };
        let name = match &origin.host {
            Host::Domain(name) => {
                ServerName::try_from(name.clone()).map_err(|error| failed(error.to_string()))?
            }
            Host::Ipv4(address) => ServerName::from(std::net::IpAddr::V4(*address)),
            Host::Ipv6(address) => ServerName::from(std::net::IpAddr::V6(*address)),
        };
        match timeout(PATIENCE, self.tls.connect(name, stream)).await {
            Ok(Ok(secured)) => Ok(Box::new(secured)),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(RegistryError::Timeout(origin.to_string())),
        }
    }
}

async fn addresses(origin: &Origin) -> Result<Vec<SocketAddr>, RegistryError> {
    let port = origin.port;
    Ok(match &origin.host {
        Host::Ipv4(address) => vec![SocketAddr::from((*address, port))],
        Host::Ipv6(address) => vec![SocketAddr::from((*address, port))],
        Host::Domain(name) => {
            let unreachable =
                |reason: String| RegistryError::Unreachable { host: origin.to_string(), reason };
            let found = timeout(PATIENCE, tokio::net::lookup_host((name.as_str(), port))).await;
            let found = found.map_err(|_| RegistryError::Timeout(origin.to_string()))?;
            found.map_err(|error| unreachable(error.to_string()))?.collect()
        }
    })
}

/// The authorities of a PEM file, or of this machine.
fn authorities(file: Option<&Path>) -> Result<RootCertStore, RegistryError> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        // A machine without authorities still reaches registries on itself.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let refused = |why: String| RegistryError::Authorities(format!("`{}` {why}", file.display()));
    let found = rustls_native_certs::load_certs_from_paths(Some(file), None);
    if let Some(error) = found.errors.first() {
        return Err(refused(format!("cannot be read: {error}")));
    }
    for certificate in found.certs {
        roots.add(certificate).map_err(|error| refused(format!("holds no usable certificate: {error}")))?;
    }
    if roots.is_empty() { Err(refused("holds no certificate in PEM form".to_owned())) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s4x_10_nobody_is_sent_deeper_into_a_network_than_the_registry_is() {
        let connector = Connector::new(&Access::default()).unwrap();
        let origin = |tls| Origin { tls, host: Host::Domain("x.example".to_owned()), port: 443 };
        let registry = origin(true);
        let admits = |tls, address: &str, registry_is: Option<Reach>| {
            let address = SocketAddr::new(address.parse().unwrap(), 443);
            connector.admit(&origin(tls), address, registry_is.map(|reach| (&registry, reach))).is_some()
        };
        let (public, private, own, metadata) = ("8.8.8.8", "10.0.0.1", "127.0.0.1", "169.254.169.254");
        for address in [public, private, own] {
            assert!(admits(true, address, None), "an operator may name a registry anywhere: {address}");
            assert!(admits(true, address, Some(Reach::Machine)), "{address}");
        }
        assert!(admits(true, public, Some(Reach::Public)));
        assert!(!admits(true, private, Some(Reach::Public)));
        assert!(!admits(true, own, Some(Reach::Public)));
        assert!(admits(true, private, Some(Reach::Private)));
        assert!(!admits(true, own, Some(Reach::Private)));
        for from in [None, Some(Reach::Public), Some(Reach::Machine)] {
            assert!(!admits(true, metadata, from));
        }
        // `localhost` that leads elsewhere.
        assert!(admits(false, own, None));
        assert!(!admits(false, public, None) && !admits(false, private, None));
    }
}
