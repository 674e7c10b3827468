//! Pass 3, lowering. Assumes a syntax tree on a large stack. Guarantees a typed form in which every name is
//! resolved as PostgreSQL resolves it, every table and column is granted for what is done with it, and
//! every function, operator and type is on its list. Rejects everything else.
//!
//! *Invariant:* matches on the syntax tree name every variant they accept and destructure every field, so
//! that an upgrade of the parser that adds one does not compile until somebody has looked at it. What is
//! not accepted is rejected.
//!
//! Start at [`Lower::statement`]; [`scope`] says how names are resolved, [`table`] what a grant allows.

mod assign;
mod call;
mod delete;
mod expr;
mod forms;
mod from;
mod insert;
mod literal;
mod names;
mod output;
mod query;
mod scope;
mod select;
mod table;
mod update;
mod window;

use std::collections::BTreeSet;

use applet_types::{ErrorCode, Operation, Span, SqlName};
use sqlparser::ast::{self, SetExpr, Spanned as _};

use crate::ir;
use crate::reject::{Gate, reject, too_large, unsupported};
use crate::span::Text;
use crate::{ColumnUse, ScopeContext, TableUse, Wall};

/// A common table expression in scope.
#[derive(Debug, Clone)]
struct VisibleCte {
    name: ir::Name,
    columns: Vec<ir::Name>,
}

/// Where a query stands, which decides about its row cap and its output names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The statement itself: capped, names as PostgreSQL chooses them.
    Top,
    /// The rows of an INSERT.
    Source,
    /// In FROM or WITH: others refer to its columns by name, so every name is printed.
    Named,
    /// In an expression.
    Expression,
}

/// The walk from the syntax tree to the typed form.
pub(crate) struct Lower<'a> {
    text: &'a Text<'a>,
    context: &'a ScopeContext<'a>,
    depth: usize,
    ctes: Vec<VisibleCte>,
    pub(crate) joins: usize,
    pub(crate) subqueries: usize,
    pub(crate) uses: BTreeSet<TableUse>,
    pub(crate) columns: BTreeSet<ColumnUse>,
    pub(crate) volatile: bool,
}

impl<'a> Lower<'a> {
    pub(crate) const fn new(text: &'a Text<'a>, context: &'a ScopeContext<'a>) -> Self {
        Self {
            text,
            context,
            depth: 0,
            ctes: Vec::new(),
            joins: 0,
            subqueries: 0,
            uses: BTreeSet::new(),
            columns: BTreeSet::new(),
            volatile: false,
        }
    }

    /// Lowers a whole statement.
    pub(crate) fn statement(&mut self, statement: &ast::Statement) -> Gate<ir::Statement> {
        match statement {
            ast::Statement::Query(query) => self.top_query(query),
            ast::Statement::Insert(insert) => self.insert_statement(Vec::new(), insert),
            ast::Statement::Update(update) => self.update_statement(Vec::new(), update),
            ast::Statement::Delete(delete) => self.delete_statement(Vec::new(), delete),
            other => Err(unsupported("statement-kind", self.span(other.span()), "this kind of statement")
                .hint("applets use SELECT, INSERT, UPDATE and DELETE")),
        }
    }

    /// A query at the top, which may be a write with common table expressions before it.
    fn top_query(&mut self, query: &ast::Query) -> Gate<ir::Statement> {
        let write = match query.body.as_ref() {
            SetExpr::Insert(statement) | SetExpr::Update(statement) | SetExpr::Delete(statement) => statement,
            SetExpr::Select(_)
            | SetExpr::Query(_)
            | SetExpr::SetOperation { .. }
            | SetExpr::Values(_)
            | SetExpr::Merge(_)
            | SetExpr::Table(_) => {
                let (query, _) = self.query(query, None, Place::Top)?;
                return Ok(ir::Statement { ctes: Vec::new(), body: ir::StatementBody::Select(query) });
            }
        };
        self.bare_clauses(query)?;
        let ctes = match &query.with {
            Some(with) => self.with(with, None)?,
            None => Vec::new(),
        };
        match write {
            ast::Statement::Insert(insert) => self.insert_statement(ctes, insert),
            ast::Statement::Update(update) => self.update_statement(ctes, update),
            ast::Statement::Delete(delete) => self.delete_statement(ctes, delete),
            other => Err(unsupported("statement-kind", self.span(other.span()), "this kind of statement")),
        }
    }

    fn insert_statement(&mut self, ctes: Vec<ir::Cte>, insert: &ast::Insert) -> Gate<ir::Statement> {
        Ok(ir::Statement { ctes, body: ir::StatementBody::Insert(Box::new(self.insert(insert)?)) })
    }

    fn update_statement(&mut self, ctes: Vec<ir::Cte>, update: &ast::Update) -> Gate<ir::Statement> {
        Ok(ir::Statement { ctes, body: ir::StatementBody::Update(Box::new(self.update(update)?)) })
    }

    fn delete_statement(&mut self, ctes: Vec<ir::Cte>, delete: &ast::Delete) -> Gate<ir::Statement> {
        Ok(ir::Statement { ctes, body: ir::StatementBody::Delete(Box::new(self.delete(delete)?)) })
    }

    /// Runs one step deeper; the depth of expressions and queries is one budget.
    fn deeper<T>(
        &mut self,
        at: impl FnOnce() -> sqlparser::tokenizer::Span,
        step: impl FnOnce(&mut Self) -> Gate<T>,
    ) -> Gate<T> {
        if self.depth >= self.context.limits.depth {
            let message = format!("nested more than {} levels deep", self.context.limits.depth);
            return Err(too_large("depth", self.span(at()), message));
        }
        self.depth += 1;
        let result = step(self);
        self.depth -= 1;
        result
    }

    /// Counts a nested query.
    fn count_subquery(&mut self, span: Option<Span>) -> Gate<()> {
        self.subqueries += 1;
        let limit = self.context.limits.subqueries;
        if self.subqueries <= limit {
            return Ok(());
        }
        let message =
            format!("more than {limit} subqueries; derived tables and common table expressions count");
        Err(reject(ErrorCode::TooManySubqueries, "max-subqueries", span, message))
    }

    /// Counts a join; a comma in FROM is one.
    fn count_join(&mut self, span: Option<Span>) -> Gate<()> {
        self.joins += 1;
        let limit = self.context.limits.joins;
        if self.joins <= limit {
            return Ok(());
        }
        let message = format!("more than {limit} joins; a comma in FROM counts");
        Err(reject(ErrorCode::TooManyJoins, "max-joins", span, message))
    }

    fn uses(&mut self, table: &SqlName, operation: Operation) {
        self.uses.insert(TableUse { table: table.clone(), operation });
    }

    fn uses_column(&mut self, table: &SqlName, operation: Operation, column: &str) {
        // Every column of a table in the catalogue has such a name.
        if let Ok(column) = SqlName::exact(column) {
            self.columns.insert(ColumnUse { table: table.clone(), operation, column });
        }
    }

    fn span(&self, span: sqlparser::tokenizer::Span) -> Option<Span> {
        self.text.span(span)
    }

    fn span_of(&self, expr: &ast::Expr) -> Option<Span> {
        self.span(expr.span())
    }

    /// Whether grants and predicates are checked and placed here.
    fn both_walls(&self) -> bool {
        self.context.wall == Wall::Both
    }

    /// Rejects a clause that has to be absent.
    fn absent(&self, present: bool, what: &str) -> Gate<()> {
        if present { Err(unsupported("clause", None, what)) } else { Ok(()) }
    }
}
