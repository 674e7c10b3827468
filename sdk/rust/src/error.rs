//! Errors: what the host refused and why, and what a hook answers when it fails.

use std::fmt;

use crate::bindings::imports::applet::host::types;

/// The result of everything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The family an error belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Not granted.
    PermissionDenied,
    /// The statement is refused whatever is granted.
    StatementRejected,
    /// An argument is not what the call expects.
    InvalidArgument,
    /// The database could not compute with these values.
    DataError,
    /// A limit is reached.
    LimitExceeded,
    /// A constraint forbids the write.
    ConstraintViolation,
    /// Lost against a concurrent transaction; try again.
    Conflict,
    /// Not finished in time; may be tried again.
    Timeout,
    /// No connection is free; try again later.
    Busy,
    /// The database or the applet is not available.
    Unavailable,
    /// A commit was sent and its answer lost.
    OutcomeUnknown,
    /// The host's fault.
    Internal,
    /// A cell cannot be read as the type that was asked for, or there is no such row or column.
    Decode,
    /// The query builder was given something that it cannot write as SQL.
    Builder,
}

impl ErrorKind {
    /// The stable name, for example `permission-denied`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PermissionDenied => "permission-denied",
            Self::StatementRejected => "statement-rejected",
            Self::InvalidArgument => "invalid-argument",
            Self::DataError => "data-error",
            Self::LimitExceeded => "limit-exceeded",
            Self::ConstraintViolation => "constraint-violation",
            Self::Conflict => "conflict",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::OutcomeUnknown => "outcome-unknown",
            Self::Internal => "internal",
            Self::Decode => "decode",
            Self::Builder => "builder",
        }
    }
}

/// What went wrong, where, and what would allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The family.
    pub kind: ErrorKind,
    /// The stable code, for example `table-not-allowed`.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// Where in the statement, in bytes; the end is exclusive.
    pub span: Option<(u32, u32)>,
    /// The table concerned.
    pub table: Option<String>,
    /// The column concerned.
    pub column: Option<String>,
    /// The operation concerned.
    pub operation: Option<String>,
    /// What to change so that it is allowed.
    pub hint: Option<String>,
    /// After how many milliseconds trying again makes sense.
    pub retry_after_ms: Option<u64>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, code: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.to_owned(),
            message: message.into(),
            span: None,
            table: None,
            column: None,
            operation: None,
            hint: None,
            retry_after_ms: None,
        }
    }

    pub(crate) fn decode(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Decode, "decode", message)
    }

    pub(crate) fn builder(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Builder, "builder", message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        let (kind, detail) = match error {
            types::Error::PermissionDenied(detail) => (ErrorKind::PermissionDenied, detail),
            types::Error::StatementRejected(detail) => (ErrorKind::StatementRejected, detail),
            types::Error::InvalidArgument(detail) => (ErrorKind::InvalidArgument, detail),
            types::Error::DataError(detail) => (ErrorKind::DataError, detail),
            types::Error::LimitExceeded(detail) => (ErrorKind::LimitExceeded, detail),
            types::Error::ConstraintViolation(detail) => (ErrorKind::ConstraintViolation, detail),
            types::Error::Conflict(detail) => (ErrorKind::Conflict, detail),
            types::Error::Timeout(detail) => (ErrorKind::Timeout, detail),
            types::Error::Busy(detail) => (ErrorKind::Busy, detail),
            types::Error::Unavailable(detail) => (ErrorKind::Unavailable, detail),
            types::Error::OutcomeUnknown(detail) => (ErrorKind::OutcomeUnknown, detail),
            types::Error::Internal(detail) => (ErrorKind::Internal, detail),
        };
        Self {
            kind,
            code: detail.code,
            message: detail.message,
            span: detail.span.map(|span| (span.start, span.end)),
            table: detail.table,
            column: detail.column,
            operation: detail.operation,
            hint: detail.hint,
            retry_after_ms: detail.retry_after_ms,
        }
    }
}

/// What a hook answers when it fails. `?` makes one of an [`Error`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookError {
    /// The applet's own code, kebab-case.
    pub code: String,
    /// For people.
    pub message: String,
}

impl HookError {
    /// An error of the applet's own.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for HookError {}

impl From<Error> for HookError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        Self { code: error.code, message }
    }
}
