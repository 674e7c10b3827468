//! Primary and foreign keys.

use std::collections::BTreeMap;

use applet_types::SqlName;

use super::name;
use super::tables::TENANT_ID;
use crate::column_type::ColumnType;
use crate::document::{Column, ForeignKey, Table};
use crate::names;
use crate::path::Path;
use crate::report::Report;
use crate::table::{OnDelete, OwnColumn, OwnForeignKey, OwnTable, TENANTS, Target};
use crate::violation::{Violation, ViolationCode, did_you_mean, quoted};

/// The one column with `primary: true`. In the database `tenant_id` stands before it.
pub(super) fn primary(
    table: &Table,
    columns: &[OwnColumn],
    path: &Path,
    report: &mut Report,
) -> Option<SqlName> {
    let path = path.key("columns");
    let mut marked = table.columns.iter().enumerate().filter(|(_, column)| column.primary == Some(true));
    let Some((position, column)) = marked.next() else {
        let violation =
            Violation::new(ViolationCode::MissingPrimaryKey, &path, "no column is the primary key");
        report.push(violation.hint("add `{ name: id, type: bigserial, primary: true }`"));
        return None;
    };
    for (position, _) in marked {
        let message = "there is a primary key already; `tenant_id` is added to it by itself";
        report.add(ViolationCode::InvalidPrimaryKey, &path.index(position).key("primary"), message);
    }
    let path = path.index(position);
    if column.name.as_deref() == Some(TENANT_ID) {
        let message = "`tenant_id` is part of every primary key by itself: mark another column";
        report.add(ViolationCode::InvalidPrimaryKey, &path.key("primary"), message);
        return None;
    }
    let own = columns.iter().find(|own| Some(own.name.as_str()) == column.name.as_deref())?;
    if !own.column_type.can_be_key() {
        let message = format!("a `{}` cannot be a primary key", own.column_type);
        report.add(ViolationCode::InvalidPrimaryKey, &path.key("type"), message);
    }
    Some(own.name.clone())
}

/// A foreign key by itself; whether its target has such a key is checked when all tables are known.
pub(super) fn foreign_key(
    key: &ForeignKey,
    column: &Column,
    nullable: bool,
    path: &Path,
    report: &mut Report,
) -> Option<OwnForeignKey> {
    let on_delete = on_delete(key, nullable, path, report);
    let target_column = match &key.column {
        Some(_) => name(key.column.as_ref(), &path.key("column"), report),
        None => SqlName::exact("id").ok(),
    };
    let table = name(key.table.as_ref(), &path.key("table"), report)?;
    let is_tenant_id = column.name.as_deref() == Some(TENANT_ID);
    if table.as_str() == TENANTS && !is_tenant_id {
        let message = "only `tenant_id` points at `tenants`";
        report.add(ViolationCode::InvalidForeignKey, &path.key("table"), message);
    }
    if let Some(reason) = names::reserved_request(&table) {
        report.add(ViolationCode::ReservedName, &path.key("table"), reason);
        return None;
    }
    let target = if table.as_str() == TENANTS { Target::Tenants } else { Target::Shared(table) };
    Some(OwnForeignKey { target, column: target_column?, on_delete: on_delete? })
}

fn on_delete(key: &ForeignKey, nullable: bool, path: &Path, report: &mut Report) -> Option<OnDelete> {
    let path = path.key("onDelete");
    let Some(text) = &key.on_delete else { return Some(OnDelete::NoAction) };
    let Some(action) = OnDelete::ALL.into_iter().find(|action| action.sql().eq_ignore_ascii_case(text))
    else {
        let message = format!("{} is not what can happen on delete", quoted(text));
        let hint = format!("write {}", OnDelete::ALL.map(|action| format!("`{action}`")).join(", "));
        report.push(Violation::new(ViolationCode::InvalidForeignKey, &path, message).hint(hint));
        return None;
    };
    if action == OnDelete::SetNull && !nullable {
        report.add(
            ViolationCode::InvalidForeignKey,
            &path,
            "a column that is never null cannot be set to null",
        );
    }
    Some(action)
}

/// Checks foreign keys to own tables. Those to other tables are the plan's to check:
/// it knows the catalogue.
pub(super) fn check_targets(declared: &[Table], tables: &[OwnTable], path: &Path, report: &mut Report) {
    for (position, table) in declared.iter().enumerate() {
        let path = path.index(position).key("columns");
        for (position, column) in table.columns.iter().enumerate() {
            let Some(key) = &column.foreign_key else { continue };
            let target = tables.iter().find(|own| Some(own.name.as_str()) == key.table.as_deref());
            let path = path.index(position).key("foreignKey");
            if let Some(target) = target {
                check_target(key, column, target, &path, report);
            }
        }
    }
}

/// Foreign keys to own tables point at their physical names.
pub(super) fn resolve(tables: &mut [OwnTable]) {
    let physical: BTreeMap<_, _> =
        tables.iter().map(|table| (table.name.clone(), table.physical.clone())).collect();
    let keys =
        tables.iter_mut().flat_map(|table| &mut table.columns).filter_map(|own| own.foreign_key.as_mut());
    for key in keys {
        if let Target::Shared(name) = &key.target
            && let Some(physical) = physical.get(name)
        {
            key.target = Target::Own(physical.clone());
        }
    }
}

fn check_target(key: &ForeignKey, column: &Column, target: &OwnTable, path: &Path, report: &mut Report) {
    let text = key.column.as_deref().unwrap_or("id");
    let Some(target_column) = target.columns.iter().find(|own| own.name.as_str() == text) else {
        let message = format!("`{}` has no column {}", target.name, quoted(text));
        let violation = Violation::new(ViolationCode::InvalidForeignKey, path.key("column"), message);
        let names = target.columns.iter().map(|column| column.name.as_str());
        report.push(match did_you_mean(text, names) {
            Some(question) => violation.hint(question),
            None => violation,
        });
        return;
    };
    if !target.has_key_on(&target_column.name) {
        let message =
            format!("`{}` has no unique key `(tenant_id, {text})` that could be pointed at", target.name);
        let hint = format!("add `{{ columns: [{text}], unique: true }}` to its indexes");
        let violation = Violation::new(ViolationCode::InvalidForeignKey, path.key("column"), message);
        report.push(violation.hint(hint));
    }
    let kind = column.column_type.as_deref().and_then(|text| ColumnType::parse(text).ok());
    let same = |kind: ColumnType| kind.mapping().postgres == target_column.column_type.mapping().postgres;
    if kind.is_some_and(|kind| !same(kind)) {
        let message = format!("`{}.{text}` is a `{}`", target.name, target_column.column_type);
        let violation = Violation::new(ViolationCode::InvalidForeignKey, path.key("column"), message);
        report.push(violation.hint("both sides have the same type"));
    }
}
