//! Own tables as a whole: names, indexes, and what each must have.

use std::collections::BTreeSet;

use applet_types::{AppletId, MAX_IDENTIFIER_BYTES, ManifestLimits, PhysicalTable, SqlName};

use super::{at_most, columns, header, keys, name};
use crate::document::{Index, Table};
use crate::names;
use crate::path::Path;
use crate::report::Report;
use crate::table::{OwnColumn, OwnIndex, OwnTable};
use crate::violation::{Violation, ViolationCode, quoted};

/// The tenant column of every own table.
pub(super) const TENANT_ID: &str = "tenant_id";

/// Validates all own tables. The result is complete only when nothing was reported.
pub(super) fn tables(
    declared: &[Table],
    applet: Option<&AppletId>,
    limits: &ManifestLimits,
    report: &mut Report,
) -> Vec<OwnTable> {
    let path = Path::root().key("tables");
    at_most(declared.len(), limits.tables, "own tables", &path, report);
    let mut names = BTreeSet::new();
    let mut tables = Vec::new();
    for (position, table) in declared.iter().enumerate() {
        let path = path.index(position);
        let Some(name) = table_name(table, &path, &mut names, report) else {
            // Its columns are looked at all the same, so that their faults are told in the same go.
            columns::columns(table, &path, limits, report);
            continue;
        };
        tables.extend(own_table(table, name, applet, &path, limits, report));
    }
    keys::check_targets(declared, &tables, &path, report);
    keys::resolve(&mut tables);
    tables
}

fn table_name(
    table: &Table,
    path: &Path,
    taken: &mut BTreeSet<SqlName>,
    report: &mut Report,
) -> Option<SqlName> {
    let path = path.key("name");
    let name = name(table.name.as_ref(), &path, report)?;
    if let Some(reason) = names::reserved_table(&name) {
        report.add(ViolationCode::ReservedName, &path, reason);
        return None;
    }
    if !taken.insert(name.clone()) {
        report.add(ViolationCode::DuplicateName, &path, format!("table `{name}` is declared twice"));
        return None;
    }
    Some(name)
}

fn own_table(
    table: &Table,
    name: SqlName,
    applet: Option<&AppletId>,
    path: &Path,
    limits: &ManifestLimits,
    report: &mut Report,
) -> Option<OwnTable> {
    header::description(table.description.as_deref(), &path.key("description"), report);
    let columns = columns::columns(table, path, limits, report);
    let primary = keys::primary(table, &columns, path, report);
    let indexes = indexes(table, &columns, primary.as_ref(), path, report);
    at_most(indexes.len(), limits.indexes, "indexes", &path.key("indexes"), report);
    let physical = physical(applet?, &name, &path.key("name"), report)?;
    let description = table.description.clone();
    Some(OwnTable { name, physical, description, primary: primary?, columns, indexes })
}

fn physical(applet: &AppletId, name: &SqlName, path: &Path, report: &mut Report) -> Option<PhysicalTable> {
    let physical = PhysicalTable::of(applet, name).ok();
    if physical.is_none() {
        let longest = format!("_deleted_applet_{}_{name}", applet.as_str().replace('-', "_"));
        let message = format!("the physical name of `{name}` is too long");
        let hint = format!("`{longest}` has {} bytes, more than {MAX_IDENTIFIER_BYTES}", longest.len());
        report.push(Violation::new(ViolationCode::InvalidName, path, message).hint(hint));
    }
    physical
}

/// The indexes to make: those declared and those of columns with `index: true`, `tenant_id` first in each.
/// A unique index serves where a plain one on the same columns was asked for, and the primary key
/// serves where one on `tenant_id` alone, or on `tenant_id` and the primary column, was.
fn indexes(
    table: &Table,
    columns: &[OwnColumn],
    primary: Option<&SqlName>,
    path: &Path,
    report: &mut Report,
) -> Vec<OwnIndex> {
    let mut indexes: Vec<OwnIndex> = Vec::new();
    let list = path.key("indexes");
    for (position, index) in table.indexes.iter().enumerate() {
        let path = list.index(position);
        let Some(index) = index_columns(index, columns, &path.key("columns"), report) else { continue };
        if indexes.contains(&index) {
            report.add(ViolationCode::DuplicateName, &path, "the same index is declared twice");
        }
        indexes.push(index);
    }
    let asked = table.columns.iter().filter(|column| column.index == Some(true));
    let asked = asked
        .filter_map(|column| columns.iter().find(|own| Some(own.name.as_str()) == column.name.as_deref()));
    indexes
        .extend(asked.map(|column| OwnIndex { columns: tenant_first([column.name.clone()]), unique: false }));
    indexes.sort();
    indexes.dedup();
    let all = indexes.clone();
    indexes.retain(|index| {
        let covered = || all.iter().any(|other| other.unique && other.columns == index.columns);
        let by_primary = || match index.columns.as_slice() {
            [_] => true,
            [_, only] => Some(only) == primary,
            _ => false,
        };
        index.unique || (!covered() && !by_primary())
    });
    indexes
}

fn index_columns(index: &Index, columns: &[OwnColumn], path: &Path, report: &mut Report) -> Option<OwnIndex> {
    if index.columns.is_empty() {
        report.add(ViolationCode::InvalidIndex, path, "an index has at least one column");
        return None;
    }
    let mut names = Vec::new();
    for (position, text) in index.columns.iter().enumerate() {
        let path = path.index(position);
        let text = text.as_ref()?;
        let Some(column) = columns.iter().find(|column| column.name.as_str() == text) else {
            report.add(
                ViolationCode::InvalidIndex,
                &path,
                format!("the table has no column {}", quoted(text)),
            );
            return None;
        };
        if names.contains(&column.name) {
            report.add(ViolationCode::InvalidIndex, &path, format!("`{text}` stands twice in the index"));
        }
        if !column.column_type.can_be_indexed() {
            let message = format!("a `{}` cannot be indexed", column.column_type);
            report.add(ViolationCode::InvalidIndex, &path, message);
        }
        names.push(column.name.clone());
    }
    Some(OwnIndex { columns: tenant_first(names), unique: index.unique.unwrap_or(false) })
}

/// The tenant column, then the others in their order (SPEC Decision 7).
fn tenant_first(names: impl IntoIterator<Item = SqlName>) -> Vec<SqlName> {
    let (mut tenant, others): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| name.as_str() == TENANT_ID);
    if tenant.is_empty() {
        tenant.extend(SqlName::exact(TENANT_ID));
    }
    tenant.extend(others);
    tenant
}
