//! The gate's rejections: one constructor per way to say no, each with a stable rule id (SPEC F3).

use applet_types::{ErrorCode, Failure, Operation, Span, SqlName};

/// The result of every step of the gate.
pub(crate) type Gate<T> = Result<T, Failure>;

/// A rejection with its code, rule and place.
pub(crate) fn reject(
    code: ErrorCode,
    rule: &'static str,
    span: Option<Span>,
    message: impl Into<String>,
) -> Failure {
    let failure = Failure::new(code, message).rule(rule);
    match span {
        Some(span) => failure.at(span),
        None => failure,
    }
}

/// A construct that applets cannot use, whatever is granted.
pub(crate) fn unsupported(rule: &'static str, span: Option<Span>, what: &str) -> Failure {
    reject(ErrorCode::UnsupportedStatement, rule, span, format!("{what} cannot be used by applets"))
}

/// Not SQL as PostgreSQL reads it.
pub(crate) fn syntax(span: Option<Span>, message: impl Into<String>) -> Failure {
    reject(ErrorCode::Syntax, "syntax", span, message)
}

/// Too large, too deep or too long a chain.
pub(crate) fn too_large(rule: &'static str, span: Option<Span>, message: impl Into<String>) -> Failure {
    reject(ErrorCode::StatementTooLarge, rule, span, message)
}

/// A table that is not granted for an operation, or does not exist: the two look alike on purpose.
pub(crate) fn table_not_allowed(table: &str, operation: Operation, span: Option<Span>) -> Failure {
    let key = match operation {
        Operation::Read => "read",
        Operation::Insert | Operation::Update | Operation::SoftDelete => "write",
        Operation::HardDelete => "delete",
    };
    let message = format!("table `{table}` is not granted for {operation}");
    let failure = reject(ErrorCode::TableNotAllowed, "table-grant", span, message).on(table, operation);
    // Only what a manifest can request is worth a hint; a name it cannot even hold never is.
    if SqlName::exact(table).is_err() {
        return failure;
    }
    failure.hint(format!("permissions.database.{key}: [{table}]")).grantable()
}

/// A column that the grant of its table leaves out.
pub(crate) fn column_not_allowed(
    table: &str,
    column: &str,
    operation: Operation,
    span: Option<Span>,
) -> Failure {
    let (key, hint) = match operation {
        Operation::Read => ("read", format!("{{table: {table}, columns: [{column}]}}")),
        Operation::Insert | Operation::Update | Operation::SoftDelete | Operation::HardDelete => {
            let verb = if operation == Operation::Insert { "insert" } else { "update" };
            ("write", format!("{{table: {table}, operations: [{verb}], columns: [{column}]}}"))
        }
    };
    let message = format!("column `{column}` of `{table}` is not granted for {operation}");
    reject(ErrorCode::ColumnNotAllowed, "column-grant", span, message)
        .on(table, operation)
        .column(column)
        .hint(format!("permissions.database.{key}: [{hint}]"))
        .grantable()
}
