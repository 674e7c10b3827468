//! INSERT: the tenant is appended to the columns and to every row, never taken from the guest (S4.11).

use applet_types::{Operation, SqlName};
use sqlparser::ast::{
    self, ConflictTarget, DoUpdate, Ident, OnConflict, OnConflictAction, OnInsert, Spanned as _,
    TableAliasWithoutColumns, TableObject,
};

use super::scope::{Entry, Scope};
use super::table::Target;
use super::{Lower, Place};
use crate::accounting::Scoped;
use crate::ir::{Body, Conflict, ConflictUpdate, Expr, Insert, Item, Limit, Name, Query};
use crate::reject::{Gate, syntax, table_not_allowed, unsupported};

impl<'a> Lower<'a> {
    pub(super) fn insert(&mut self, insert: &ast::Insert) -> Gate<Insert> {
        let ast::Insert {
            insert_token: _,
            optimizer_hints,
            or,
            ignore,
            into,
            table,
            table_alias,
            columns,
            overwrite,
            source,
            assignments,
            partitioned,
            after_columns,
            has_table_keyword,
            on,
            returning,
            output,
            replace_into,
            priority,
            insert_alias,
            settings,
            format_clause,
            multi_table_insert_type,
            multi_table_into_clauses,
            multi_table_when_clauses,
            multi_table_else_clause,
        } = insert;
        self.absent(!optimizer_hints.is_empty(), "an optimizer hint")?;
        self.absent(
            or.is_some() || *ignore || *replace_into || priority.is_some(),
            "a modifier after INSERT",
        )?;
        self.absent(!*into || *overwrite || *has_table_keyword, "INSERT without INTO")?;
        self.absent(
            !assignments.is_empty() || partitioned.is_some() || !after_columns.is_empty(),
            "this form of INSERT",
        )?;
        self.absent(output.is_some() || insert_alias.is_some(), "OUTPUT or an alias after VALUES")?;
        self.absent(settings.is_some() || format_clause.is_some(), "SETTINGS or FORMAT")?;
        let several = multi_table_insert_type.is_some()
            || !multi_table_into_clauses.is_empty()
            || !multi_table_when_clauses.is_empty()
            || multi_table_else_clause.is_some();
        self.absent(several, "INSERT into several tables")?;

        let target = self.insert_target(table)?;
        let alias = match table_alias {
            Some(TableAliasWithoutColumns { explicit: _, alias }) => self.relation_name(alias)?,
            None => target.name.clone(),
        };
        let tenant_column = target
            .table
            .tenant_column()
            .ok_or_else(|| table_not_allowed(target.name.as_str(), Operation::Insert, target.span))?;
        let names = self.insert_columns(columns, &target)?;
        let source = self.source(source.as_deref(), names.len(), &target)?;
        let (mut relation, entry) = self.relation(&target, alias, true);
        relation.scoped = Scoped::Inserted;
        let conflict = on.as_ref().map(|on| self.conflict(on, &target, &entry)).transpose()?;
        let mut scope = Scope::default();
        let stars = super::from::stars_of(&entry);
        scope.push(entry, target.span)?;
        let returning = self.returning(returning.as_deref(), &mut scope, &stars)?;
        let columns = names.iter().map(Name::from).collect();
        let tenant_column = tenant_column.into();
        Ok(Insert { target: relation, columns, tenant_column, source, conflict, returning })
    }

