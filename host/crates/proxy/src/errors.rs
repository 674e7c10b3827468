//! What the database reports, as a failure with a fixed text.
//!
//! *Invariant:* nothing that the server wrote reaches a guest. Names of columns come from our own
//! catalogue, and only those that the grants let the applet see.

use std::io;

use applet_catalog::{Catalog, Table};
use applet_gate::TableUse;
use applet_types::{ErrorCode, Failure, Grants, RequestId, SqlName};

use crate::wire::{INVALID, ServerError, TransportError, WireError};

/// What a failure is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) request: RequestId,
    pub(crate) grants: &'a Grants,
    pub(crate) catalog: &'a Catalog,
    pub(crate) tables: &'a [TableUse],
    /// Whether the statement was given less time than usual because the deadline is near.
    pub(crate) deadline_near: bool,
}

/// The failure for an exchange that went wrong before any commit was sent.
pub(crate) fn failure(error: WireError, context: &Context<'_>) -> Failure {
    match error {
        WireError::Server(error) => server(&error, context),
        WireError::Lost(error) => lost(&error),
        WireError::Unprotected(error) => unprotected(&error),
        WireError::Protocol(what) => {
            tracing::error!(request = %context.request, what, "the database broke the protocol");
            Failure::internal(context.request)
        }
        WireError::Refused(failure) => failure,
    }
}

/// The failure for a session that could not be opened.
pub(crate) fn connecting(error: WireError, request: RequestId) -> Failure {
    match error {
        WireError::Server(error) if error.state.starts_with("28") => {
            tracing::error!(%request, state = error.state, "the database refused the login of an applet's role");
            Failure::internal(request)
        }
        WireError::Server(error) => {
            tracing::warn!(%request, state = error.state, "the database refused a connection");
            unavailable()
        }
        WireError::Lost(error) => lost(&error),
        WireError::Unprotected(error) => unprotected(&error),
        WireError::Protocol(what) => {
            tracing::error!(%request, what, "the database broke the protocol");
            Failure::internal(request)
        }
        WireError::Refused(failure) => failure,
    }
}

fn lost(error: &io::Error) -> Failure {
    tracing::warn!(kind = ?error.kind(), "a connection to the database broke");
    unavailable()
}

fn unprotected(error: &TransportError) -> Failure {
    tracing::error!(code = error.code(), %error, "there is no protected way to the database");
    unavailable()
}

fn unavailable() -> Failure {
    Failure::new(ErrorCode::DatabaseUnavailable, "the database cannot be reached").retry_after_ms(1_000)
}

/// The commit was sent, its answer never came.
pub(crate) fn commit_unknown() -> Failure {
    Failure::new(
        ErrorCode::CommitUnknown,
        "the connection broke while the commit was under way: it may or may not have happened",
    )
}

/// The statement ran out of time.
pub(crate) fn too_slow(deadline_near: bool) -> Failure {
    if deadline_near {
        Failure::new(ErrorCode::Deadline, "the invocation's time is over")
    } else {
        Failure::new(ErrorCode::StatementTimeout, "the statement took too long")
    }
}

/// Whether a session's prepared statement no longer fits the schema: it can run once it is prepared anew.
pub(crate) fn is_stale_plan(error: &WireError) -> bool {
    matches!(error, WireError::Server(error) if is_stale(error))
}

/// The same, or the session's setting of the tenant no longer fits the database: another session can run it.
pub(crate) fn is_stale_session(error: &WireError) -> bool {
    is_stale_plan(error) || matches!(error, WireError::Server(error) if error.state == INVALID)
}

fn is_stale(error: &ServerError) -> bool {
    error.state == "0A000" && error.routine.contains("CachedQuery") || error.state == "26000"
}

fn server(error: &ServerError, context: &Context<'_>) -> Failure {
    let simple = |code, message: &str| Failure::new(code, message);
    // Inside a guest's own transaction nothing can be run again for it.
    if is_stale(error) || error.state == INVALID {
        return simple(ErrorCode::Serialization, "the database was changed by an upgrade meanwhile");
    }
    match error.state.as_str() {
        "23502" => not_null(error, context),
        "23503" => constraint(
            ErrorCode::ForeignKey,
            "a referenced row is missing, or the row is still referenced",
            error,
            context,
        ),
        "23505" => constraint(ErrorCode::Unique, "a row with this key exists already", error, context),
        "23514" => constraint(ErrorCode::Check, "a value breaks a check of the table", error, context),
        "23P01" => constraint(ErrorCode::Unique, "the row conflicts with an existing one", error, context),
        "22012" => simple(ErrorCode::DivisionByZero, "division by zero"),
        "22001" => simple(ErrorCode::OutOfRange, "a value is too long for its column"),
        "22003" | "22008" | "22015" => {
            simple(ErrorCode::OutOfRange, "a value is out of the range of its type")
        }
        "21000" => simple(
            ErrorCode::InvalidValue,
            "a subquery gave more than one row, or a row would be changed twice",
        ),
        "25006" => simple(ErrorCode::UnsupportedStatement, "a reading statement tried to write"),
        "40001" => simple(ErrorCode::Serialization, "a concurrent transaction changed the same rows"),
        "40P01" => simple(ErrorCode::Deadlock, "two transactions waited for each other"),
        "55P03" => simple(ErrorCode::LockTimeout, "a lock was not free in time"),
        "57014" => too_slow(context.deadline_near),
        "25P03" => simple(ErrorCode::StatementTimeout, "the transaction was idle for too long"),
        "53400" => {
            simple(ErrorCode::BudgetSpent, "the statement needs more temporary space than it may have")
        }
        "42501" => privilege(error, context),
        "42P01" => on_table(simple(ErrorCode::UnknownTable, "the table is gone"), context),
        "42703" => on_table(simple(ErrorCode::UnknownColumn, "a column is gone"), context),
        "42P18" | "42P08" => simple(ErrorCode::BadParameter, "the type of a parameter cannot be told")
            .hint("write a cast, for example `$1::text`"),
        "42883" | "42725" => {
            simple(ErrorCode::OperatorNotAllowed, "no function or operator takes arguments of these types")
                .hint("write a cast")
        }
        "42804" | "42846" | "42P22" => {
            simple(ErrorCode::InvalidValue, "an expression has the wrong type").hint("write a cast")
        }
        "428C9" => simple(ErrorCode::SystemColumnWrite, "a column is generated by the database"),
        state => by_class(state, error, context),
    }
}

