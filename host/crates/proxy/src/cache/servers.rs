//! Where Redis is, and how the way there is protected.
//!
//! *Invariants:* plain text leaves this machine only if the operator insists; TLS always checks the server's
//! name. A URL may carry a password: it is in no error and no `Debug`.

use std::error::Error as _;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use applet_types::{Secret, is_loopback};
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError,
    RedisResult, TlsCertificates,
};

use crate::wire::{Transport, TransportError};

/// How long opening a connection may take.
pub(super) const CONNECT: Duration = Duration::from_secs(1);

/// One server, or some nodes of a cluster.
#[derive(Debug, Clone)]
pub struct RedisServers {
    urls: Vec<Secret>,
    transports: Vec<Transport>,
    /// PEM of the authorities to go by; this machine's without.
    authorities: Option<Vec<u8>>,
}

/// Why Redis cannot be reached by what was configured.
#[derive(Debug, thiserror::Error)]
pub enum InvalidRedisUrl {
    /// It is no URL of a Redis.
    #[error(
        "`{0}` is not the URL of a Redis: write `rediss://host:port`, `redis+unix:///path`, `redis://localhost`, or several of a cluster with commas"
    )]
    Unreadable(String),
    /// It would send everything in plain text to another machine.
    #[error("the way to the Redis at `{0}` is not encrypted")]
    Insecure(String),
    /// It asks for TLS that trusts everybody.
    #[error("`#insecure` trusts whoever answers: name the authority's certificate instead")]
    TrustsAnybody,
    /// The file of authorities is of no use.
    #[error("the authorities of Redis: `{file}` {why}")]
    Authorities {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
}

/// One node or the cluster.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl RedisServers {
    /// The URLs of one server or of some nodes of a cluster, separated by commas; `authorities` is a PEM
    /// file for `rediss://`. Plain text to another machine takes `insecure`.
    ///
    /// # Errors
    ///
    /// See [`InvalidRedisUrl`].
    pub fn parse(text: &str, authorities: Option<&Path>, insecure: bool) -> Result<Self, InvalidRedisUrl> {
        let urls: Vec<&str> = text.split(',').map(str::trim).filter(|url| !url.is_empty()).collect();
        if urls.is_empty() {
            return Err(InvalidRedisUrl::Unreadable(hidden(text)));
        }
        let transports: Vec<Transport> = urls.iter().map(|url| way(url)).collect::<Result<_, _>>()?;
        for transport in &transports {
            if let Transport::Plain { server, loopback: false } = transport
                && !insecure
            {
                return Err(InvalidRedisUrl::Insecure(server.clone()));
            }
        }
        let authorities = authorities.map(read).transpose()?;
        Ok(Self { urls: urls.into_iter().map(Secret::new).collect(), transports, authorities })
    }

    /// How the way to each is protected.
    pub fn transports(&self) -> &[Transport] {
        &self.transports
    }

    /// The version of the first.
    ///
    /// # Errors
    ///
    /// When it does not answer: why, for the operator.
    pub async fn version(&self) -> Result<String, String> {
        let asked = async {
            let mut connection = self.single().await?;
            redis::cmd("INFO").arg("server").query_async::<String>(&mut connection).await
        };
        let info = asked.await.map_err(|error| why(&error))?;
        let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
        version
            .map(|version| version.trim().to_owned())
            .ok_or_else(|| "it does not tell its version".to_owned())
    }

    pub(super) async fn connect(&self) -> RedisResult<Connection> {
        if self.urls.len() > 1 {
            return self.cluster().await;
        }
        let mut connection = self.single().await?;
        let info: String = redis::cmd("INFO").arg("cluster").query_async(&mut connection).await?;
        if info.contains("cluster_enabled:1") {
            self.cluster().await
        } else {
            Ok(Connection::Single(connection))
        }
    }

    async fn single(&self) -> RedisResult<MultiplexedConnection> {
        let url = self.urls.first().map(Secret::reveal).unwrap_or_default();
        let client = match self.certificates() {
            Some(certificates) => Client::build_with_tls(url, certificates)?,
            None => Client::open(url)?,
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(CONNECT));
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    async fn cluster(&self) -> RedisResult<Connection> {
        let mut builder = ClusterClientBuilder::new(self.urls.iter().map(Secret::reveal))
            .retries(2)
            .connection_timeout(CONNECT)
            .response_timeout(CONNECT);
        if let Some(certificates) = self.certificates() {
            builder = builder.certs(certificates);
        }
        Ok(Connection::Cluster(builder.build()?.get_async_connection().await?))
    }

    /// What TLS goes by besides this machine's authorities; nothing where there is no TLS.
    fn certificates(&self) -> Option<TlsCertificates> {
        let is_tls = self.transports.iter().any(|way| matches!(way, Transport::Tls { .. }));
        let root_cert = self.authorities.clone().filter(|_| is_tls)?;
        Some(TlsCertificates { client_tls: None, root_cert: Some(root_cert) })
    }
}

