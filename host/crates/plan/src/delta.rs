//! What a plan changes in what an applet may do.

use applet_types::{Columns, Operation, SqlName};
use serde::Serialize;

use crate::Side;

/// The operations that a grant is made of; a soft delete is an update.
pub(crate) const PARTS: [Operation; 4] =
    [Operation::Read, Operation::Insert, Operation::Update, Operation::HardDelete];

/// One thing that may be done with one table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct GrantLine {
    /// The table, by its physical name.
    pub table: SqlName,
    /// What may be done.
    pub operation: Operation,
    /// With which columns; `None` means every column, those added later included. Of an own table, every
    /// column that the version declares.
    pub columns: Option<Vec<SqlName>>,
}

impl GrantLine {
    pub(crate) fn new(table: &SqlName, operation: Operation, columns: &Columns) -> Self {
        let columns = match columns {
            Columns::All => None,
            Columns::Only(names) => Some(names.iter().cloned().collect()),
        };
        Self { table: table.clone(), operation, columns }
    }
}

/// Grants that come and go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GrantsDelta {
    /// New ones.
    pub added: Vec<GrantLine>,
    /// Gone ones.
    pub removed: Vec<GrantLine>,
    /// Those among the new ones that the applet works without.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub optional: Vec<GrantLine>,
}

impl GrantsDelta {
    /// The difference between two sides, the first of which may be nothing: column by column.
    pub fn between(old: Option<Side<'_>>, new: Side<'_>) -> Self {
        let mut delta = Self::default();
        let before = |table: &SqlName, operation| old.and_then(|old| part(old, table, operation));
        for (table, _) in new.grants.tables() {
            for operation in PARTS {
                let Some(now) = part(new, table, operation) else { continue };
                let gained = match (&now, before(table, operation)) {
                    (now, Some(before)) if *now == before => continue,
                    (Columns::Only(now), Some(Columns::Only(before))) => {
                        Columns::Only(now.difference(&before).cloned().collect())
                    }
                    (now, _) => now.clone(),
                };
                push(&mut delta.added, table, operation, &gained);
            }
        }
        for (table, _) in old.into_iter().flat_map(|old| old.grants.tables()) {
            for operation in PARTS {
                let Some(had) = before(table, operation) else { continue };
                let lost = match (&had, part(new, table, operation)) {
                    (had, Some(now)) if *had == now => continue,
                    (Columns::Only(had), Some(Columns::Only(now))) => {
                        Columns::Only(had.difference(&now).cloned().collect())
                    }
                    (had, _) => had.clone(),
                };
                push(&mut delta.removed, table, operation, &lost);
            }
        }
        let optional = |line: &&GrantLine| {
            let may_lack = new.manifest.optional().find(|(table, _)| **table == line.table);
            let may_lack = may_lack.and_then(|(_, grant)| grant.part(line.operation));
            let columns = line
                .columns
                .as_ref()
                .map_or(Columns::All, |names| Columns::Only(names.iter().cloned().collect()));
            may_lack.is_some_and(|may_lack| may_lack.covers(&columns))
        };
        delta.optional = delta.added.iter().filter(optional).cloned().collect();
        delta
    }
}

/// What one side may do with a table. Every declared column of an own table is every column: which columns
/// those are is what the steps of a plan speak of.
fn part(side: Side<'_>, table: &SqlName, operation: Operation) -> Option<Columns> {
    let columns = side.grants.table(table)?.part(operation)?;
    let declared = side
        .manifest
        .own_table(table)
        .is_some_and(|own| own.columns().iter().all(|column| columns.contains(column.name())));
    Some(if declared { Columns::All } else { columns })
}

fn push(lines: &mut Vec<GrantLine>, table: &SqlName, operation: Operation, columns: &Columns) {
    if !matches!(columns, Columns::Only(names) if names.is_empty()) {
        lines.push(GrantLine::new(table, operation, columns));
    }
}
