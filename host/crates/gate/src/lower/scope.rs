//! What names mean inside one query: the relations in FROM, their columns, and the queries around it.
//!
//! Resolution follows PostgreSQL: a bare name is a column of the innermost query that has one, else a
//! whole row of a relation; `alias.column` is the innermost relation of that alias.

use applet_types::{ErrorCode, Operation, Span, SqlName};
use sqlparser::ast::Ident;

use super::Lower;
use crate::ir::{Expr, Name};
use crate::reject::{Gate, column_not_allowed, reject, syntax, table_not_allowed};

/// Whether a column may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Granted for reading, or the column of a derived table.
    Granted,
    /// A key or tenant column of a table that may be written: readable without a read grant.
    Key,
    /// The table is granted for reading, this column is not.
    NoColumn,
    /// The table may be written but not read.
    NoTable,
}

impl Access {
    pub(super) const fn is_readable(self) -> bool {
        matches!(self, Self::Granted | Self::Key)
    }
}

#[derive(Debug, Clone)]
pub(super) struct ScopeColumn {
    pub(super) name: Name,
    pub(super) access: Access,
}

/// One relation in FROM.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) alias: Name,
    pub(super) columns: Vec<ScopeColumn>,
    /// The physical table, for base relations.
    pub(super) table: Option<SqlName>,
    /// What errors call it: the guest's own word.
    pub(super) shown: String,
}

impl Entry {
    /// A relation whose columns are all its own.
    pub(super) fn derived(alias: Name, columns: impl IntoIterator<Item = Name>) -> Self {
        let columns = columns.into_iter().map(|name| ScopeColumn { name, access: Access::Granted }).collect();
        Self { shown: alias.as_str().to_owned(), alias, columns, table: None }
    }

    pub(super) fn column(&self, name: &Name) -> Option<&ScopeColumn> {
        self.columns.iter().find(|column| column.name == *name)
    }
}

/// One level of names.
#[derive(Debug, Default)]
pub(super) struct Scope<'s> {
    entries: Vec<Entry>,
    /// Columns that USING or NATURAL has made one.
    pub(super) merged: Vec<Name>,
    /// Entries before this one are not visible: ON sees only the two sides of its join.
    pub(super) visible_from: usize,
    /// RETURNING of a table without read grant has its own error.
    pub(super) returning: bool,
    outer: Option<&'s Scope<'s>>,
}

