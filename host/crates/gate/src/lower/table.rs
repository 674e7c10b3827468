//! Base tables: which one a name means, and what the grant lets the statement do with it.

use applet_catalog::{Table, Tenancy};
use applet_types::{Columns, ErrorCode, Operation, Span, SqlName, TableGrant};
use sqlparser::ast::ObjectName;

use super::Lower;
use super::scope::{Access, Entry, ScopeColumn};
use crate::accounting::Scoped;
use crate::ir::{Name, Relation};
use crate::reject::{Gate, reject, table_not_allowed, unsupported};

/// A table that the statement may use, with its grant.
#[derive(Debug, Clone)]
pub(super) struct Target<'a> {
    pub(super) table: &'a Table,
    pub(super) grant: TableGrant,
    /// The guest's own word for it, without schema.
    pub(super) name: Name,
    pub(super) span: Option<Span>,
}

impl<'a> Lower<'a> {
    /// The table that a name means, if the operation is granted on it.
    pub(super) fn target(&self, object: &ObjectName, operation: Operation) -> Gate<Target<'a>> {
        let parts = self.parts(object)?;
        let span = self.parts_span(&parts);
        let (schema, ident) = match parts.as_slice() {
            [ident] => (None, *ident),
            [schema, ident] => (Some(self.label(schema)?), *ident),
            _ => return Err(unsupported("database-name", span, "a name with a database")),
        };
        let name = self.relation_name(ident)?;
        if is_catalog(schema.as_ref(), &name) {
            let message = format!("system catalogue `{}` cannot be used", name.as_str());
            return Err(reject(ErrorCode::SystemCatalog, "system-catalog", span, message));
        }
        let (table, grant) = self.granted(schema.as_ref(), &name, operation, span)?;
        let allowed = match operation {
            Operation::Read => grant.read.is_some(),
            Operation::Insert => grant.insert.is_some(),
            Operation::Update | Operation::SoftDelete => grant.update.is_some(),
            Operation::HardDelete => grant.delete,
        };
        // Global tables are a read-only reference, whatever was granted.
        let writes = operation != Operation::Read;
        if !allowed || (writes && table.tenant_column().is_none()) {
            return Err(table_not_allowed(name.as_str(), operation, span));
        }
        Ok(Target { table, grant, name, span })
    }

    fn granted(
        &self,
        schema: Option<&Name>,
        name: &Name,
        operation: Operation,
        span: Option<Span>,
    ) -> Gate<(&'a Table, TableGrant)> {
        let refused = || table_not_allowed(name.as_str(), operation, span);
        let written = SqlName::exact(name.as_str()).map_err(|_| refused())?;
        let physical = self.context.grants.resolve(&written);
        let grant = if self.both_walls() {
            self.context.grants.table(physical).cloned().ok_or_else(refused)?
        } else {
            everything()
        };
        let Some(table) = self.context.catalog.table(physical) else {
            // Without grants to look at, a name that is gone and one that never was look alike.
            if !self.both_walls() {
                return Err(refused());
            }
            let message = format!("table `{}` no longer exists", name.as_str());
            return Err(
                reject(ErrorCode::UnknownTable, "unknown-table", span, message).on(name.as_str(), operation)
            );
        };
        let other_schema = schema.is_some_and(|schema| schema.as_str() != table.schema.as_str());
        if other_schema || table.tenancy == Tenancy::Invisible {
            return Err(refused());
        }
        Ok((table, grant))
    }

    /// The relation to print and what its columns allow. `written` says whether the statement writes it: then
    /// its key is readable without a read grant (S4.10).
    pub(super) fn relation(&self, target: &Target<'_>, alias: Name, written: bool) -> (Relation, Entry) {
        let table = target.table;
        let columns: Vec<_> = table
            .columns
            .iter()
            .map(|column| ScopeColumn {
                name: (&column.name).into(),
                access: access(target, &column.name, written),
            })
            .collect();
        let readable = columns.iter().filter(|c| c.access.is_readable()).map(|c| c.name.clone()).collect();
        let relation = Relation {
            schema: (&table.schema).into(),
            name: (&table.name).into(),
            alias: alias.clone(),
            tenant: if self.both_walls() { table.tenant_column().map(Name::from) } else { None },
            scoped: Scoped::Free,
            readable,
            renamed: Vec::new(),
            derive: false,
        };
        let shown = target.name.as_str().to_owned();
        (relation, Entry { alias, columns, table: Some(table.name.clone()), shown })
    }
}

/// The grant that holds when grants are the database's business.
const fn everything() -> TableGrant {
    TableGrant {
        read: Some(Columns::All),
        insert: Some(Columns::All),
        update: Some(Columns::All),
        delete: true,
    }
}

fn access(target: &Target<'_>, column: &SqlName, written: bool) -> Access {
    let in_key = target.table.primary_key().is_some_and(|key| key.columns.contains(column));
    let key = in_key || target.table.tenant_column() == Some(column);
    match &target.grant.read {
        Some(columns) if columns.contains(column) => Access::Granted,
        _ if written && key => Access::Key,
        Some(_) => Access::NoColumn,
        None => Access::NoTable,
    }
}

fn is_catalog(schema: Option<&Name>, name: &Name) -> bool {
    match schema.map(Name::as_str) {
        Some(schema) => schema == "information_schema" || schema.starts_with("pg_"),
        None => name.as_str().starts_with("pg_"),
    }
}