/// All that can be said of a URL that may hold a password.
fn hidden(url: &str) -> String {
    url.split_once("://").map_or_else(|| "…".to_owned(), |(scheme, _)| format!("{scheme}://…"))
}

fn way(url: &str) -> Result<Transport, InvalidRedisUrl> {
    let unreadable = || InvalidRedisUrl::Unreadable(hidden(url));
    let info: ConnectionInfo = url.into_connection_info().map_err(|_| unreadable())?;
    match info.addr() {
        ConnectionAddr::Unix(_) => Ok(Transport::Socket),
        ConnectionAddr::Tcp(host, port) => {
            Ok(Transport::Plain { server: format!("{host}:{port}"), loopback: is_loopback(host) })
        }
        ConnectionAddr::TcpTls { insecure: true, .. } => Err(InvalidRedisUrl::TrustsAnybody),
        ConnectionAddr::TcpTls { host, port, .. } => {
            Ok(Transport::Tls { server: format!("{host}:{port}"), version: "TLS".to_owned(), proved: "name" })
        }
        _ => Err(unreadable()),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, InvalidRedisUrl> {
    let refused = |why: String| InvalidRedisUrl::Authorities { file: file.display().to_string(), why };
    let found = rustls_native_certs::load_certs_from_paths(Some(file), None);
    if let Some(error) = found.errors.first() {
        return Err(refused(format!("cannot be read: {error}")));
    }
    if found.certs.is_empty() {
        return Err(refused("holds no certificate in PEM form".to_owned()));
    }
    std::fs::read(file).map_err(|error| refused(format!("cannot be read: {error}")))
}

/// What an error of a connection means, for the operator.
fn why(error: &RedisError) -> String {
    let cause =
        error.source().and_then(|cause| cause.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>());
    match cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
        Some(cause) => TransportError::of_cause(cause).to_string(),
        None => format!("it refuses: {:?}", error.kind()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        RedisServers::parse(url, None, false).unwrap_err().to_string()
    }

    /// Spec: G44
    #[test]
    fn g44_redis_beyond_this_machine_needs_tls_or_the_operators_word() {
        for url in
            ["redis://:s3cret@localhost", "redis://127.0.0.1:7000,redis://[::1]:7001", "redis+unix:///r.sock"]
        {
            assert!(RedisServers::parse(url, None, false).is_ok(), "{url}");
        }
        for url in [
            "redis://:s3cret@cache:7000",
            "valkey://:s3cret@cache:7000",
            "rediss://a,redis://:s3cret@cache:7000",
        ] {
            let refused = refused(url);
            assert_eq!(refused, "the way to the Redis at `cache:7000` is not encrypted", "{url}");
            let insisted = RedisServers::parse(url, None, true).unwrap();
            assert!(insisted.transports().iter().any(|way| way.problem().is_some()));
        }
        let secure = RedisServers::parse("rediss://:s3cret@cache", None, false).unwrap();
        assert!(secure.transports().iter().all(|way| way.problem().is_none()));
        assert!(!format!("{secure:?}").contains("s3cret"));
        assert!(refused("rediss://:s3cret@cache#insecure").contains("#insecure"));
    }

    #[test]
    fn g44_errors_hold_no_password() {
        for url in
            ["", " , ", "redis://:s3cret@", "redi://:s3cret@cache", "s3cret", "rediss://:s3cret@cache#other"]
        {
            let refused = refused(url);
            assert!(!refused.contains("s3cret") && refused.contains("is not the URL"), "{refused}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "no certificate").unwrap();
        for file in [Path::new("/nowhere/ca.pem"), file.path()] {
            let refused =
                RedisServers::parse("rediss://:s3cret@cache", Some(file), false).unwrap_err().to_string();
            assert!(refused.contains(file.to_str().unwrap()) && !refused.contains("s3cret"), "{refused}");
        }
    }
}
