//! Our failures as their errors. *Invariant:* nothing is in them but what a guest of `applet:host` is told too.

use applet_types::{ErrorCode, ErrorGroup, Failure};

/// Which of their errors it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    ConnectionFailed,
    BadParameter,
    QueryFailed,
    Other,
}

pub(super) const fn case(failure: &Failure) -> Case {
    match failure.code.group() {
        ErrorGroup::InvalidArgument => Case::BadParameter,
        ErrorGroup::Busy | ErrorGroup::Unavailable => Case::ConnectionFailed,
        ErrorGroup::PermissionDenied
        | ErrorGroup::StatementRejected
        | ErrorGroup::DataError
        | ErrorGroup::LimitExceeded
        | ErrorGroup::ConstraintViolation
        | ErrorGroup::Conflict
        | ErrorGroup::Timeout => Case::QueryFailed,
        ErrorGroup::OutcomeUnknown | ErrorGroup::ManifestInvalid | ErrorGroup::Internal => Case::Other,
    }
}

/// One line: the code, what happened, and what would allow it.
pub(super) fn text(failure: &Failure) -> String {
    match &failure.hint {
        Some(hint) => format!("{}: {} ({hint})", failure.code, failure.message),
        None => format!("{}: {}", failure.code, failure.message),
    }
}

/// What else is known, by name.
pub(super) fn extras(failure: &Failure) -> Vec<(String, String)> {
    let mut extras = vec![("applet-code".to_owned(), failure.code.to_string())];
    let mut add =
        |name: &str, value: Option<String>| extras.extend(value.map(|value| (name.to_owned(), value)));
    add("table", failure.table.clone());
    add("column", failure.column.clone());
    add("operation", failure.operation.map(|operation| operation.as_str().to_owned()));
    add("hint", failure.hint.clone());
    add("retry-after-ms", failure.retry_after_ms.map(|ms| ms.to_string()));
    extras
}

/// The SQLSTATE that guests know for it. It follows from our code, not from what the database said.
pub(super) const fn sql_state(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Unique => "23505",
        ErrorCode::ForeignKey => "23503",
        ErrorCode::Check => "23514",
        ErrorCode::NotNull => "23502",
        ErrorCode::Deadlock => "40P01",
        ErrorCode::Serialization => "40001",
        ErrorCode::LockTimeout => "55P03",
        ErrorCode::StatementTimeout | ErrorCode::Deadline => "57014",
        ErrorCode::DivisionByZero => "22012",
        ErrorCode::InvalidValue => "22P02",
        ErrorCode::OutOfRange => "22003",
        ErrorCode::BadParameter => "22023",
        ErrorCode::Syntax => "42601",
        ErrorCode::UnknownTable => "42P01",
        ErrorCode::UnknownColumn => "42703",
        ErrorCode::TableNotAllowed
        | ErrorCode::ColumnNotAllowed
        | ErrorCode::NotGranted
        | ErrorCode::WorkspaceMode
        | ErrorCode::TenantIdNotAllowed
        | ErrorCode::SystemColumnWrite
        | ErrorCode::SystemCatalog => "42501",
        ErrorCode::MultiStatement
        | ErrorCode::UnsupportedStatement
        | ErrorCode::UnionNotAllowed
        | ErrorCode::SubqueryMustBeFiltered
        | ErrorCode::FunctionNotAllowed
        | ErrorCode::TypeNotAllowed
        | ErrorCode::OperatorNotAllowed
        | ErrorCode::RecursiveCte => "0A000",
        ErrorCode::StatementTooLarge
        | ErrorCode::TooManyJoins
        | ErrorCode::TooManySubqueries
        | ErrorCode::ResultTooLarge
        | ErrorCode::TooManyRowsChanged => "54000",
        ErrorCode::TooManyStatements | ErrorCode::RateLimited | ErrorCode::BudgetSpent => "53400",
        ErrorCode::ConnectionCap => "53300",
        ErrorCode::DatabaseUnavailable
        | ErrorCode::AuditUnavailable
        | ErrorCode::AppletDisabled
        | ErrorCode::CircuitOpen => "57P03",
        ErrorCode::CommitUnknown => "08007",
        ErrorCode::ManifestInvalid | ErrorCode::Internal => "XX000",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spec: F15
    #[test]
    fn f15_every_code_has_a_state_and_is_in_the_text() {
        for code in ErrorCode::ALL {
            let failure = Failure::new(*code, "why").hint("what to do");
            assert_eq!(sql_state(*code).len(), 5);
            assert_eq!(text(&failure), format!("{code}: why (what to do)"));
            assert!(extras(&failure).contains(&("applet-code".to_owned(), code.to_string())));
        }
        let denied = Failure::new(ErrorCode::TableNotAllowed, "no");
        assert_eq!(case(&denied), Case::QueryFailed);
        assert_eq!(case(&Failure::new(ErrorCode::BadParameter, "no")), Case::BadParameter);
        assert_eq!(case(&Failure::new(ErrorCode::ConnectionCap, "no")), Case::ConnectionFailed);
    }
}
