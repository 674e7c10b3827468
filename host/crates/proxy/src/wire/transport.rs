//! How the way to a server is protected, and why there may be none.
//!
//! *Invariant:* these texts are for the operator. They name hosts, files and certificates, never a secret
//! and nothing that came in before the server had proved itself.

use std::fmt;
use std::io;

use serde::Serialize;
use tokio_rustls::rustls::{CertificateError, Error as RustlsError, ProtocolVersion};

use super::tls::Proof;

/// Why there is no way to the server.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Nobody answers, or the connection broke.
    #[error("the server cannot be reached: {0}")]
    Unreachable(#[from] io::Error),
    /// The server speaks plain text only.
    #[error("the server does not offer TLS; its administrator switches it on with `ssl = on`")]
    NotOffered,
    /// The server's certificate does not prove what it has to.
    #[error("the server's certificate {0}")]
    Certificate(String),
    /// The two could not agree, or somebody interfered.
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
    /// There is nobody to vouch for a server.
    #[error("no certificate authority to go by: {0}")]
    Authorities(String),
    /// No certificate could be for this.
    #[error("`{0}` is neither a host name nor an address")]
    Name(String),
}

impl TransportError {
    /// A stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "server-unreachable",
            Self::NotOffered => "tls-not-offered",
            Self::Certificate(_) => "tls-certificate",
            Self::Handshake(_) => "tls-handshake",
            Self::Authorities(_) => "tls-authorities",
            Self::Name(_) => "tls-name",
        }
    }

    /// What a failed handshake means.
    pub(super) fn of_handshake(error: io::Error) -> Self {
        match Self::of_cause(&error) {
            Self::Unreachable(_) => Self::Unreachable(error),
            understood => understood,
        }
    }

    /// What the error of a connection means that somebody else made.
    pub(crate) fn of_cause(error: &io::Error) -> Self {
        match error.get_ref().and_then(|cause| cause.downcast_ref::<RustlsError>()) {
            Some(RustlsError::InvalidCertificate(why)) => Self::Certificate(certificate(why)),
            Some(cause) => Self::Handshake(cause.to_string()),
            None => Self::Unreachable(error.kind().into()),
        }
    }
}

/// What is wrong with a certificate, as the end of "the server's certificate …".
fn certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::NotValidForNameContext { expected, presented } => {
            // `DnsName("db.example")`, `IpAddress(127.0.0.1)`
            let name = |shown: &String| {
                let inner = shown.split_once('(').map_or(shown.as_str(), |(_, inner)| inner);
                format!("`{}`", inner.trim_end_matches(')').trim_matches('"'))
            };
            let names: Vec<String> = presented.iter().map(name).collect();
            let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
            format!("is not for `{}` but for {names}", expected.to_str())
        }
        CertificateError::NotValidForName => "is not for the name that was asked for".to_owned(),
        CertificateError::UnknownIssuer => {
            "comes from an authority that is not trusted here; name the authority's certificate".to_owned()
        }
        CertificateError::BadSignature => {
            "is not signed by the authority that it names, or is not the server's own".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet, by this machine's clock".to_owned()
        }
        CertificateError::Revoked => "was revoked".to_owned(),
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "is an authority's own; sign one for the server with it".to_owned()
        }
        other => format!("is not acceptable: {other:?}"),
    }
}

/// How the way to a server is protected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Transport {
    /// It does not leave the machine.
    Socket,
    /// TCP, as everybody can read it who sees it.
    Plain {
        /// Where to.
        server: String,
        /// Whether it stays on this machine.
        loopback: bool,
    },
    /// TLS.
    Tls {
        /// Where to.
        server: String,
        /// The version that was agreed on.
        version: String,
        /// What the server has proved: `nothing`, `authority` or `name`.
        proved: &'static str,
    },
}

impl Transport {
    pub(super) fn tls(server: String, version: Option<ProtocolVersion>, proof: Proof) -> Self {
        let version = match version {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3".to_owned(),
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2".to_owned(),
            other => format!("{other:?}"),
        };
        let proved = match proof {
            Proof::Nothing => "nothing",
            Proof::Authority => "authority",
            Proof::Name => "name",
        };
        Self::Tls { server, version, proved }
    }

    /// What somebody should do about it.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Plain { server, loopback: false } => Some(format!(
                "whoever can listen on the way to `{server}` reads every row and password: use TLS"
            )),
            Self::Tls { server, proved: "nothing", .. } => Some(format!(
                "whoever can answer in the place of `{server}` is believed: use sslmode=verify-full"
            )),
            Self::Socket | Self::Plain { .. } | Self::Tls { .. } => None,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket => f.write_str("a Unix socket"),
            Self::Plain { server, loopback: true } => {
                write!(f, "plain TCP to `{server}`, which is this machine")
            }
            Self::Plain { server, loopback: false } => write!(f, "PLAIN TCP to `{server}`"),
            Self::Tls { server, version, proved } => match *proved {
                "name" => write!(f, "{version} to `{server}`, which has proved its name"),
                "authority" => {
                    write!(f, "{version} to `{server}`, which has a trusted authority's certificate")
                }
                _ => write!(f, "{version} to `{server}`, WHICH HAS PROVED NOTHING"),
            },
        }
    }
}
