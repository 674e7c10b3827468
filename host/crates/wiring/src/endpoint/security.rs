//! What `sslmode` and `sslrootcert` ask for, and whether that is enough for where the server is.

use std::path::{Path, PathBuf};

use applet_proxy::Proof;
use applet_types::is_loopback;

use crate::HostError;

/// What a URL asks for.
pub(super) struct Wanted {
    mode: Option<Mode>,
    authorities: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Disable,
    Require,
    VerifyCa,
    VerifyFull,
}

/// How the way to a server is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Security {
    Socket,
    Plain,
    Tls { proof: Proof, authorities: Option<PathBuf> },
}

impl Wanted {
    pub(super) fn read(mode: Option<&str>, authorities: Option<PathBuf>) -> Result<Self, String> {
        let mode = match mode {
            None => None,
            Some("disable") => Some(Mode::Disable),
            Some("require") => Some(Mode::Require),
            Some("verify-ca") => Some(Mode::VerifyCa),
            Some("verify-full") => Some(Mode::VerifyFull),
            Some("allow" | "prefer") => {
                return Err("has an `sslmode` that falls back to plain text without a word: write \
                            `verify-full`, or `disable` for a server on this machine"
                    .to_owned());
            }
            Some(other) => {
                return Err(format!(
                    "has `{other}` for an `sslmode`: known are `disable`, `require`, `verify-ca` and `verify-full`"
                ));
            }
        };
        // PostgreSQL's own word for the authorities that the machine trusts.
        let authorities = authorities.filter(|file| file != Path::new("system"));
        Ok(Self { mode, authorities })
    }

    /// What that comes to for this server.
    pub(super) fn decide(
        &self,
        host: &str,
        port: u16,
        insecure_transport: bool,
    ) -> Result<Security, HostError> {
        if host.starts_with('/') {
            return Ok(Security::Socket);
        }
        let may_be_weak = insecure_transport || is_loopback(host);
        let insist = |what: &str| {
            HostError::refused(
                "insecure-transport",
                format!(
                    "the way to the database at `{host}:{port}` {what}: write `sslmode=verify-full` in the \
                     database URL, or, if nobody can come in between, allow it with \
                     `security.insecure_transport: true` in the configuration (--insecure-transport)"
                ),
            )
        };
        let authorities = self.authorities.clone();
        match (self.mode, &authorities) {
            (None, _) if is_loopback(host) => Ok(Security::Plain),
            (None | Some(Mode::VerifyFull), _) => Ok(Security::Tls { proof: Proof::Name, authorities }),
            // As PostgreSQL's own clients have it: whoever names authorities wants them asked.
            (Some(Mode::VerifyCa | Mode::Require), Some(_)) => {
                Ok(Security::Tls { proof: Proof::Authority, authorities })
            }
            (Some(Mode::VerifyCa), None) => Err(HostError::usage(
                "`sslmode=verify-ca` needs `sslrootcert`: anybody can have a certificate of a public \
                 authority for some name; or write `sslmode=verify-full`",
            )),
            (Some(Mode::Require), None) if may_be_weak => {
                Ok(Security::Tls { proof: Proof::Nothing, authorities })
            }
            (Some(Mode::Require), None) => Err(insist("would be taken by whoever answers there")),
            (Some(Mode::Disable), _) if may_be_weak => Ok(Security::Plain),
            (Some(Mode::Disable), _) => Err(insist("is not encrypted")),
        }
    }
}

impl Security {
    /// The same in the words of a URL.
    pub(super) const fn mode(&self) -> &'static str {
        match self {
            Self::Socket | Self::Plain => "disable",
            Self::Tls { proof: Proof::Nothing, .. } => "require",
            Self::Tls { proof: Proof::Authority, .. } => "verify-ca",
            Self::Tls { proof: Proof::Name, .. } => "verify-full",
        }
    }

    pub(super) fn authorities(&self) -> Option<&Path> {
        match self {
            Self::Tls { authorities, .. } => authorities.as_deref(),
            Self::Socket | Self::Plain => None,
        }
    }
}
