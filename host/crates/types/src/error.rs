//! Everything that can be told to a guest, an admin or an API client about what went wrong.
//!
//! [`ErrorCode`] is the single source for the WIT case, the HTTP problem type, the audit code, the metric
//! label and the documentation. *Invariant:* a [`Failure`] never carries the database's own text, another
//! tenant's data or a parameter's value; what is only for us goes to the log where it happens.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Operation;

/// Whose doing an error is: who has to act so that it goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The applet's developer.
    Guest,
    /// The tenant's admin.
    Admin,
    /// Whoever runs the host.
    Host,
}

/// The case of the WIT variant `error` (and the family of HTTP statuses) that a code belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorGroup {
    /// Not granted.
    PermissionDenied,
    /// The gate refuses the statement whatever is granted.
    StatementRejected,
    /// An argument is not what the call expects.
    InvalidArgument,
    /// The database could not compute with these values.
    DataError,
    /// A limit is reached.
    LimitExceeded,
    /// A constraint of the schema forbids the write.
    ConstraintViolation,
    /// Lost against a concurrent transaction.
    Conflict,
    /// Not finished in time.
    Timeout,
    /// No connection is free.
    Busy,
    /// The database or the applet is not available.
    Unavailable,
    /// A commit was sent and its answer lost.
    OutcomeUnknown,
    /// The package or manifest is invalid (at submit, never at run time).
    ManifestInvalid,
    /// Our fault; the guest gets a reference only.
    Internal,
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $group:ident, $status:literal;)*) => {
        /// The stable code of an error. The text never changes once released.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable text, for example `table-not-allowed`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The WIT case it is reported under.
            pub const fn group(self) -> ErrorGroup {
                match self { $(Self::$variant => ErrorGroup::$group,)* }
            }

            /// The HTTP status it is reported with.
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }
        }
    };
}

error_codes! {
    /// The table is not granted for this operation, or does not exist: the two look alike on purpose.
    TableNotAllowed = "table-not-allowed", PermissionDenied, 403;
    /// The table is granted, this column is not.
    ColumnNotAllowed = "column-not-allowed", PermissionDenied, 403;
    /// The manifest requests it, no admin has granted it.
    NotGranted = "not-granted", PermissionDenied, 403;
    /// The workspace's access mode forbids it.
    WorkspaceMode = "workspace-mode", PermissionDenied, 403;
    /// Not SQL that PostgreSQL's grammar accepts.
    Syntax = "syntax", StatementRejected, 422;
    /// More than one statement.
    MultiStatement = "multi-statement", StatementRejected, 422;
    /// A statement, clause or expression that applets cannot use.
    UnsupportedStatement = "unsupported-statement", StatementRejected, 422;
    /// UNION, INTERSECT or EXCEPT.
    UnionNotAllowed = "union-not-allowed", StatementRejected, 422;
    /// A subquery whose tables cannot be scoped to the tenant.
    SubqueryMustBeFiltered = "subquery-must-be-filtered", StatementRejected, 422;
    /// The tenant column is written or supplied by the guest.
    TenantIdNotAllowed = "tenant-id-not-allowed", StatementRejected, 422;
    /// `id`, `created_at` or another column that only the system writes.
    SystemColumnWrite = "system-column-write", StatementRejected, 422;
    /// A granted table that no longer exists.
    UnknownTable = "unknown-table", StatementRejected, 422;
    /// The table has no such column.
    UnknownColumn = "unknown-column", StatementRejected, 422;
    /// A function that is not on the list.
    FunctionNotAllowed = "function-not-allowed", StatementRejected, 422;
    /// A type that is not on the list.
    TypeNotAllowed = "type-not-allowed", StatementRejected, 422;
    /// An operator that is not on the list.
    OperatorNotAllowed = "operator-not-allowed", StatementRejected, 422;
    /// WITH RECURSIVE.
    RecursiveCte = "recursive-cte", StatementRejected, 422;
    /// A catalogue table or a system column.
    SystemCatalog = "system-catalog", StatementRejected, 422;
    /// The text, its nesting or a chain of operators is too large.
    StatementTooLarge = "statement-too-large", StatementRejected, 422;
    /// Wrong number or kind of parameters, or an unreadable request.
    BadParameter = "bad-parameter", InvalidArgument, 400;
    /// A division by zero.
    DivisionByZero = "division-by-zero", DataError, 422;
    /// A value cannot be read as the type it is used as.
    InvalidValue = "invalid-value", DataError, 422;
    /// A value is out of its type's range.
    OutOfRange = "out-of-range", DataError, 422;
    /// More joins than allowed.
    TooManyJoins = "too-many-joins", LimitExceeded, 422;
    /// More subqueries than allowed; each CTE counts.
    TooManySubqueries = "too-many-subqueries", LimitExceeded, 422;
    /// The result has too many bytes.
    ResultTooLarge = "result-too-large", LimitExceeded, 422;
    /// A write changes too many rows; nothing was changed.
    TooManyRowsChanged = "too-many-rows-changed", LimitExceeded, 422;
    /// The invocation has sent too many statements.
    TooManyStatements = "too-many-statements", LimitExceeded, 422;
    /// Too many calls, statements or rows for the time.
    RateLimited = "rate-limited", LimitExceeded, 429;
    /// A budget of the invocation or the tenant is spent.
    BudgetSpent = "budget-spent", LimitExceeded, 429;
    /// A unique key exists already.
    Unique = "unique", ConstraintViolation, 409;
    /// A referenced row is missing, or a row is still referenced.
    ForeignKey = "foreign-key", ConstraintViolation, 409;
    /// A check constraint is violated.
    Check = "check", ConstraintViolation, 409;
    /// A required column is missing.
    NotNull = "not-null", ConstraintViolation, 409;
    /// Two transactions waited for each other; this one was undone.
    Deadlock = "deadlock", Conflict, 409;
    /// A concurrent transaction changed the same rows; this one was undone.
    Serialization = "serialization", Conflict, 409;
    /// A lock was not free in time.
    LockTimeout = "lock-timeout", Conflict, 409;
    /// The statement took too long.
    StatementTimeout = "statement-timeout", Timeout, 504;
    /// The invocation's deadline has passed.
    Deadline = "deadline", Timeout, 504;
    /// All connections of the applet, the tenant or the host are in use.
    ConnectionCap = "connection-cap", Busy, 429;
    /// The database cannot be reached.
    DatabaseUnavailable = "database-unavailable", Unavailable, 503;
    /// The operation could not be recorded, and `audit.strict` wants every operation recorded.
    AuditUnavailable = "audit-unavailable", Unavailable, 503;
    /// The applet is not active in this workspace.
    AppletDisabled = "applet-disabled", Unavailable, 503;
    /// The applet has failed too often lately and is left alone for a while (S4x.6).
    CircuitOpen = "circuit-open", Unavailable, 503;
    /// The connection broke while a commit was under way.
    CommitUnknown = "commit-unknown", OutcomeUnknown, 503;
    /// The manifest or package is invalid.
    ManifestInvalid = "manifest-invalid", ManifestInvalid, 422;
    /// Our fault.
    Internal = "internal", Internal, 500;
}

