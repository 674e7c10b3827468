//! INSERT, UPDATE and DELETE.

use super::Printer;
use crate::ir::{Assignment, Conflict, ConflictUpdate, Delete, Insert, Item, Update};

impl Printer {
    pub(super) fn insert(&mut self, insert: &Insert) {
        let Insert { target, columns, tenant_column, source, conflict, returning } = insert;
        self.raw("INSERT INTO ");
        self.relation(target);
        self.raw(" ");
        self.in_parens(|this| {
            this.names(columns);
            this.raw(", ");
            this.name(tenant_column);
        });
        self.raw(" ");
        self.query(source);
        if let Some(conflict) = conflict {
            self.conflict(conflict);
        }
        self.returning(returning);
    }

    fn conflict(&mut self, conflict: &Conflict) {
        let Conflict { target, update } = conflict;
        self.raw(" ON CONFLICT ");
        if !target.is_empty() {
            self.in_parens(|this| this.names(target));
            self.raw(" ");
        }
        match update {
            None => self.raw("DO NOTHING"),
            Some(ConflictUpdate { assignments, selection, predicates }) => {
                self.raw("DO UPDATE SET ");
                self.assignments(assignments);
                self.conditions(" WHERE ", selection.as_ref(), predicates);
            }
        }
    }

    pub(super) fn update(&mut self, update: &Update) {
        let Update { target, assignments, from, selection, predicates, returning } = update;
        self.raw("UPDATE ");
        self.relation(target);
        self.raw(" SET ");
        self.assignments(assignments);
        if !from.is_empty() {
            self.raw(" FROM ");
            self.sources(from);
        }
        self.conditions(" WHERE ", selection.as_ref(), predicates);
        self.returning(returning);
    }

    pub(super) fn delete(&mut self, delete: &Delete) {
        let Delete { target, using, selection, predicates, returning } = delete;
        self.raw("DELETE FROM ");
        self.relation(target);
        if !using.is_empty() {
            self.raw(" USING ");
            self.sources(using);
        }
        self.conditions(" WHERE ", selection.as_ref(), predicates);
        self.returning(returning);
    }

    fn assignments(&mut self, assignments: &[Assignment]) {
        self.separated(assignments, |this, assignment| match assignment {
            Assignment::One(name, value) => {
                this.name(name);
                this.raw(" = ");
                this.expr(value);
            }
            Assignment::Many(names, value) => {
                this.in_parens(|this| this.names(names));
                this.raw(" = ");
                this.expr(value);
            }
        });
    }

    fn returning(&mut self, items: &[Item]) {
        if !items.is_empty() {
            self.raw(" RETURNING ");
            self.items(items);
        }
    }
}
