//! Pass 5, printing. Assumes a placed typed form. Guarantees canonical text in which every relation is
//! `"schema"."name" AS "alias"`, every identifier is quoted, every function and type is PostgreSQL's own and
//! says so, and every string is escaped here; and an account of all of it. Rejects nothing.
//!
//! *Invariant:* text of the guest reaches the output through [`Printer::name`] and [`Printer::text`] only,
//! as identifiers that cannot hold a quote and strings whose quotes are doubled.

mod expr;
mod from;
mod query;
mod write;

use std::collections::BTreeSet;

use crate::StatementKind;
use crate::accounting::{Accounting, PrintedRelation};
use crate::ir::{Expr, Name, Predicate, Relation, Statement, StatementBody, TypeName};

/// The printed text and what is in it.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) text: String,
    pub(crate) accounting: Accounting,
    pub(crate) returns_rows: bool,
}

/// Prints a statement whose guest uses `parameters` parameters; the tenant's is the next.
pub(crate) fn print(statement: &Statement, parameters: u16) -> Printed {
    run(statement, parameters, false)
}

/// The same text with every literal as `?`.
pub(crate) fn print_masked(statement: &Statement, parameters: u16) -> String {
    run(statement, parameters, true).text
}

fn run(statement: &Statement, parameters: u16, masked: bool) -> Printed {
    let (kind, returns_rows) = match &statement.body {
        StatementBody::Select(_) => (StatementKind::Select, true),
        StatementBody::Insert(insert) => (StatementKind::Insert, !insert.returning.is_empty()),
        StatementBody::Update(update) => (StatementKind::Update, !update.returning.is_empty()),
        StatementBody::Delete(delete) => (StatementKind::Delete, !delete.returning.is_empty()),
    };
    let accounting = Accounting {
        kind,
        relations: Vec::new(),
        ctes: BTreeSet::new(),
        functions: BTreeSet::new(),
        operators: BTreeSet::new(),
        types: BTreeSet::new(),
        nested_queries: 0,
        max_parameter: parameters,
        tenant_parameter: None,
    };
    let mut printer =
        Printer { out: String::new(), masked, tenant: parameters.saturating_add(1), accounting };
    printer.statement(statement);
    Printed { text: printer.out, accounting: printer.accounting, returns_rows }
}

struct Printer {
    out: String,
    masked: bool,
    tenant: u16,
    accounting: Accounting,
}

impl Printer {
    fn statement(&mut self, statement: &Statement) {
        self.with(&statement.ctes);
        match &statement.body {
            StatementBody::Select(query) => self.query(query),
            StatementBody::Insert(insert) => self.insert(insert),
            StatementBody::Update(update) => self.update(update),
            StatementBody::Delete(delete) => self.delete(delete),
        }
    }

    fn raw(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// An identifier. It holds no quote, see [`Name::checked`]; doubling is the second lock on that door.
    fn name(&mut self, name: &Name) {
        self.out.push('"');
        self.out.push_str(&name.as_str().replace('"', "\"\""));
        self.out.push('"');
    }

    fn names(&mut self, names: &[Name]) {
        self.separated(names, |this, name| this.name(name));
    }

    /// A string literal, escaped as PostgreSQL's own `quote_literal` does it.
    fn text(&mut self, text: &str) {
        if self.masked {
            self.raw("?");
            return;
        }
        let quoted = text.replace('\'', "''");
        if quoted.contains('\\') {
            self.raw("E'");
            self.raw(&quoted.replace('\\', "\\\\"));
        } else {
            self.raw("'");
            self.raw(&quoted);
        }
        self.raw("'");
    }

    fn separated<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.raw(", ");
            }
            each(self, item);
        }
    }

    fn in_parens(&mut self, inside: impl FnOnce(&mut Self)) {
        self.raw("(");
        inside(self);
        self.raw(")");
    }

    fn type_name(&mut self, to: &TypeName) {
        self.raw("pg_catalog.");
        self.raw(to.name);
        if !to.modifiers.is_empty() {
            self.in_parens(|this| {
                this.separated(&to.modifiers, |this, modifier| this.raw(&modifier.to_string()))
            });
        }
        if to.array {
            self.raw("[]");
        }
        self.accounting.types.insert(to.name.to_owned());
    }

    /// The tenant's parameter.
    fn tenant(&mut self) {
        self.raw(&format!("${}::pg_catalog.uuid", self.tenant));
        self.accounting.types.insert("uuid".to_owned());
        self.accounting.tenant_parameter = Some(self.tenant);
        self.accounting.max_parameter = self.tenant;
    }

    fn predicate(&mut self, alias: &Name, column: &Name) {
        self.name(alias);
        self.raw(".");
        self.name(column);
        self.raw(" = ");
        self.accounting.operators.insert("=".to_owned());
        self.tenant();
    }

    fn predicates(&mut self, predicates: &[Predicate]) {
        for (index, Predicate { alias, column }) in predicates.iter().enumerate() {
            if index > 0 {
                self.raw(" AND ");
            }
            self.predicate(alias, column);
        }
    }

    /// Predicates and a condition: `predicates AND (condition)`. The parentheses keep an OR of the guest's
    /// from reaching past the predicates. They come first because PostgreSQL evaluates conditions of equal
    /// cost in the order they stand, so that a guest's cast rarely sees a row it would not return.
    fn conditions(&mut self, keyword: &str, condition: Option<&Expr>, predicates: &[Predicate]) {
        if condition.is_none() && predicates.is_empty() {
            return;
        }
        self.raw(keyword);
        self.predicates(predicates);
        if let Some(condition) = condition {
            self.raw(if predicates.is_empty() { "" } else { " AND " });
            self.in_parens(|this| this.expr(condition));
        }
    }

    /// A base relation by its full name, noted in the account.
    fn relation(&mut self, relation: &Relation) {
        let Relation { schema, name, alias, tenant, scoped, readable: _, renamed: _, derive: _ } = relation;
        self.name(schema);
        self.raw(".");
        self.name(name);
        self.raw(" AS ");
        self.name(alias);
        self.accounting.relations.push(PrintedRelation {
            schema: schema.as_str().to_owned(),
            relation: name.as_str().to_owned(),
            alias: alias.as_str().to_owned(),
            tenant_column: tenant.as_ref().map(|column| column.as_str().to_owned()),
            scoped: *scoped,
        });
    }
}
