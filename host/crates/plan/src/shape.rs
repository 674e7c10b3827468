//! Whether a table that stands is the one that a manifest declares, and what is missing if it is not.
//!
//! Another tenant may be on a newer version of the applet, and upgrades only add: further columns that may
//! be left out of an INSERT, and further keys, are no difference. Another may be on an older one: what this
//! version has added since is a change to be made (SPEC Decision 5).

use applet_catalog::{Column, ForeignKey, Generation, Table, Tenancy};
use applet_manifest::{OwnColumn, OwnIndex, OwnTable};
use applet_types::SqlName;

use crate::ddl::{Home, ResolvedKey, TENANT_ID};
use crate::plan::Step;
use crate::{changes, versions, widen};

/// A table that stands, beside what is declared.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// What cannot be mended, a sentence each.
    pub(crate) differences: Vec<String>,
    /// What this version needs and an older one did not make.
    pub(crate) changes: Vec<Step>,
}

/// Compares them. What a newer version has added or made wider is no difference.
pub(crate) fn compare(own: &OwnTable, keys: &[ResolvedKey], existing: &Table, home: &Home) -> Comparison {
    let mut found = Comparison::default();
    if !matches!(&existing.tenancy, Tenancy::Column(column) if column.as_str() == TENANT_ID) {
        found.differences.push("its rows do not belong to tenants by `tenant_id`".to_owned());
    }
    for column in own.columns() {
        match existing.column(column.name()) {
            None => match changes::unaddable(column) {
                None => found.changes.push(changes::add_column(own, column, home)),
                Some(reason) => {
                    let name = column.name();
                    found.differences.push(format!("column `{name}` is not there, and {reason}"));
                }
            },
            Some(there) => found.column(own, column, there, home),
        }
    }
    for there in existing.columns.iter().filter(|there| own.column(&there.name).is_none()) {
        if !there.nullable && there.default.is_none() && there.generation == Generation::None {
            // An older version's: left out of an INSERT from now on.
            found.changes.push(changes::deprecate_column(&existing.name, &there.name, true, home));
        }
    }
    found.differences.extend(key_differences(own, existing));
    for index in own.indexes().iter().filter(|index| index.unique() && !has_key(existing, index)) {
        if versions::on_new_ground(index, own, |_| true) {
            found.changes.push(changes::add_index(&existing.name, index, home));
        } else {
            let columns = spelled(index.columns());
            found.differences.push(format!("there is no unique key on ({columns})"));
        }
    }
    found.references(own, keys, existing, home);
    found
}

impl Comparison {
    fn column(&mut self, own: &OwnTable, column: &OwnColumn, there: &Column, home: &Home) {
        let (name, kind) = (column.name(), column.column_type());
        let generated = there.generation == Generation::Sequence;
        match widen::step(&there.sql_type, &kind.sql()) {
            // A newer version needed more room.
            widen::Step::Same | widen::Step::Narrows => {}
            widen::Step::Widens => {
                self.changes.push(changes::widen_column(own.physical().name(), column, home));
            }
            widen::Step::Rewrites | widen::Step::Other => {
                let there = &there.sql_type;
                self.differences.push(format!("column `{name}` is of type {there}, not {}", kind.sql()));
                return;
            }
        }
        if generated != kind.generated() || there.generation == Generation::Stored {
            self.differences.push(format!("the values of column `{name}` come from elsewhere"));
            return;
        }
        // One that may be null although this version says otherwise was left out by another version.
        if !there.nullable && column.nullable() {
            self.changes.push(changes::relax_column(own.physical().name(), name, home));
        }
        // How PostgreSQL prints a default is its own affair; whether there is one is not.
        if !generated && there.default.is_some() != column.default().is_some() {
            let state = if there.default.is_some() { "has a default" } else { "has no default" };
            self.differences.push(format!("column `{name}` {state}"));
        }
    }

    fn references(&mut self, own: &OwnTable, keys: &[ResolvedKey], existing: &Table, home: &Home) {
        let to_tenants = |key: &ForeignKey| {
            key.target.as_str() == "tenants"
                && matches!(key.columns.as_slice(), [only] if only.as_str() == TENANT_ID)
        };
        if !existing.foreign_keys.iter().any(to_tenants) {
            self.differences.push("`tenant_id` does not point at `tenants`".to_owned());
        }
        for key in keys.iter().filter(|key| key.table == *own.physical().name()) {
            if existing.foreign_keys.iter().any(|there| same_key(key, there)) {
                continue;
            }
            let elsewhere =
                existing.foreign_keys.iter().any(|there| there.columns.last() == Some(&key.column));
            let empty = own.column(&key.column).is_some_and(|column| changes::unaddable(column).is_none());
            if empty && !elsewhere {
                self.changes.extend(changes::tie(key, home));
            } else {
                self.differences.push(format!(
                    "column `{}` does not point at `{}.{}`",
                    key.column, key.target, key.target_column
                ));
            }
        }
    }
}

fn same_key(key: &ResolvedKey, there: &ForeignKey) -> bool {
    there.target == key.target
        && matches!(there.columns.as_slice(), [tenant, column]
            if tenant.as_str() == TENANT_ID && *column == key.column)
        && matches!(there.target_columns.as_slice(), [tenant, column]
            if *tenant == key.target_tenant && *column == key.target_column)
}

fn has_key(existing: &Table, index: &OwnIndex) -> bool {
    existing.unique_keys.iter().any(|key| !key.partial && key.columns == index.columns())
}

fn spelled(columns: &[SqlName]) -> String {
    columns.iter().map(SqlName::as_str).collect::<Vec<_>>().join(", ")
}

fn key_differences(own: &OwnTable, existing: &Table) -> Vec<String> {
    let mut found = Vec::new();
    let tenant_first = |columns: &[SqlName]| columns.first().is_some_and(|first| first.as_str() == TENANT_ID);
    match existing.primary_key() {
        Some(key)
            if tenant_first(&key.columns)
                && key.columns.get(1..) == Some(std::slice::from_ref(own.primary())) => {}
        Some(key) => found.push(format!("its primary key is ({})", spelled(&key.columns))),
        None => found.push("it has no primary key".to_owned()),
    }
    for key in existing.unique_keys.iter().filter(|key| !key.primary && !tenant_first(&key.columns)) {
        found.push(format!("key `{}` spans tenants", key.name));
    }
    found
}
