//! The first wall: SQL text + grants + catalogue + limits -> a scoped statement, or a rejection.
//!
//! *Invariants:* pure: no I/O, no clock. The guest's text is never sent and never printed back: what is sent
//! is printed from our own typed form. Only [`scope`] makes a [`ScopedStatement`].
//!
//! The passes, each documented in its module with what it assumes, guarantees and rejects:
//!
//! | | module | from | to |
//! |---|---|---|---|
//! | 0 | `text` | the guest's bytes | bounded text |
//! | 1 | `tokens` | text | tokens both parsers cut alike |
//! | 2 | `parse` | tokens | sqlparser's tree |
//! | 3 | `lower` | tree, catalogue, grants | typed form, names resolved and allowed |
//! | 4 | `place` | typed form | typed form with the tenant's predicates |
//! | 5 | `print` | typed form | canonical text and an account of it |
//! | 6 | `verify` | text, account | PostgreSQL's own parser agrees |

mod accounting;
mod allow;
mod ir;
mod lower;
mod parse;
mod place;
mod print;
mod reject;
mod span;
mod statement;
mod text;
mod tokens;
mod verify;

pub use statement::{ColumnUse, ScopedStatement, StatementKind, TableUse};

use std::collections::BTreeSet;

use applet_catalog::Catalog;
use applet_types::{ErrorCode, Failure, Grants, Span, SqlName, StatementLimits};

use crate::lower::Lower;
use crate::reject::Gate;
use crate::span::Text;

/// A tree of the longest statement that passes the token check fits, with room to spare.
const STACK: usize = 32 << 20;

/// Bytes of sanitised text that are kept.
const SANITISED_BYTES: usize = 2 << 10;

/// Which walls stand. Only `applet sql` can build anything but [`Wall::Both`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wall {
    /// Tenant predicates and grants are checked here, row-level security stands behind.
    Both,
    /// Everything but the tenant predicate and the table grants: for proving that the database's wall
    /// holds alone. Names, kinds, allowlists, printer, row cap and the tenant on INSERT stay.
    DatabaseOnly,
}

/// What a statement is checked against.
#[derive(Debug, Clone, Copy)]
pub struct ScopeContext<'a> {
    /// What the installation may do.
    pub grants: &'a Grants,
    /// What the database looks like.
    pub catalog: &'a Catalog,
    /// Bounds on the statement.
    pub limits: &'a StatementLimits,
    /// Which walls stand.
    pub wall: Wall,
    /// Whether columns of unique and foreign keys that do not start with the tenant may be written on
    /// tables that are not the applet's own (SPEC Decision 7).
    pub allow_global_keys: bool,
}

/// Checks a guest's statement and rewrites it so that it can only touch rows of one tenant. The result
/// names no tenant: the tenant is its last bind parameter, so one result serves every tenant.
///
/// # Errors
///
/// The rejection, with code, span into `sql`, rule, and what would allow it.
pub fn scope(sql: &str, context: &ScopeContext<'_>) -> Result<ScopedStatement, Failure> {
    passes(sql, context).map_err(|failure| located(withheld(failure, context), sql))
}

/// The columns that a statement reads and writes, as grants count them. Not kept with the statement: only
/// whoever measures which grants are used asks.
///
/// # Errors
///
/// The rejection, as [`scope`] gives it.
pub fn columns(sql: &str, context: &ScopeContext<'_>) -> Result<BTreeSet<ColumnUse>, Failure> {
    text::check(sql, context.limits)?;
    let text = Text::new(sql);
    let tokens = tokens::tokenize(&text, context.limits)?;
    lowered(tokens, &text, context).map(|(_, lower)| lower.columns)
}

/// A permission that the applet asks for and an admin has not granted has a code of its own, so that new
/// code can run under old grants and tell (SPEC F7). What the database has does not matter to it.
fn withheld(mut failure: Failure, context: &ScopeContext<'_>) -> Failure {
    if !matches!(failure.code, ErrorCode::TableNotAllowed | ErrorCode::ColumnNotAllowed) {
        return failure;
    }
    let name = |text: &Option<String>| text.as_deref().and_then(|text| SqlName::exact(text).ok());
    let (Some(table), Some(operation)) = (name(&failure.table), failure.operation) else { return failure };
    let (physical, column) = (context.grants.resolve(&table), name(&failure.column));
    if context.grants.is_withheld(physical, operation, column.as_ref()) {
        failure.code = ErrorCode::NotGranted;
        failure.message.push_str(", though the applet asks for it");
        failure.hint =
            Some("an admin of the tenant can grant it: `applet plan`, then `applet approve`".to_owned());
    }
    failure
}

fn passes(sql: &str, context: &ScopeContext<'_>) -> Gate<ScopedStatement> {
    text::check(sql, context.limits)?;
    let text = Text::new(sql);
    let tokens = tokens::tokenize(&text, context.limits)?;
    let parameters = tokens.parameters;
    let (mut lowered, lower) = lowered(tokens, &text, context)?;
    place::place(&mut lowered);
    let printed = print::print(&lowered, parameters);
    verify::check(&printed.text, &printed.accounting, context)?;
    Ok(ScopedStatement {
        kind: printed.accounting.kind,
        parameters,
        tenant_parameter: printed.accounting.tenant_parameter,
        returns_rows: printed.returns_rows,
        row_cap: context.limits.rows,
        tables: lower.uses.into_iter().collect(),
        sanitised: shortened(print::print_masked(&lowered, parameters)),
        joins: lower.joins,
        subqueries: lower.subqueries,
        volatile: lower.volatile,
        text: printed.text,
    })
}

fn lowered<'a>(
    tokens: tokens::Tokens,
    text: &'a Text<'a>,
    context: &'a ScopeContext<'a>,
) -> Gate<(ir::Statement, Lower<'a>)> {
    // The parser's tree is as deep as a chain of operators is long, and is walked and dropped recursively:
    // on a worker's 2 MiB stack that would be the end of the whole host. It never leaves this stack.
    stacker::grow(STACK, || {
        let tree = parse::parse(tokens.tokens, text)?;
        let mut lower = Lower::new(text, context);
        let lowered = lower.statement(&tree)?;
        Ok((lowered, lower))
    })
}

/// What has no narrower place is about the whole statement.
fn located(failure: Failure, sql: &str) -> Failure {
    if failure.span.is_some() {
        return failure;
    }
    let start = sql.len() - sql.trim_start().len();
    let end = sql.trim_end().len().max(start);
    failure.at(Span { start, end })
}

fn shortened(mut text: String) -> String {
    if text.len() > SANITISED_BYTES {
        text.truncate(text.floor_char_boundary(SANITISED_BYTES - '…'.len_utf8()));
        text.push('…');
    }
    text
}
