//! What can go wrong with a registry.

use applet_package::{PackageFault, Sha256Digest};

/// Why a package could not be pushed or pulled. Each has a stable code. What a registry says of itself is not in
/// it: it would be printed on the operator's terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Nobody answers.
    #[error("`{host}` cannot be reached: {reason}")]
    Unreachable {
        /// Who.
        host: String,
        /// Why.
        reason: String,
    },
    /// An answer stopped coming.
    #[error("`{0}` does not answer in time")]
    Timeout(String),
    /// Plain text to another machine.
    #[error(
        "`{0}` would be reached in plain text: whoever runs this command can allow it with \
         --insecure-transport, if nobody can come in between"
    )]
    Insecure(String),
    /// No authority to go by.
    #[error("certificates of authorities: {0}")]
    Authorities(String),
    /// It does not prove its name.
    #[error(
        "`{host}` does not prove its name by TLS: {reason}; --root-cert names an authority's certificate"
    )]
    Tls {
        /// Who.
        host: String,
        /// Why.
        reason: String,
    },
    /// An address that nothing is fetched from.
    #[error("`{host}` is at an address that packages are not fetched from{}", by(.sent_by))]
    Address {
        /// Who.
        host: String,
        /// The registry that sends us there, if one does.
        sent_by: Option<String>,
    },
    /// A redirect that is not followed.
    #[error("`{host}` sends us elsewhere: {reason}")]
    Redirect {
        /// Who.
        host: String,
        /// Why we do not go.
        reason: &'static str,
    },
    /// Credentials are missing or not enough.
    #[error(
        "`{host}` wants other credentials for `{repository}`: log in with a tool that writes \
         ~/.docker/config.json, or say --username and --password-stdin"
    )]
    Unauthorized {
        /// Who.
        host: String,
        /// For what.
        repository: String,
    },
    /// No such tag or digest.
    #[error("`{host}` has no `{what}`")]
    NotFound {
        /// Who.
        host: String,
        /// What was asked for.
        what: String,
    },
    /// It does not do what was asked.
    #[error("`{host}` refuses with status {status}{}", code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default())]
    Refused {
        /// Who.
        host: String,
        /// The HTTP status.
        status: u16,
        /// The code in its answer, if it is one of the specification's form.
        code: Option<String>,
    },
    /// More than is taken.
    #[error("`{host}` sends, or announces, more than {most} bytes of {what}")]
    TooLarge {
        /// Who.
        host: String,
        /// Of what.
        what: &'static str,
        /// How many are taken.
        most: usize,
    },
    /// Not what the protocol says.
    #[error("`{host}` answers what a registry does not: {reason}")]
    Malformed {
        /// Who.
        host: String,
        /// What is odd.
        reason: &'static str,
    },
    /// Something else is there.
    #[error("`{0}` is not an applet package: {1}")]
    OtherArtifact(String, &'static str),
    /// Other bytes than those that were asked for.
    #[error("`{host}` sends {what} with the digest {found}, not {wanted}")]
    Digest {
        /// Who.
        host: String,
        /// What.
        what: &'static str,
        /// What was asked for.
        wanted: Sha256Digest,
        /// What came.
        found: Sha256Digest,
    },
    /// A package goes under a tag.
    #[error("a package is pushed under a tag: `{0}:1.0.0`")]
    NoTag(String),
    /// What is to be pushed is not what was pinned.
    #[error("the package would have the digest {found} there, not {wanted}")]
    Pinned {
        /// What was said.
        wanted: Sha256Digest,
        /// What it is.
        found: Sha256Digest,
    },
    /// The bytes that came are those of the digest, and no package.
    #[error(transparent)]
    Package(#[from] PackageFault),
}

fn by(registry: &Option<String>) -> String {
    registry.as_ref().map(|registry| format!(" when `{registry}` sends us there")).unwrap_or_default()
}

impl RegistryError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "registry-unreachable",
            Self::Timeout(_) => "registry-timeout",
            Self::Insecure(_) => "insecure-transport",
            Self::Authorities(_) => "tls-authorities",
            Self::Tls { .. } => "tls-certificate",
            Self::Address { .. } => "registry-address",
            Self::Redirect { .. } => "registry-redirect",
            Self::Unauthorized { .. } => "registry-unauthorized",
            Self::NotFound { .. } => "registry-not-found",
            Self::Refused { .. } => "registry-refused",
            Self::TooLarge { .. } => "registry-too-large",
            Self::Malformed { .. } => "registry-answer",
            Self::OtherArtifact(..) => "not-a-package",
            Self::Digest { .. } | Self::Pinned { .. } => "digest-mismatch",
            Self::NoTag(_) => "tag-missing",
            Self::Package(fault) => fault.code(),
        }
    }
}
