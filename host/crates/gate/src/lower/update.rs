//! UPDATE: the tenant's own rows only (S4.12).

use applet_types::Operation;
use sqlparser::ast::{self, Spanned as _, TableFactor, TableWithJoins, UpdateTableFromKind};

use super::Lower;
use super::from::{Star, stars_of};
use super::scope::{Entry, Scope};
use super::table::Target;
use crate::ir::{FromItem, Relation, Update};
use crate::reject::{Gate, syntax, unsupported};

impl<'a> Lower<'a> {
    pub(super) fn update(&mut self, update: &ast::Update) -> Gate<Update> {
        let ast::Update {
            update_token: _,
            optimizer_hints,
            table,
            assignments,
            from,
            selection,
            returning,
            output,
            or,
            order_by,
            limit,
        } = update;
        self.absent(!optimizer_hints.is_empty(), "an optimizer hint")?;
        self.absent(output.is_some() || or.is_some(), "a modifier of UPDATE")?;
        self.absent(!order_by.is_empty() || limit.is_some(), "ORDER BY or LIMIT of an UPDATE")?;
        let (target, relation, entry) = self.write_target(table, Operation::Update)?;
        let mut scope = Scope::default();
        let mut stars = stars_of(&entry);
        scope.push(entry, target.span)?;
        let from = match from {
            None => Vec::new(),
            Some(UpdateTableFromKind::AfterSet(list)) => self.more_relations(list, &mut scope, &mut stars)?,
            Some(UpdateTableFromKind::BeforeSet(_)) => {
                return Err(unsupported("update-from", target.span, "FROM before SET"));
            }
        };
        let (assignments, written) = self.assignments(assignments, &target, &scope)?;
        let selection = selection.as_ref().map(|condition| self.expr(condition, &scope)).transpose()?;
        let returning = self.returning(returning.as_deref(), &mut scope, &stars)?;
        let operation = Self::update_operation(&target, &written, &assignments);
        self.uses(&target.table.name, operation);
        Ok(Update { target: relation, assignments, from, selection, predicates: Vec::new(), returning })
    }

    /// The table that an UPDATE or DELETE writes: one table, named itself, never a common table expression.
    pub(super) fn write_target(
        &self,
        tree: &TableWithJoins,
        operation: Operation,
    ) -> Gate<(Target<'a>, Relation, Entry)> {
        let TableWithJoins { relation: factor, joins } = tree;
        let span = self.span(tree.span());
        let TableFactor::Table {
            name,
            alias,
            args: None,
            with_hints,
            version: None,
            with_ordinality: false,
            partitions,
            json_path: None,
            sample: None,
            index_hints,
        } = factor
        else {
            return Err(unsupported("write-target", span, "a write to anything but a table"));
        };
        self.absent(!joins.is_empty(), "a join as the target of a write")?;
        self.absent(
            !with_hints.is_empty() || !partitions.is_empty() || !index_hints.is_empty(),
            "a table option",
        )?;
        let target = self.target(name, operation)?;
        let alias = match alias {
            None => target.name.clone(),
            Some(alias) => match self.alias(alias)? {
                (alias, columns) if columns.is_empty() => alias,
                _ => return Err(syntax(span, "the target of a write takes no column aliases")),
            },
        };
        let (relation, entry) = self.relation(&target, alias, true);
        Ok((target, relation, entry))
    }

    /// FROM of an UPDATE or USING of a DELETE: every item is joined with the target.
    pub(super) fn more_relations(
        &mut self,
        list: &[TableWithJoins],
        scope: &mut Scope<'_>,
        stars: &mut Vec<Star>,
    ) -> Gate<Vec<FromItem>> {
        if let Some(first) = list.first() {
            self.count_join(self.span(first.span()))?;
        }
        let (from, more) = self.sources(list, scope)?;
        stars.extend(more);
        Ok(from)
    }
}
