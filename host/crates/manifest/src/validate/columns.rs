//! The columns of an own table, completed with those that are always there.

use std::collections::BTreeSet;

use applet_types::{ManifestLimits, SqlName};

use super::tables::TENANT_ID;
use super::{at_most, keys, name};
use crate::column_type::ColumnType;
use crate::default_value::DefaultValue;
use crate::document::{Column, DefaultText, Table};
use crate::names;
use crate::path::Path;
use crate::report::Report;
use crate::table::{OwnColumn, OwnForeignKey};
use crate::violation::{Violation, ViolationCode, quoted};

/// Maintained by the host, present in every own table (SPEC S4.22).
const TIMESTAMPS: [&str; 2] = ["created_at", "updated_at"];

/// Validates the columns of a table and adds the timestamps where they are not declared.
pub(super) fn columns(
    table: &Table,
    path: &Path,
    limits: &ManifestLimits,
    report: &mut Report,
) -> Vec<OwnColumn> {
    let path = path.key("columns");
    let mut taken = BTreeSet::new();
    let mut columns = Vec::new();
    for (position, column) in table.columns.iter().enumerate() {
        let path = path.index(position);
        let name = column_name(column, &path, &mut taken, report);
        columns.extend(own_column(column, name, &path, report));
    }
    for name in TIMESTAMPS.into_iter().filter(|name| !taken.iter().any(|taken| taken.as_str() == *name)) {
        columns.extend(SqlName::exact(name).ok().map(timestamp));
    }
    at_most(columns.len(), limits.columns, "columns", &path, report);
    let keys =
        columns.iter().filter(|column| column.foreign_key.is_some() && column.name.as_str() != TENANT_ID);
    at_most(keys.count(), limits.foreign_keys, "foreign keys", &path, report);
    if !taken.iter().any(|name| name.as_str() == TENANT_ID) {
        let violation =
            Violation::new(ViolationCode::MissingTenantId, &path, "there is no `tenant_id` column");
        report.push(violation.hint(
            "add `{ name: tenant_id, type: uuid, required: true, \
             foreignKey: { table: tenants, column: id, onDelete: CASCADE } }`",
        ));
    }
    columns
}

fn column_name(
    column: &Column,
    path: &Path,
    taken: &mut BTreeSet<SqlName>,
    report: &mut Report,
) -> Option<SqlName> {
    let path = path.key("name");
    let name = name(column.name.as_ref(), &path, report)?;
    if let Some(reason) = names::reserved_column(&name) {
        report.add(ViolationCode::ReservedName, &path, reason);
        return None;
    }
    if !taken.insert(name.clone()) {
        report.add(ViolationCode::DuplicateName, &path, format!("column `{name}` is declared twice"));
        return None;
    }
    Some(name)
}

fn timestamp(name: SqlName) -> OwnColumn {
    OwnColumn {
        name,
        column_type: ColumnType::TimestampTz,
        nullable: false,
        default: Some(DefaultValue::Now),
        foreign_key: None,
    }
}

/// Validates one column, whether its name is usable or not.
fn own_column(column: &Column, name: Option<SqlName>, path: &Path, report: &mut Report) -> Option<OwnColumn> {
    let column_type = column_type(column.column_type.as_ref(), &path.key("type"), report);
    let nullable = nullable(column, path, report);
    let default = match (&column.default, column_type) {
        (Some(written), Some(kind)) => default(written, kind, &path.key("default"), report),
        _ => None,
    };
    let foreign_key = column
        .foreign_key
        .as_ref()
        .and_then(|key| keys::foreign_key(key, column, nullable, &path.key("foreignKey"), report));
    let own = OwnColumn { name: name?, column_type: column_type?, nullable, default, foreign_key };
    match own.name.as_str() {
        TENANT_ID => Some(tenant_id(own, column, path, report)),
        "deleted_at" => {
            soft_delete_marker(&own, path, report);
            Some(own)
        }
        name if TIMESTAMPS.contains(&name) => Some(maintained(own, column, path, report)),
        _ => Some(own),
    }
}

