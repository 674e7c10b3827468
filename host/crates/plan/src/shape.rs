//! Whether a table that stands is the one that a manifest declares.
//!
//! Another tenant may be on a newer version of the applet, and upgrades only add: further columns that may
//! be left out of an INSERT, and further keys, are no difference (SPEC Decision 5).

use applet_catalog::{Column, ForeignKey, Generation, Table, Tenancy};
use applet_manifest::{OwnColumn, OwnTable};
use applet_types::SqlName;

use crate::ddl::{ResolvedKey, TENANT_ID};

/// What differs, a sentence each.
pub(crate) fn differences(own: &OwnTable, keys: &[ResolvedKey], existing: &Table) -> Vec<String> {
    let mut found = Vec::new();
    if !matches!(&existing.tenancy, Tenancy::Column(column) if column.as_str() == TENANT_ID) {
        found.push("its rows do not belong to tenants by `tenant_id`".to_owned());
    }
    for column in own.columns() {
        match existing.column(column.name()) {
            None => found.push(format!("column `{}` is not there", column.name())),
            Some(there) => found.extend(column_difference(column, there)),
        }
    }
    for there in existing.columns.iter().filter(|there| own.column(&there.name).is_none()) {
        if !there.nullable && there.default.is_none() && there.generation == Generation::None {
            found.push(format!("column `{}` is not declared and must have a value", there.name));
        }
    }
    found.extend(key_differences(own, existing));
    found.extend(reference_differences(own, keys, existing));
    found
}

fn column_difference(own: &OwnColumn, there: &Column) -> Option<String> {
    let name = own.name();
    let kind = own.column_type();
    let generated = there.generation == Generation::Sequence;
    if there.sql_type != kind.sql() {
        return Some(format!("column `{name}` is of type {}, not {}", there.sql_type, kind.sql()));
    }
    if generated != kind.generated() || there.generation == Generation::Stored {
        return Some(format!("the values of column `{name}` come from elsewhere"));
    }
    if there.nullable != own.nullable() {
        let state = if there.nullable { "may be null" } else { "is never null" };
        return Some(format!("column `{name}` {state}"));
    }
    // How PostgreSQL prints a default is its own affair; whether there is one is not.
    if !generated && there.default.is_some() != own.default().is_some() {
        let state = if there.default.is_some() { "has a default" } else { "has no default" };
        return Some(format!("column `{name}` {state}"));
    }
    None
}

fn key_differences(own: &OwnTable, existing: &Table) -> Vec<String> {
    let mut found = Vec::new();
    let spelled = |columns: &[SqlName]| columns.iter().map(SqlName::as_str).collect::<Vec<_>>().join(", ");
    let tenant_first = |columns: &[SqlName]| columns.first().is_some_and(|first| first.as_str() == TENANT_ID);
    match existing.primary_key() {
        Some(key)
            if tenant_first(&key.columns)
                && key.columns.get(1..) == Some(std::slice::from_ref(own.primary())) => {}
        Some(key) => found.push(format!("its primary key is ({})", spelled(&key.columns))),
        None => found.push("it has no primary key".to_owned()),
    }
    for index in own.indexes().iter().filter(|index| index.unique()) {
        if !existing.unique_keys.iter().any(|key| !key.partial && key.columns == index.columns()) {
            found.push(format!("there is no unique key on ({})", spelled(index.columns())));
        }
    }
    for key in existing.unique_keys.iter().filter(|key| !key.primary && !tenant_first(&key.columns)) {
        found.push(format!("key `{}` spans tenants", key.name));
    }
    found
}

fn reference_differences(own: &OwnTable, keys: &[ResolvedKey], existing: &Table) -> Vec<String> {
    let mut found = Vec::new();
    let to_tenants = |key: &ForeignKey| {
        key.target.as_str() == "tenants"
            && matches!(key.columns.as_slice(), [only] if only.as_str() == TENANT_ID)
    };
    if !existing.foreign_keys.iter().any(to_tenants) {
        found.push("`tenant_id` does not point at `tenants`".to_owned());
    }
    for key in keys.iter().filter(|key| key.table == *own.physical().name()) {
        let same = |there: &ForeignKey| {
            there.target == key.target
                && matches!(there.columns.as_slice(), [tenant, column]
                    if tenant.as_str() == TENANT_ID && *column == key.column)
                && matches!(there.target_columns.as_slice(), [tenant, column]
                    if *tenant == key.target_tenant && *column == key.target_column)
        };
        if !existing.foreign_keys.iter().any(same) {
            found.push(format!(
                "column `{}` does not point at `{}.{}`",
                key.column, key.target, key.target_column
            ));
        }
    }
    found
}
