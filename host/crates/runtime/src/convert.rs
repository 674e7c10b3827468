//! Between the words of the WIT and ours. *Invariant:* one function decides which error a guest sees.

use applet_bindings::types;
use applet_types::{ColumnType, Encoding, ErrorGroup, Failure, Outcome, Statement, Value};

/// A statement as the guest hands it over.
pub(crate) fn statement(sql: String, parameters: Vec<types::Value>) -> Statement {
    Statement { sql, parameters: parameters.into_iter().map(value).collect() }
}

fn value(value: types::Value) -> Value {
    match value {
        types::Value::Null => Value::Null,
        types::Value::Boolean(boolean) => Value::Boolean(boolean),
        types::Value::Integer(integer) => Value::Integer(integer),
        types::Value::Float(float) => Value::Float(float),
        types::Value::Text(text) => Value::Text(text),
        types::Value::Bytes(bytes) => Value::Bytes(bytes),
        types::Value::Json(json) => Value::Json(json),
    }
}

/// How the guest wants its rows.
pub(crate) const fn encoding(encoding: types::Encoding) -> Encoding {
    match encoding {
        types::Encoding::Packed => Encoding::Packed,
        types::Encoding::Json => Encoding::Json,
    }
}

/// Rows, as they are: the buffer is handed on untouched.
pub(crate) fn rows(outcome: Outcome) -> types::Rows {
    let columns = outcome.rows.columns.iter();
    types::Rows {
        columns: columns
            .map(|column| types::Column { name: column.name.clone(), kind: column_type(column.kind) })
            .collect(),
        count: outcome.rows.count,
        truncated: outcome.rows.truncated,
        affected: outcome.affected,
        data: outcome.rows.data,
    }
}

const fn column_type(kind: ColumnType) -> types::ColumnType {
    match kind {
        ColumnType::Boolean => types::ColumnType::Boolean,
        ColumnType::Int16 => types::ColumnType::Int16,
        ColumnType::Int32 => types::ColumnType::Int32,
        ColumnType::Int64 => types::ColumnType::Int64,
        ColumnType::Float32 => types::ColumnType::Float32,
        ColumnType::Float64 => types::ColumnType::Float64,
        ColumnType::Numeric => types::ColumnType::Numeric,
        ColumnType::Text => types::ColumnType::Text,
        ColumnType::Bytes => types::ColumnType::Bytes,
        ColumnType::Uuid => types::ColumnType::Uuid,
        ColumnType::Date => types::ColumnType::Date,
        ColumnType::Time => types::ColumnType::Time,
        ColumnType::Timestamp => types::ColumnType::Timestamp,
        ColumnType::TimestampTz => types::ColumnType::Timestamptz,
        ColumnType::Interval => types::ColumnType::Interval,
        ColumnType::Json => types::ColumnType::Json,
        ColumnType::Array => types::ColumnType::Array,
    }
}

/// The error that a guest sees.
pub(crate) fn error(failure: Failure) -> types::Error {
    let group = failure.code.group();
    let detail = detail(failure);
    match group {
        ErrorGroup::PermissionDenied => types::Error::PermissionDenied(detail),
        ErrorGroup::StatementRejected => types::Error::StatementRejected(detail),
        ErrorGroup::InvalidArgument => types::Error::InvalidArgument(detail),
        ErrorGroup::DataError => types::Error::DataError(detail),
        ErrorGroup::LimitExceeded => types::Error::LimitExceeded(detail),
        ErrorGroup::ConstraintViolation => types::Error::ConstraintViolation(detail),
        ErrorGroup::Conflict => types::Error::Conflict(detail),
        ErrorGroup::Timeout => types::Error::Timeout(detail),
        ErrorGroup::Busy => types::Error::Busy(detail),
        ErrorGroup::Unavailable => types::Error::Unavailable(detail),
        ErrorGroup::OutcomeUnknown => types::Error::OutcomeUnknown(detail),
        // A manifest is read at submit, so at run time this would be a fault of ours.
        ErrorGroup::ManifestInvalid | ErrorGroup::Internal => types::Error::Internal(detail),
    }
}

fn detail(failure: Failure) -> types::Detail {
    let position = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
    types::Detail {
        code: failure.code.as_str().to_owned(),
        message: failure.message,
        span: failure.span.map(|span| types::Span { start: position(span.start), end: position(span.end) }),
        table: failure.table,
        column: failure.column,
        operation: failure.operation.map(|operation| operation.as_str().to_owned()),
        hint: failure.hint,
        retry_after_ms: failure.retry_after_ms,
    }
}

#[cfg(test)]
mod tests {
    use applet_types::ErrorCode;

    use super::*;

    #[test]
    fn f3_every_code_reaches_the_guest_under_its_group_and_with_its_text() {
        for code in ErrorCode::ALL {
            let (case, detail) = match error(Failure::new(*code, "why")) {
                types::Error::PermissionDenied(detail) => ("permission-denied", detail),
                types::Error::StatementRejected(detail) => ("statement-rejected", detail),
                types::Error::InvalidArgument(detail) => ("invalid-argument", detail),
                types::Error::DataError(detail) => ("data-error", detail),
                types::Error::LimitExceeded(detail) => ("limit-exceeded", detail),
                types::Error::ConstraintViolation(detail) => ("constraint-violation", detail),
                types::Error::Conflict(detail) => ("conflict", detail),
                types::Error::Timeout(detail) => ("timeout", detail),
                types::Error::Busy(detail) => ("busy", detail),
                types::Error::Unavailable(detail) => ("unavailable", detail),
                types::Error::OutcomeUnknown(detail) => ("outcome-unknown", detail),
                types::Error::Internal(detail) => ("internal", detail),
            };
            let group = serde_json::to_value(code.group()).unwrap();
            let expected = if group == "manifest-invalid" { "internal" } else { group.as_str().unwrap() };
            assert_eq!(case, expected, "{code}");
            assert_eq!(detail.code, code.as_str());
        }
    }
}
