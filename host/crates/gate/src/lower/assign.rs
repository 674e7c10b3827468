//! What a write may assign: the rules about columns that only the system writes, shared by INSERT, UPDATE
//! and upserts.

use applet_catalog::{Column, Generation};
use applet_types::{Columns, ErrorCode, Operation, Span, SqlName};
use sqlparser::ast::{self, AssignmentTarget, Ident, ObjectName, SelectItem};

use super::Lower;
use super::Place;
use super::from::Star;
use super::scope::Scope;
use super::table::Target;
use crate::ir::{Assignment, Call, Expr, Form, Item, Name};
use crate::reject::{Gate, column_not_allowed, reject, syntax, unsupported};

impl Lower<'_> {
    /// Checks that a column may be written, and gives its name.
    pub(super) fn written_column(
        &mut self,
        ident: &Ident,
        target: &Target<'_>,
        operation: Operation,
    ) -> Gate<SqlName> {
        let span = self.ident_span(ident);
        let name = self.column_name(ident)?;
        let shown = target.name.as_str();
        let known = SqlName::exact(name.as_str()).ok().and_then(|name| target.table.column(&name));
        let Some(column) = known else {
            let message = format!("`{shown}` has no column `{}`", name.as_str());
            return Err(reject(ErrorCode::UnknownColumn, "unknown-column", span, message)
                .on(shown, operation)
                .column(name.as_str()));
        };
        self.not_of_the_system(column, target, operation, span)?;
        let granted = match operation {
            Operation::Insert => target.grant.insert.as_ref(),
            Operation::Read | Operation::Update | Operation::SoftDelete | Operation::HardDelete => {
                target.grant.update.as_ref()
            }
        };
        if !granted.is_some_and(|columns: &Columns| columns.contains(&column.name)) {
            return Err(column_not_allowed(shown, name.as_str(), operation, span));
        }
        self.not_a_global_key(column, target, operation, span)?;
        self.uses_column(&target.table.name, operation, column.name.as_str());
        Ok(column.name.clone())
    }

    fn not_of_the_system(
        &self,
        column: &Column,
        target: &Target<'_>,
        operation: Operation,
        span: Option<Span>,
    ) -> Gate<()> {
        let table = target.table;
        let name = column.name.as_str();
        if table.tenant_column() == Some(&column.name) {
            let message = format!("column `{name}` is set by the host and cannot be written");
            return Err(reject(ErrorCode::TenantIdNotAllowed, "tenant-column", span, message)
                .on(target.name.as_str(), operation)
                .column(name)
                .hint("leave it out"));
        }
        let in_key = table.primary_key().is_some_and(|key| key.columns.contains(&column.name));
        let refused = match column.generation {
            Generation::Stored => true,
            Generation::Sequence if operation == Operation::Insert => name == "id" || in_key,
            Generation::Sequence | Generation::None => name == "id" && operation != Operation::Insert,
        };
        if !refused && name != "created_at" {
            return Ok(());
        }
        let message = format!("column `{name}` is written by the system only");
        Err(reject(ErrorCode::SystemColumnWrite, "system-column-write", span, message)
            .on(target.name.as_str(), operation)
            .column(name)
            .hint("leave it out"))
    }

    /// A unique or foreign key over all tenants tells, by its errors, what other tenants have.
    fn not_a_global_key(
        &self,
        column: &Column,
        target: &Target<'_>,
        operation: Operation,
        span: Option<Span>,
    ) -> Gate<()> {
        let table = target.table;
        if self.context.allow_global_keys || self.context.grants.is_own(&table.name) {
            return Ok(());
        }
        let global = self.context.catalog.global_keys(table);
        let unique = table.unique_keys.iter().map(|key| (&key.name, &key.columns));
        let foreign = table.foreign_keys.iter().map(|key| (&key.name, &key.columns));
        let hit = unique
            .chain(foreign)
            .any(|(name, columns)| global.contains(&name.as_str()) && columns.contains(&column.name));
        if !hit {
            return Ok(());
        }
        let name = column.name.as_str();
        let message = format!("column `{name}` is part of a key over all tenants");
        Err(reject(ErrorCode::ColumnNotAllowed, "global-key", span, message)
            .on(target.name.as_str(), operation)
            .column(name)
            .hint("the operator can allow it with allow_global_keys"))
    }

    /// The one-part name of an assigned column.
    pub(super) fn assigned_ident<'n>(&self, object: &'n ObjectName) -> Gate<&'n Ident> {
        let parts = self.parts(object)?;
        match parts.as_slice() {
            [ident] => Ok(ident),
            _ => Err(unsupported("assignment", self.parts_span(&parts), "an assignment to part of a column")),
        }
    }

    /// The assignments of an UPDATE or of ON CONFLICT DO UPDATE, and all columns they write.
    pub(super) fn assignments(
        &mut self,
        assignments: &[ast::Assignment],
        target: &Target<'_>,
        scope: &Scope<'_>,
    ) -> Gate<(Vec<Assignment>, Vec<SqlName>)> {
        let mut lowered = Vec::new();
        let mut written: Vec<SqlName> = Vec::new();
        for ast::Assignment { target: to, value } in assignments {
            let objects = match to {
                AssignmentTarget::ColumnName(object) => std::slice::from_ref(object),
                AssignmentTarget::Tuple(objects) => objects.as_slice(),
            };
            let mut names = Vec::new();
            for object in objects {
                let ident = self.assigned_ident(object)?;
                let name = self.written_column(ident, target, Operation::Update)?;
                if written.contains(&name) {
                    return Err(syntax(self.ident_span(ident), format!("column `{name}` is assigned twice")));
                }
                names.push(Name::from(&name));
                written.push(name);
            }
            let value = self.assigned(value, scope)?;
            lowered.push(match (to, names.pop()) {
                (AssignmentTarget::ColumnName(_), Some(name)) => Assignment::One(name, value),
                (AssignmentTarget::Tuple(_), Some(last)) => {
                    names.push(last);
                    Assignment::Many(names, value)
                }
                (AssignmentTarget::ColumnName(_) | AssignmentTarget::Tuple(_), None) => {
                    return Err(syntax(None, "an assignment without a column"));
                }
            });
        }
        lowered.extend(self.maintained(target, &mut written));
        Ok((lowered, written))
    }

    /// `updated_at` of the applet's own tables follows every change, unless the statement sets it (S4.22).
    fn maintained(&mut self, target: &Target<'_>, written: &mut Vec<SqlName>) -> Option<Assignment> {
        let own = self.context.grants.is_own(&target.table.name);
        let column = target.table.columns.iter().find(|column| column.name.as_str() == "updated_at")?;
        if !own || written.contains(&column.name) {
            return None;
        }
        written.push(column.name.clone());
        let now = Call {
            name: "now",
            form: Form::Plain,
            distinct: false,
            star: false,
            args: Vec::new(),
            order_by: Vec::new(),
            within_group: Vec::new(),
            filter: None,
            over: None,
        };
        Some(Assignment::One((&column.name).into(), Expr::Call(Box::new(now))))
    }

    /// A value that is assigned, which may be DEFAULT.
    pub(super) fn assigned(&mut self, value: &ast::Expr, scope: &Scope<'_>) -> Gate<Expr> {
        if let ast::Expr::Identifier(ident) = value
            && ident.quote_style.is_none()
            && ident.value.eq_ignore_ascii_case("default")
        {
            return Ok(Expr::Default);
        }
        self.expr(value, scope)
    }

    /// RETURNING.
    pub(super) fn returning(
        &mut self,
        items: Option<&[SelectItem]>,
        scope: &mut Scope<'_>,
        stars: &[Star],
    ) -> Gate<Vec<Item>> {
        let Some(items) = items else { return Ok(Vec::new()) };
        scope.returning = true;
        let (items, _) = self.projection(items, scope, stars, Place::Expression)?;
        scope.returning = false;
        Ok(items)
    }

    /// What an UPDATE does to its table in the words of grants and audit.
    pub(super) fn update_operation(
        target: &Target<'_>,
        written: &[SqlName],
        values: &[Assignment],
    ) -> Operation {
        let marks = |assignment: &Assignment| match assignment {
            Assignment::One(name, value) => {
                name.as_str() == "deleted_at"
                    && !matches!(value, Expr::Literal(crate::ir::Literal::Null) | Expr::Default)
            }
            Assignment::Many(..) => false,
        };
        let only = written.iter().all(|name| matches!(name.as_str(), "deleted_at" | "updated_at"));
        if target.table.soft_deletable() && only && values.iter().any(marks) {
            Operation::SoftDelete
        } else {
            Operation::Update
        }
    }
}
