//! Why the private PostgreSQL cannot run, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why the private PostgreSQL cannot be used. Each text says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// No usable server is installed.
    #[error(
        "no PostgreSQL 15 or later found ({looked}); install one (Debian, Ubuntu: `apt-get install -y --no-install-recommends postgresql`; macOS: `brew install postgresql@17`), \
         name its folder in APPLET_PG_BIN, or give the URL of a running server"
    )]
    NoBinaries {
        /// Where it was looked for.
        looked: String,
    },
    /// The data directory was made by another major version.
    #[error(
        "`{directory}` holds data of PostgreSQL {wanted}, and no PostgreSQL {wanted} is installed: install it, or start with another data directory"
    )]
    WrongMajor {
        /// The data directory.
        directory: PathBuf,
        /// The version that made it.
        wanted: u32,
    },
    /// PostgreSQL refuses to run as root and there is nobody else.
    #[error(
        "PostgreSQL does not run as root and no user `postgres` or `nobody` exists: run the host as an ordinary user"
    )]
    NoAccount,
    /// The account that PostgreSQL runs as cannot get to the data directory.
    #[error(
        "user `{account}`, as whom PostgreSQL runs, cannot get to `{directory}`: choose a data directory outside of anybody's home, such as /var/lib/applet-host"
    )]
    OutOfReach {
        /// The data directory.
        directory: PathBuf,
        /// The account.
        account: String,
    },
    /// A folder with something else in it was given.
    #[error("`{0}` exists and holds no PostgreSQL data: choose another data directory")]
    NotOurs(PathBuf),
    /// The data directory belongs to somebody else.
    #[error("`{0}` belongs to another user: run as that user or choose another data directory")]
    OtherUser(PathBuf),
    /// The data directory is served by a host of another version.
    #[error(
        "the host that serves `{directory}` uses data format {found}, this one {ours}: use the same version of `applet` for both"
    )]
    OtherFormat {
        /// The data directory.
        directory: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        ours: u32,
    },
    /// No host serves the data directory.
    #[error("no host serves `{0}`: start one with `applet serve` or `applet demo`")]
    NotRunning(PathBuf),
    /// A server that we did not start does not let go of the data directory.
    #[error("PostgreSQL process {pid} still uses `{directory}` and does not end: stop it, then try again")]
    Leftover {
        /// The data directory.
        directory: PathBuf,
        /// The process.
        pid: i32,
    },
    /// `initdb` failed.
    #[error("cannot make a new data directory: {0}")]
    Initialise(String),
    /// The server ended before it was ready.
    #[error("PostgreSQL ended before it was ready; the end of {log}:\n{tail}")]
    Died {
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// The server did not get ready.
    #[error("PostgreSQL was not ready after {seconds} s; see {log}")]
    NotReady {
        /// How long we waited.
        seconds: u64,
        /// Its log.
        log: PathBuf,
    },
    /// The server did not stop.
    #[error("PostgreSQL process {0} does not stop")]
    NotStopped(i32),
    /// A file could not be read or written.
    #[error("cannot {doing} `{path}`: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The work in the background was ended.
    #[error("starting PostgreSQL was interrupted")]
    Interrupted,
}

impl EmbeddedError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}