impl ErrorCode {
    /// Who has to act.
    pub const fn blame(self) -> Blame {
        match self.group() {
            ErrorGroup::PermissionDenied
            | ErrorGroup::StatementRejected
            | ErrorGroup::InvalidArgument
            | ErrorGroup::DataError
            | ErrorGroup::LimitExceeded
            | ErrorGroup::ConstraintViolation
            | ErrorGroup::Conflict
            | ErrorGroup::Timeout
            | ErrorGroup::Busy
            | ErrorGroup::ManifestInvalid => Blame::Guest,
            ErrorGroup::Unavailable | ErrorGroup::OutcomeUnknown | ErrorGroup::Internal => Blame::Host,
        }
    }

    /// Whether the same call may succeed when it is tried again.
    pub const fn retryable(self) -> bool {
        match self.group() {
            ErrorGroup::Conflict | ErrorGroup::Timeout | ErrorGroup::Busy | ErrorGroup::Unavailable => true,
            ErrorGroup::PermissionDenied
            | ErrorGroup::StatementRejected
            | ErrorGroup::InvalidArgument
            | ErrorGroup::DataError
            | ErrorGroup::LimitExceeded
            | ErrorGroup::ConstraintViolation
            | ErrorGroup::OutcomeUnknown
            | ErrorGroup::ManifestInvalid
            | ErrorGroup::Internal => false,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A place in a statement: UTF-8 byte offsets into the text that the guest sent, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What a guest, an admin or an API client is told (SPEC F3): a stable code, what happened, where, and
/// what would allow it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable code.
    pub code: ErrorCode,
    /// What happened, in one sentence: lower case, no full stop, the guest's own words in backticks.
    pub message: String,
    /// Where in the statement.
    pub span: Option<Span>,
    /// The rule that refuses it, when it is one of the gate's.
    pub rule: Option<String>,
    /// The table concerned, as the guest names it.
    pub table: Option<String>,
    /// The column concerned.
    pub column: Option<String>,
    /// The operation concerned.
    pub operation: Option<Operation>,
    /// What to change so that it is allowed: a manifest line, or a way to write the statement.
    pub hint: Option<String>,
    /// Whether an admin could allow it by granting more.
    pub grantable: bool,
    /// After how many milliseconds trying again makes sense.
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// A failure with nothing but its code and a sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            span: None,
            rule: None,
            table: None,
            column: None,
            operation: None,
            hint: None,
            grantable: false,
            retry_after_ms: None,
        }
    }

    /// Our own fault: the guest gets `reference`, under which the log has the rest.
    pub fn internal(reference: impl fmt::Display) -> Self {
        Self::new(ErrorCode::Internal, format!("internal error, reference {reference}"))
    }

    /// Says where in the statement.
    #[must_use]
    pub const fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// Says which rule refuses it.
    #[must_use]
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }

    /// Says which table and operation are concerned.
    #[must_use]
    pub fn on(mut self, table: impl Into<String>, operation: Operation) -> Self {
        self.table = Some(table.into());
        self.operation = Some(operation);
        self
    }

    /// Says which column is concerned.
    #[must_use]
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }

    /// Says what would allow it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says that an admin could grant it.
    #[must_use]
    pub const fn grantable(mut self) -> Self {
        self.grantable = true;
        self
    }

    /// Says when trying again makes sense.
    #[must_use]
    pub const fn retry_after_ms(mut self, milliseconds: u64) -> Self {
        self.retry_after_ms = Some(milliseconds);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn f3_every_code_has_its_own_kebab_case_text() {
        let texts: BTreeSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), ErrorCode::ALL.len());
        for text in texts {
            assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{text}");
        }
    }

    #[test]
    fn f3_serde_name_is_the_stable_text() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
