//! What can go wrong with the host's metadata.

use applet_types::{ErrorCode, Failure};

/// What only the log may have: the database's own words. Has no `Display`, so that it cannot slip into an
/// answer.
#[derive(Debug)]
pub struct Internal {
    _doing: &'static str,
    _cause: String,
}

/// An error of the store. Its text is fit for an admin; what the database said is in the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database does not answer, or not in time.
    #[error("the host's metadata cannot be reached")]
    Unavailable(Internal),
    /// What is stored cannot be read, or a statement of ours is refused.
    #[error("the host's metadata could not be read or written")]
    Damaged(Internal),
    /// The schema was made by another version of the host, or was changed by hand.
    #[error("the schema `applet_host` does not fit this host: {0}")]
    Schema(String),
    /// A token of an operation is no longer the current one.
    #[error("another host has taken over this operation")]
    Fenced,
    /// A physical table name is claimed already.
    #[error("a table name of this applet belongs to another applet")]
    NameTaken,
    /// The workspace is being changed already, or a lock is not free.
    #[error(
        "another change of this workspace is under way, or one that failed waits to be resumed or given up"
    )]
    Busy,
}

impl StoreError {
    /// Maps an error of sqlx, saying what we were doing; the database's words go to the log here.
    pub(crate) fn database(doing: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |error| Self::of(doing, &error)
    }

    /// What is stored is not what we have written.
    pub(crate) fn damaged(doing: &'static str, cause: impl std::fmt::Display) -> Self {
        let cause = cause.to_string();
        tracing::error!(doing, cause, "the host's metadata is damaged");
        Self::Damaged(Internal { _doing: doing, _cause: cause })
    }

    fn of(doing: &'static str, error: &sqlx::Error) -> Self {
        let state = error.as_database_error().and_then(|error| error.code());
        match state.as_deref() {
            Some("AH001") => return Self::Fenced,
            Some("AH002") => return Self::NameTaken,
            // A lock was not free in time, or we were the victim of a deadlock.
            Some("55P03" | "40P01" | "40001") => return Self::Busy,
            _ => {}
        }
        let constraint = error.as_database_error().and_then(|error| error.constraint());
        if constraint == Some("operations_running") {
            return Self::Busy;
        }
        let cause = error.to_string();
        tracing::error!(doing, cause, "the host's metadata database refused");
        let internal = Internal { _doing: doing, _cause: cause };
        // Class 57: the server is shutting down or cancelled us; class 53: it is short of something.
        let passing = state.as_deref().is_none_or(|code| code.starts_with("57") || code.starts_with("53"));
        if passing { Self::Unavailable(internal) } else { Self::Damaged(internal) }
    }

    /// The stable code.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Unavailable(_) => ErrorCode::DatabaseUnavailable,
            Self::Damaged(_) | Self::Schema(_) | Self::Fenced => ErrorCode::Internal,
            Self::NameTaken => ErrorCode::ManifestInvalid,
            Self::Busy => ErrorCode::LockTimeout,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