fn by_class(state: &str, error: &ServerError, context: &Context<'_>) -> Failure {
    let class = state.get(..2).unwrap_or_default();
    match class {
        "22" => Failure::new(ErrorCode::InvalidValue, "a value cannot be read as the type it is used as"),
        "42" => Failure::new(ErrorCode::Syntax, "the database cannot make sense of the statement"),
        "0A" => Failure::new(ErrorCode::UnsupportedStatement, "the database does not support this statement"),
        "54" => Failure::new(ErrorCode::StatementTooLarge, "the statement is too complex for the database"),
        "40" => Failure::new(ErrorCode::Serialization, "a concurrent transaction changed the same rows"),
        "08" | "53" | "57" | "58" => {
            tracing::warn!(request = %context.request, state, "the database is unavailable");
            unavailable()
        }
        _ => {
            tracing::error!(
                request = %context.request, state, routine = error.routine,
                "the database reported an error that we do not know"
            );
            Failure::internal(context.request)
        }
    }
}

fn privilege(error: &ServerError, context: &Context<'_>) -> Failure {
    // The row-level security check on a new row: it would belong to another tenant.
    if error.routine == "ExecWithCheckOptions" {
        return Failure::new(ErrorCode::TenantIdNotAllowed, "a row would belong to another tenant");
    }
    let failure =
        Failure::new(ErrorCode::TableNotAllowed, "the applet's role may not do this with the table");
    on_table(failure, context)
}

fn on_table(failure: Failure, context: &Context<'_>) -> Failure {
    match context.tables {
        [only] => failure.on(only.table.as_str(), only.operation),
        _ => failure,
    }
}

/// The table that the server names, if the statement touches it and the catalogue knows it.
fn named_table<'a>(error: &ServerError, context: &Context<'a>) -> Option<(&'a TableUse, &'a Table)> {
    let used = context.tables.iter().find(|used| used.table.as_str() == error.table)?;
    Some((used, context.catalog.table(&used.table)?))
}

fn not_null(error: &ServerError, context: &Context<'_>) -> Failure {
    let failure = |message: String| Failure::new(ErrorCode::NotNull, message);
    let known = named_table(error, context).and_then(|(used, table)| {
        let column = table.columns.iter().find(|column| column.name.as_str() == error.column)?;
        visible(context.grants, &used.table, &column.name).then_some((used, column))
    });
    match known {
        Some((used, column)) => failure(format!("column `{}` needs a value", column.name))
            .on(used.table.as_str(), used.operation)
            .column(column.name.as_str()),
        None => on_table(failure("a required column needs a value".to_owned()), context),
    }
}

fn constraint(code: ErrorCode, message: &str, error: &ServerError, context: &Context<'_>) -> Failure {
    let known = named_table(error, context).and_then(|(used, table)| {
        let columns = constraint_columns(code, table, &error.constraint)?;
        let tenant = table.tenant_column();
        let shown: Vec<&str> =
            columns.iter().filter(|column| Some(*column) != tenant).map(SqlName::as_str).collect();
        let all_visible = columns
            .iter()
            .filter(|column| Some(*column) != tenant)
            .all(|column| visible(context.grants, &used.table, column));
        (all_visible && !shown.is_empty()).then(|| (used, shown.join("`, `")))
    });
    match known {
        Some((used, columns)) => {
            Failure::new(code, format!("{message} (`{columns}`)")).on(used.table.as_str(), used.operation)
        }
        None => on_table(Failure::new(code, message), context),
    }
}

fn constraint_columns<'a>(code: ErrorCode, table: &'a Table, constraint: &str) -> Option<&'a [SqlName]> {
    match code {
        ErrorCode::Unique => {
            table.unique_keys.iter().find(|key| key.name == constraint).map(|key| key.columns.as_slice())
        }
        ErrorCode::ForeignKey => {
            table.foreign_keys.iter().find(|key| key.name == constraint).map(|key| key.columns.as_slice())
        }
        _ => None,
    }
}

/// Whether the grants let the applet know of this column.
fn visible(grants: &Grants, table: &SqlName, column: &SqlName) -> bool {
    grants.is_own(table)
        || grants.table(table).is_some_and(|grant| {
            [&grant.read, &grant.insert, &grant.update]
                .into_iter()
                .flatten()
                .any(|columns| columns.contains(column))
        })
}