impl<'s> Scope<'s> {
    pub(super) fn inside(outer: Option<&'s Self>) -> Self {
        Self { outer, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn push(&mut self, entry: Entry, span: Option<Span>) -> Gate<()> {
        if self.entries.iter().any(|known| known.alias == entry.alias) {
            let message = format!("`{}` is named twice in FROM; give it an alias", entry.alias.as_str());
            return Err(syntax(span, message));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Replaces the entries from `start` on by one: an alias of a join hides its members.
    pub(super) fn hide_from(&mut self, start: usize) {
        self.entries.truncate(start);
    }

    fn visible(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().skip(self.visible_from)
    }

    /// The queries around this one.
    pub(super) fn outer(&self) -> Option<&'s Self> {
        self.outer
    }

    /// Whether a relation of this very query has such a column.
    pub(super) fn has_input(&self, name: &Name) -> bool {
        self.visible().any(|entry| entry.column(name).is_some())
    }

    pub(super) fn levels(&self) -> impl Iterator<Item = &Scope<'s>> {
        std::iter::successors(Some(self), |scope| scope.outer)
    }

    /// The relation of this alias, and the level it is on.
    fn relation(&self, alias: &Name) -> Option<(&Scope<'s>, &Entry)> {
        self.levels()
            .find_map(|level| level.visible().find(|entry| entry.alias == *alias).map(|entry| (level, entry)))
    }
}

impl Lower<'_> {
    /// A bare name in an expression.
    pub(super) fn bare_column(&mut self, ident: &Ident, scope: &Scope<'_>) -> Gate<Expr> {
        let name = self.column_name(ident)?;
        let span = self.ident_span(ident);
        for level in scope.levels() {
            let matches: Vec<_> = level.visible().filter(|entry| entry.column(&name).is_some()).collect();
            if matches.is_empty() {
                continue;
            }
            if matches.len() > 1 && !level.merged.contains(&name) {
                let message = format!("column `{}` is ambiguous; write it with its table", name.as_str());
                return Err(
                    reject(ErrorCode::UnknownColumn, "ambiguous-column", span, message).column(name.as_str())
                );
            }
            for entry in matches {
                self.may_read(entry, &name, level.returning, span)?;
            }
            return Ok(Expr::Column { relation: None, column: name });
        }
        if scope.relation(&name).is_some() {
            return self.whole_row(name, false, scope, span);
        }
        Err(unknown_column(&name, None, span))
    }

    /// `alias.column`.
    pub(super) fn qualified_column(
        &mut self,
        qualifier: &Ident,
        ident: &Ident,
        scope: &Scope<'_>,
    ) -> Gate<Expr> {
        let alias = self.relation_name(qualifier)?;
        let name = self.field_name(ident)?;
        let span = self.parts_span(&[qualifier, ident]);
        let Some((level, entry)) = scope.relation(&alias) else {
            return Err(unknown_relation(&alias, self.ident_span(qualifier)));
        };
        // With no such column, `c.f` would call function f with the row c.
        if entry.column(&name).is_none() {
            return Err(unknown_column(&name, Some(&entry.shown), span));
        }
        self.may_read(entry, &name, level.returning, span)?;
        Ok(Expr::Column { relation: Some(alias), column: name })
    }

    /// A relation used as one value, which reads all its columns.
    pub(super) fn whole_row(
        &mut self,
        alias: Name,
        star: bool,
        scope: &Scope<'_>,
        span: Option<Span>,
    ) -> Gate<Expr> {
        let Some((level, entry)) = scope.relation(&alias) else {
            return Err(unknown_relation(&alias, span));
        };
        for column in &entry.columns {
            self.may_read(entry, &column.name, level.returning, span)?;
        }
        Ok(Expr::WholeRow { alias, star })
    }

    /// The columns that `alias.*` stands for.
    pub(super) fn all_of(&mut self, alias: &Name, scope: &Scope<'_>, span: Option<Span>) -> Gate<Vec<Name>> {
        let Some((_, entry)) = scope.relation(alias) else {
            return Err(unknown_relation(alias, span));
        };
        self.note_read(entry);
        let shown: Vec<Name> = shown_by_star(entry).cloned().collect();
        if let Some(table) = &entry.table {
            shown.iter().for_each(|column| self.uses_column(table, Operation::Read, column.as_str()));
        }
        Ok(shown)
    }

    fn may_read(&mut self, entry: &Entry, name: &Name, returning: bool, span: Option<Span>) -> Gate<()> {
        let access = entry.column(name).map_or(Access::NoColumn, |column| column.access);
        match access {
            Access::Granted => {
                if let Some(table) = &entry.table {
                    self.uses(table, Operation::Read);
                    self.uses_column(table, Operation::Read, name.as_str());
                }
                Ok(())
            }
            Access::Key => Ok(()),
            Access::NoTable if !returning => {
                Err(table_not_allowed(&entry.shown, Operation::Read, span).column(name.as_str()))
            }
            Access::NoColumn | Access::NoTable => {
                Err(column_not_allowed(&entry.shown, name.as_str(), Operation::Read, span))
            }
        }
    }

    /// Notes that a relation is read, where it has a read grant at all.
    pub(super) fn note_read(&mut self, entry: &Entry) {
        if let Some(table) = &entry.table
            && entry.columns.iter().any(|column| column.access == Access::Granted)
        {
            self.uses(table, Operation::Read);
        }
    }
}

/// What `*` shows of a relation: the granted columns; of a table without read grant, its key.
pub(super) fn shown_by_star(entry: &Entry) -> impl Iterator<Item = &Name> {
    let any = entry.columns.iter().any(|column| column.access == Access::Granted);
    let wanted = if any { Access::Granted } else { Access::Key };
    entry.columns.iter().filter(move |column| column.access == wanted).map(|column| &column.name)
}

fn unknown_column(name: &Name, table: Option<&str>, span: Option<Span>) -> applet_types::Failure {
    let message = match table {
        Some(table) => format!("`{table}` has no column `{}`", name.as_str()),
        None => format!("there is no column `{}` here", name.as_str()),
    };
    let failure = reject(ErrorCode::UnknownColumn, "unknown-column", span, message).column(name.as_str());
    match table {
        Some(table) => failure.on(table, Operation::Read),
        None => failure,
    }
}

fn unknown_relation(alias: &Name, span: Option<Span>) -> applet_types::Failure {
    let message = format!("`{}` is not a table of this query's FROM", alias.as_str());
    reject(ErrorCode::UnknownColumn, "unknown-qualifier", span, message)
}
