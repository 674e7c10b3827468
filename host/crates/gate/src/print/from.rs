//! FROM.

use super::Printer;
use crate::accounting::Scoped;
use crate::ir::{Constraint, FromItem, Join, JoinKind, Name, Relation};

impl Printer {
    pub(super) fn sources(&mut self, list: &[FromItem]) {
        self.separated(list, Self::source);
    }

    fn source(&mut self, item: &FromItem) {
        match item {
            FromItem::Relation(relation) if relation.derive => self.derived_relation(relation),
            FromItem::Relation(relation) => self.relation(relation),
            FromItem::Cte { name, alias, columns } => {
                self.name(name);
                self.alias(alias, columns);
            }
            FromItem::Derived { lateral, query, alias, columns } => {
                self.lateral(*lateral);
                self.nested(query);
                self.alias(alias, columns);
            }
            FromItem::Function { lateral, calls, ordinality, alias, columns } => {
                self.lateral(*lateral);
                match calls.as_slice() {
                    [call] => self.call(call),
                    calls => {
                        self.raw("ROWS FROM ");
                        self.in_parens(|this| this.separated(calls, Self::call));
                    }
                }
                if *ordinality {
                    self.raw(" WITH ORDINALITY");
                }
                self.alias(alias, columns);
            }
            FromItem::Join(join) => self.join(join),
            FromItem::Group { inner, alias } => {
                self.in_parens(|this| this.source(inner));
                if let Some((alias, columns)) = alias {
                    self.alias(alias, columns);
                }
            }
        }
    }

    fn lateral(&mut self, lateral: bool) {
        if lateral {
            self.raw("LATERAL ");
        }
    }

    fn alias(&mut self, alias: &Name, columns: &[Name]) {
        self.raw(" AS ");
        self.name(alias);
        if !columns.is_empty() {
            self.in_parens(|this| this.names(columns));
        }
    }

    /// A relation in a derived table of its own, which shows what may be read of it.
    fn derived_relation(&mut self, relation: &Relation) {
        self.accounting.nested_queries += 1;
        self.in_parens(|this| {
            this.raw("SELECT ");
            this.separated(&relation.readable, |this, column| {
                this.name(&relation.alias);
                this.raw(".");
                this.name(column);
            });
            this.raw(" FROM ");
            this.relation(relation);
            if let (Scoped::Derived, Some(column)) = (relation.scoped, &relation.tenant) {
                this.raw(" WHERE ");
                this.predicate(&relation.alias, column);
            }
        });
        self.alias(&relation.alias, &relation.renamed);
    }

    fn join(&mut self, join: &Join) {
        let Join { left, right, kind, constraint, predicates } = join;
        self.source(left);
        if matches!(constraint, Constraint::Natural) {
            self.raw(" NATURAL");
        }
        self.raw(match kind {
            JoinKind::Inner => " INNER JOIN ",
            JoinKind::Left => " LEFT JOIN ",
            JoinKind::Right => " RIGHT JOIN ",
            JoinKind::Full => " FULL JOIN ",
            JoinKind::Cross => " CROSS JOIN ",
        });
        self.source(right);
        match constraint {
            Constraint::On(condition) => self.conditions(" ON ", Some(condition), predicates),
            Constraint::Using(columns) => {
                self.raw(" USING ");
                self.in_parens(|this| this.names(columns));
            }
            Constraint::Natural | Constraint::None => {}
        }
    }
}
