//! Why the host could not do what a platform asked for.

use std::fmt;
use std::path::PathBuf;

use applet_lifecycle::LifecycleError;
use applet_package::PackageFault;
use applet_types::WorkspaceId;
use applet_wiring::HostError;
use applet_wiring::config::Problem;

/// Why something was refused or failed. Each has a stable [`code`](Error::code).
///
/// Of what is done for a tenant ([`Error::Refused`], [`Error::Package`]) the text is fit for an admin of it. The
/// rest is for whoever operates the platform.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Settings of the builder; all that is wrong with them. Nothing was opened.
    #[error("the settings are not valid:{}", Lines(.0))]
    Settings(Vec<Problem>),
    /// The machine or the database is not as it has to be.
    #[error("the host cannot start: {0}")]
    Start(HostError),
    /// An operation was refused or failed.
    #[error(transparent)]
    Refused(#[from] LifecycleError),
    /// What was handed in as a package is none, or is tampered with.
    #[error(transparent)]
    Package(#[from] PackageFault),
    /// A package's file cannot be read.
    #[error("cannot read `{}`: {cause}", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// The id of a workspace is another tenant's.
    #[error("workspace `{0}` belongs to another tenant")]
    Workspace(WorkspaceId),
    /// Something beside its applets failed while the host was running or closing.
    #[error(transparent)]
    Host(HostError),
    /// The host is closed, or was closed meanwhile: what was under way is finished by the next host.
    #[error("the host is closed")]
    Closed,
    /// A bug in the host. What was under way is finished by the next host.
    #[error("the host has failed; its log says how")]
    Internal,
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Settings(_) => "invalid-settings",
            // `usage` is the code of a command line.
            Self::Start(HostError::Usage(_)) => "cannot-start",
            Self::Host(HostError::Usage(_)) => "host-failed",
            Self::Start(error) | Self::Host(error) => error.code(),
            Self::Refused(error) => error.code(),
            Self::Package(fault) => fault.code(),
            Self::File { .. } => "unreadable-file",
            Self::Workspace(_) => "workspace-taken",
            Self::Closed => "closed",
            Self::Internal => "internal",
        }
    }

    /// What only whoever operates the platform may read: it can carry the database's own words.
    pub fn operator_detail(&self) -> Option<String> {
        match self {
            Self::Refused(error) => error.operator_detail(),
            Self::Settings(_)
            | Self::Start(_)
            | Self::Package(_)
            | Self::File { .. }
            | Self::Workspace(_)
            | Self::Host(_)
            | Self::Closed
            | Self::Internal => None,
        }
    }
}

struct Lines<'a>(&'a [Problem]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}