fn column_type(text: Option<&String>, path: &Path, report: &mut Report) -> Option<ColumnType> {
    let text = text?;
    match ColumnType::parse(text) {
        Ok(kind) => Some(kind),
        Err(hint) => {
            let message = format!("{} is not a column type", quoted(text));
            report.push(Violation::new(ViolationCode::InvalidType, path, message).hint(hint));
            None
        }
    }
}

/// A column may be NULL unless it is required or the primary key; saying both is a slip.
fn nullable(column: &Column, path: &Path, report: &mut Report) -> bool {
    let required = column.required == Some(true) || column.primary == Some(true);
    if required && column.nullable == Some(true) {
        let what = if column.primary == Some(true) { "a primary key" } else { "a required column" };
        report.add(ViolationCode::Contradiction, &path.key("nullable"), format!("{what} is never null"));
    }
    if column.required == Some(false) && column.nullable == Some(false) {
        let message = "`required: false` and `nullable: false` say the opposite";
        report.add(ViolationCode::Contradiction, &path.key("nullable"), message);
    }
    !required && column.nullable != Some(false)
}

fn default(
    written: &DefaultText,
    kind: ColumnType,
    path: &Path,
    report: &mut Report,
) -> Option<DefaultValue> {
    match DefaultValue::parse(written, kind) {
        Ok(value) => Some(value),
        Err(hint) => {
            let shown = match written {
                DefaultText::Text(text) => quoted(text),
                DefaultText::Json(value) => quoted(&value.to_string()),
            };
            let message = format!("{shown} is not a default for `{kind}`");
            report.push(Violation::new(ViolationCode::InvalidDefault, path, message).hint(hint));
            None
        }
    }
}

/// SPEC S4.21: uuid, never null, a foreign key to `tenants`, whether the manifest spells it out or not.
fn tenant_id(mut own: OwnColumn, column: &Column, path: &Path, report: &mut Report) -> OwnColumn {
    if own.column_type != ColumnType::Uuid {
        let message = format!("`tenant_id` is a `uuid`, not a `{}`", own.column_type);
        report.add(ViolationCode::InvalidType, &path.key("type"), message);
    }
    if column.nullable == Some(true) || column.required == Some(false) {
        report.add(ViolationCode::Contradiction, path, "`tenant_id` is never null");
    }
    if own.default.is_some() {
        // A default would be one tenant for everybody's rows.
        let message = "`tenant_id` comes from the invocation and has no default";
        report.add(ViolationCode::InvalidDefault, &path.key("default"), message);
    }
    let expected = OwnForeignKey::to_tenants();
    if own.foreign_key.is_some() && own.foreign_key != expected {
        let violation = Violation::new(
            ViolationCode::InvalidForeignKey,
            path.key("foreignKey"),
            "`tenant_id` points at `tenants.id` and goes with the tenant",
        );
        report.push(
            violation.hint("write `{ table: tenants, column: id, onDelete: CASCADE }`, or leave it out"),
        );
    }
    own.nullable = false;
    own.foreign_key = expected;
    own
}

/// `created_at` and `updated_at` are set by the database and the host, so they always have a value.
fn maintained(mut own: OwnColumn, column: &Column, path: &Path, report: &mut Report) -> OwnColumn {
    if own.column_type != ColumnType::TimestampTz {
        let message = format!("`{}` is a `timestamptz`", own.name);
        report.add(ViolationCode::InvalidType, &path.key("type"), message);
    }
    if column.nullable == Some(true) {
        let message = format!("`{}` always has a value", own.name);
        report.add(ViolationCode::Contradiction, &path.key("nullable"), message);
    }
    if own.default.as_ref().is_some_and(|value| *value != DefaultValue::Now) {
        let message = format!("the default of `{}` is `now()`", own.name);
        report.add(ViolationCode::InvalidDefault, &path.key("default"), message);
    }
    own.nullable = false;
    own.default = Some(DefaultValue::Now);
    own
}

/// A column of this name makes the table soft deletable, so it has to work as a marker.
fn soft_delete_marker(own: &OwnColumn, path: &Path, report: &mut Report) {
    if own.column_type != ColumnType::TimestampTz || !own.nullable || own.default.is_some() {
        let message =
            "`deleted_at` marks soft-deleted rows: a `timestamptz` that may be null, without default";
        report.add(ViolationCode::InvalidType, &path.key("type"), message);
    }
}