    fn insert_target(&mut self, table: &TableObject) -> Gate<Target<'a>> {
        let object = match table {
            TableObject::TableName(object) => object,
            TableObject::TableFunction(_) | TableObject::TableQuery(_) => {
                return Err(unsupported("insert-target", None, "INSERT into anything but a table"));
            }
        };
        let target = self.target(object, Operation::Insert)?;
        self.uses(&target.table.name, Operation::Insert);
        Ok(target)
    }

    /// The column list is required: by position, the tenant column could be hit.
    fn insert_columns(&mut self, columns: &[ast::ObjectName], target: &Target<'_>) -> Gate<Vec<SqlName>> {
        if columns.is_empty() {
            return Err(unsupported("column-list", target.span, "INSERT without a column list")
                .hint("name the columns after the table"));
        }
        let mut names: Vec<SqlName> = Vec::new();
        for column in columns {
            let ident = self.assigned_ident(column)?;
            let name = self.written_column(ident, target, Operation::Insert)?;
            if names.contains(&name) {
                return Err(syntax(self.ident_span(ident), format!("column `{name}` is named twice")));
            }
            names.push(name);
        }
        Ok(names)
    }

    fn source(&mut self, source: Option<&ast::Query>, width: usize, target: &Target<'_>) -> Gate<Query> {
        let Some(source) = source else {
            return Err(unsupported("default-values", target.span, "INSERT without VALUES or SELECT"));
        };
        let (mut query, _) = self.query(source, None, Place::Source)?;
        let span = self.span(source.span());
        append_tenant(&mut query, width, || {
            syntax(span, format!("{width} columns need {width} values in each row"))
        })?;
        Ok(query)
    }

    fn conflict(&mut self, on: &OnInsert, target: &Target<'_>, entry: &Entry) -> Gate<Conflict> {
        let OnInsert::OnConflict(OnConflict { conflict_target, action }) = on else {
            return Err(
                unsupported("on-duplicate-key", target.span, "ON DUPLICATE KEY").hint("write ON CONFLICT")
            );
        };
        let columns = match conflict_target {
            None => Vec::new(),
            Some(ConflictTarget::Columns(idents)) => self.conflict_columns(idents, target, entry)?,
            Some(ConflictTarget::OnConstraint(object)) => {
                let span = self.span(object.span());
                return Err(
                    unsupported("on-constraint", span, "ON CONFLICT ON CONSTRAINT").hint("name the columns")
                );
            }
        };
        let update = match action {
            OnConflictAction::DoNothing => None,
            OnConflictAction::DoUpdate(update) => Some(self.conflict_update(update, target, entry)?),
        };
        if update.is_some() && columns.is_empty() {
            return Err(syntax(target.span, "ON CONFLICT DO UPDATE needs columns"));
        }
        Ok(Conflict { target: columns, update })
    }

    /// The columns of the key. The host's own keys start with the tenant column, which guests need not know:
    /// a key that exists only with it is meant with it (SPEC Decision 7).
    fn conflict_columns(&mut self, idents: &[Ident], target: &Target<'_>, entry: &Entry) -> Gate<Vec<Name>> {
        let mut scope = Scope::default();
        scope.push(entry.clone(), target.span)?;
        let mut names = Vec::new();
        for ident in idents {
            self.bare_column(ident, &scope)?;
            names.push(self.column_name(ident)?);
        }
        let Some(tenant) = target.table.tenant_column() else { return Ok(names) };
        let is_key = |wanted: &[&str]| {
            target.table.unique_keys.iter().filter(|key| !key.partial).any(|key| {
                key.columns.len() == wanted.len() && key.columns.iter().all(|c| wanted.contains(&c.as_str()))
            })
        };
        let plain: Vec<_> = names.iter().map(Name::as_str).collect();
        let with_tenant: Vec<_> = std::iter::once(tenant.as_str()).chain(plain.iter().copied()).collect();
        if !is_key(&plain) && !plain.contains(&tenant.as_str()) && is_key(&with_tenant) {
            names.insert(0, tenant.into());
        }
        Ok(names)
    }

    fn conflict_update(
        &mut self,
        update: &DoUpdate,
        target: &Target<'_>,
        entry: &Entry,
    ) -> Gate<ConflictUpdate> {
        let DoUpdate { assignments, selection } = update;
        if target.grant.update.is_none() {
            return Err(table_not_allowed(target.name.as_str(), Operation::Update, target.span));
        }
        let mut scope = Scope::default();
        scope.push(entry.clone(), target.span)?;
        let excluded = Name::checked("excluded").unwrap_or_else(Name::unnamed);
        scope.push(Entry { alias: excluded, ..entry.clone() }, target.span)?;
        let (assignments, _) = self.assignments(assignments, target, &scope)?;
        let selection = selection.as_ref().map(|condition| self.expr(condition, &scope)).transpose()?;
        self.uses(&target.table.name, Operation::Update);
        Ok(ConflictUpdate { assignments, selection, predicates: Vec::new() })
    }
}

/// Gives every row of an INSERT's source the tenant as its last value.
fn append_tenant(query: &mut Query, width: usize, wrong: impl Fn() -> applet_types::Failure) -> Gate<()> {
    match &mut query.body {
        Body::Values(rows) => {
            if !query.order_by.is_empty() || !matches!(query.limit, Limit::None) || query.offset.is_some() {
                return Err(unsupported("values", None, "ORDER BY or LIMIT after VALUES"));
            }
            for row in rows {
                if row.len() != width {
                    return Err(wrong());
                }
                row.push(Expr::Tenant);
            }
            Ok(())
        }
        Body::Select(select) => {
            if select.projection.len() != width {
                return Err(wrong());
            }
            select.projection.push(Item { expr: Expr::Tenant, alias: None });
            Ok(())
        }
        Body::Nested(inner) => append_tenant(inner, width, wrong),
    }
}
