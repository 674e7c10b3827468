//! The first wall: SQL text + grants + catalogue + limits -> a scoped statement, or a rejection.

mod accounting;
mod statement;

pub use statement::{ScopedStatement, StatementKind, TableUse};

use applet_catalog::Catalog;
use applet_types::{ErrorCode, Failure, Grants, StatementLimits};

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
pub fn scope(_sql: &str, _context: &ScopeContext<'_>) -> Result<ScopedStatement, Failure> {
    Err(Failure::new(ErrorCode::UnsupportedStatement, "not built yet"))
}
