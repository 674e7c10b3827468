//! What can go wrong between the host and a database, told to whoever operates the host.
//!
//! *Invariant:* never shown to a guest. These texts may carry the server's own words.

use std::fmt;

/// Why an operation on a database failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL cannot be read.
    #[error("not a PostgreSQL URL: {0}")]
    Url(String),
    /// No session could be opened.
    #[error("cannot connect to the database: {0}")]
    Connect(Answer),
    /// The server refused the login, and why as far as the host can tell.
    #[error("the server refuses the login of role `{role}`: {answer}; {rule}")]
    LoginRefused {
        /// The role that tried.
        role: String,
        /// What the server said.
        answer: Answer,
        /// The rule of pg_hba.conf that decided, and what to do.
        rule: String,
    },
    /// The role of the URL may not do what is asked.
    #[error("role `{role}` cannot prepare this database: it lacks {right}")]
    MissingRight {
        /// The role of the URL.
        role: String,
        /// What it lacks.
        right: String,
    },
    /// A role that must be harmless is not.
    #[error("role `{role}` must not run applets: {because}")]
    UnsafeRole {
        /// The role.
        role: String,
        /// What makes it dangerous.
        because: String,
    },
    /// The database has to be adopted before applets run in it.
    #[error("the database is not adopted: whoever operates the host has to run `applet adopt`")]
    NotAdopted,
    /// The plan that was approved is not the one that would be carried out now.
    #[error("the database has changed since the plan was made: the plan is now {0}")]
    PlanChanged(String),
    /// Applets still work with what was adopted.
    #[error("applets still use the database: {}", .0.join(", "))]
    InUse(Vec<String>),
    /// Somebody has built on what we would take away.
    #[error("{0}")]
    BuiltUpon(String),
    /// Two grant sets or applets would share a role.
    #[error("role `{0}` already stands for other grants: the short form of two digests collides")]
    RoleTaken(String),
    /// Another process held what we needed for too long.
    #[error("{what} is held by another process; tried {tries} times")]
    Contended {
        /// What is held.
        what: &'static str,
        /// How often it was tried.
        tries: u32,
    },
    /// A statement failed.
    #[error("{doing}: {answer}")]
    Statement {
        /// What the statement was for.
        doing: String,
        /// What the server said.
        answer: Answer,
    },
    /// The database contradicts itself or is not what we understand.
    #[error("{0}")]
    Unexpected(String),
}

/// What the server, or the way to it, answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The SQLSTATE, if the server answered at all.
    pub code: Option<String>,
    /// Its words.
    pub message: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.code {
            Some(code) => write!(f, " (SQLSTATE {code})"),
            None => Ok(()),
        }
    }
}

impl Answer {
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(database) => Self {
                code: database.code().map(|code| code.into_owned()),
                message: database.message().to_owned(),
            },
            None => Self { code: None, message: error.to_string() },
        }
    }

    /// Lost a race against another process: the same work may well succeed when it is done again.
    /// `XX000` is how PostgreSQL reports two sessions changing the same row of a shared catalogue.
    fn is_race(&self) -> bool {
        match self.code.as_deref() {
            Some("55P03" | "40P01" | "40001" | "42710" | "23505" | "42704") => true,
            Some("XX000") => self.message.contains("concurrently"),
            Some(_) | None => false,
        }
    }

    /// A lock was not free in time, or the transaction was chosen as the victim of a deadlock.
    fn is_lock_conflict(&self) -> bool {
        matches!(self.code.as_deref(), Some("55P03" | "40P01" | "40001"))
    }

    /// The server let us speak and then refused the login.
    pub(crate) fn is_refused_login(&self) -> bool {
        self.code.as_deref().is_some_and(|code| code.starts_with("28"))
    }
}

impl Error {
    pub(crate) fn statement(doing: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        let doing = doing.into();
        move |error| Self::Statement { doing, answer: Answer::of(&error) }
    }

    pub(crate) fn is_race(&self) -> bool {
        matches!(self, Self::Statement { answer, .. } if answer.is_race())
    }

    pub(crate) fn is_lock_conflict(&self) -> bool {
        matches!(self, Self::Statement { answer, .. } if answer.is_lock_conflict())
    }
}
