//! The only thing the proxy executes.

use applet_types::{Operation, SqlName};

/// What kind of statement it is; decides read-only mode and what the command tag counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatementKind {
    /// SELECT.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
}

/// One table and what the statement does to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableUse {
    /// Physical name.
    pub table: SqlName,
    /// What is done.
    pub operation: Operation,
}

/// One column and what a statement does with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnUse {
    /// Physical name of its table.
    pub table: SqlName,
    /// What is done.
    pub operation: Operation,
    /// The column.
    pub column: SqlName,
}

/// A statement that passed the gate. *Invariant:* only [`crate::scope`] makes one, so whoever holds one
/// holds checked, scoped, printed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopedStatement {
    pub(crate) text: String,
    pub(crate) kind: StatementKind,
    pub(crate) parameters: u16,
    pub(crate) tenant_parameter: Option<u16>,
    pub(crate) returns_rows: bool,
    pub(crate) row_cap: u32,
    pub(crate) tables: Vec<TableUse>,
    pub(crate) sanitised: String,
    pub(crate) joins: usize,
    pub(crate) subqueries: usize,
    pub(crate) volatile: bool,
}

impl ScopedStatement {
    /// The text to send: canonical, every name qualified and quoted.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it is.
    pub const fn kind(&self) -> StatementKind {
        self.kind
    }

    /// How many parameters the guest has to supply.
    pub const fn parameters(&self) -> u16 {
        self.parameters
    }

    /// The number of the parameter that takes the tenant (always the last), if the statement touches
    /// anything that belongs to tenants.
    pub const fn tenant_parameter(&self) -> Option<u16> {
        self.tenant_parameter
    }

    /// Whether rows come back: a SELECT, or a write with RETURNING.
    pub const fn returns_rows(&self) -> bool {
        self.returns_rows
    }

    /// Rows that may be handed out; the text of a SELECT asks for one more.
    pub const fn row_cap(&self) -> u32 {
        self.row_cap
    }

    /// Every base table it touches and how, in order, without repetition.
    pub fn tables(&self) -> &[TableUse] {
        &self.tables
    }

    /// The statement with every literal replaced by `?`, at most 2 KiB: for audit and logs.
    pub fn sanitised(&self) -> &str {
        &self.sanitised
    }

    /// Joins it uses, out of the limit.
    pub const fn joins(&self) -> usize {
        self.joins
    }

    /// Subqueries, derived tables and CTEs it uses, out of the limit.
    pub const fn subqueries(&self) -> usize {
        self.subqueries
    }

    /// Whether it calls a function whose result changes between calls, so that it must not be cached.
    pub const fn volatile(&self) -> bool {
        self.volatile
    }
}
